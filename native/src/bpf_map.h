// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <span>

#include "object_state.h"

namespace uspan {

/** native.d.ts BpfMap. */
class BpfMap : public Napi::ObjectWrap<BpfMap> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<ObjectState> owner, bpf_map* map);
  /** Descriptor of the map behind a handle, valid while its object is open. Throws E_NATIVE when `value` is not a map. */
  static int Descriptor(const Napi::Value& value);
  explicit BpfMap(const Napi::CallbackInfo& info);

 private:
  Napi::Value Name(const Napi::CallbackInfo& info);
  Napi::Value KeySize(const Napi::CallbackInfo& info);
  Napi::Value ValueSize(const Napi::CallbackInfo& info);
  Napi::Value MaxEntries(const Napi::CallbackInfo& info);
  Napi::Value Lookup(const Napi::CallbackInfo& info);
  Napi::Value Update(const Napi::CallbackInfo& info);
  Napi::Value Delete(const Napi::CallbackInfo& info);
  Napi::Value Keys(const Napi::CallbackInfo& info);
  Napi::Value Entries(const Napi::CallbackInfo& info);

  const bpf_map* Open(Napi::Env env) const;
  std::span<uint8_t> Key(const Napi::Value& value) const;
  /** Bytes of one lookup. For per-CPU maps, that is the value of each possible CPU, each rounded up to 8. */
  size_t TransferBytes(Napi::Env env) const;
  [[noreturn]] void Fail(Napi::Env env, const char* operation, int error) const;

  std::shared_ptr<ObjectState> owner_;
  const bpf_map* map_ = nullptr;
};

}  // namespace uspan
