// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <memory>

#include "resource.h"
#include "ring_consumer.h"
#include "wakeup.h"

namespace uspan {

/** A mapped ring and its watcher. Once open, it does not depend on the object. */
class RingState : public Resource {
 public:
  RingState(std::shared_ptr<Registry> registry, int map_fd, size_t size_bytes);
  ~RingState() override;
  void LetGo() noexcept override;

  std::unique_ptr<RingConsumer> consumer;  // null once closed
  int map_fd;
  size_t size_bytes;
  Wakeup* wakeup = nullptr;
};

/** native.d.ts RingBuffer. */
class RingBuffer : public Napi::ObjectWrap<RingBuffer> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<RingState> state, std::shared_ptr<Resource> owner);
  explicit RingBuffer(const Napi::CallbackInfo& info);
  ~RingBuffer() override;

 private:
  Napi::Value Drain(const Napi::CallbackInfo& info);
  Napi::Value SizeBytes(const Napi::CallbackInfo& info);
  Napi::Value OversizedRecords(const Napi::CallbackInfo& info);
  Napi::Value OnWakeup(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  RingState& Open(Napi::Env env) const;

  std::shared_ptr<RingState> state_;
  std::shared_ptr<Resource> owner_;  // the object stays loaded while this handle is in use
};

}  // namespace uspan
