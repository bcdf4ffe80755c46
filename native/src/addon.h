// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <memory>

#include "resource.h"

namespace uspan {

/** It goes up when native.d.ts changes incompatibly. src/native.ts compares it. */
inline constexpr int kAbi = 4;

/** State of one environment: the classes, which JavaScript cannot construct itself, and what is open. */
struct AddonData {
  Napi::FunctionReference bpf_map;
  Napi::FunctionReference bpf_object;
  Napi::FunctionReference link;
  Napi::FunctionReference mapped_file;
  Napi::FunctionReference ring_buffer;
  Napi::ObjectReference token;  // JavaScript never sees it, so only this addon can pass it to a constructor
  std::shared_ptr<Registry> registry = std::make_shared<Registry>();

  static AddonData& Of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

/** Makes an empty handle of a class. Only such a call passes RequireInternal(). */
Napi::Object Construct(Napi::Env env, const Napi::FunctionReference& constructor);
/** For constructors: refuses `new handle.constructor()` from JavaScript, which would make an empty handle. */
void RequireInternal(const Napi::CallbackInfo& info);

}  // namespace uspan
