// SPDX-License-Identifier: Apache-2.0
#include "ring_buffer.h"

#include "addon.h"
#include "arguments.h"
#include "errors.h"

namespace uspan {

RingState::RingState(std::shared_ptr<Registry> registry, int fd, size_t size)
    : Resource(std::move(registry)), consumer(std::make_unique<RingConsumer>(fd, size)), map_fd(fd), size_bytes(size) {}

RingState::~RingState() { LetGo(); }

void RingState::LetGo() noexcept {
  if (wakeup) wakeup->Stop();
  wakeup = nullptr;
  consumer.reset();
}

Napi::Function RingBuffer::Define(Napi::Env env) {
  return DefineClass(env, "RingBuffer",
                     {
                         InstanceMethod<&RingBuffer::Drain>("drain"),
                         InstanceAccessor<&RingBuffer::SizeBytes>("sizeBytes"),
                         InstanceAccessor<&RingBuffer::OversizedRecords>("oversizedRecords"),
                         InstanceMethod<&RingBuffer::OnWakeup>("onWakeup"),
                         InstanceMethod<&RingBuffer::Close>("close"),
                     });
}

Napi::Object RingBuffer::Wrap(Napi::Env env, std::shared_ptr<RingState> state, std::shared_ptr<Resource> owner) {
  Napi::Object object = Construct(env, AddonData::Of(env).ring_buffer);
  Unwrap(object)->state_ = std::move(state);
  Unwrap(object)->owner_ = std::move(owner);
  return object;
}

RingBuffer::RingBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RingBuffer>(info) { RequireInternal(info); }

RingBuffer::~RingBuffer() = default;

RingState& RingBuffer::Open(Napi::Env env) const {
  if (!state_ || !state_->consumer) Throw(env, "E_NATIVE", "the ring buffer is closed");
  return *state_;
}

Napi::Value RingBuffer::Drain(const Napi::CallbackInfo& info) {
  RingState& state = Open(info.Env());
  return Napi::Number::New(info.Env(), static_cast<double>(state.consumer->Drain(BytesArgument(info[0], "slab"))));
}

Napi::Value RingBuffer::SizeBytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Open(info.Env()).size_bytes));
}

Napi::Value RingBuffer::OversizedRecords(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Open(info.Env()).consumer->oversized_records()));
}

Napi::Value RingBuffer::OnWakeup(const Napi::CallbackInfo& info) {
  RingState& state = Open(info.Env());
  if (!info[0].IsFunction()) Throw(info.Env(), "E_NATIVE", "callback must be a function");
  Wakeup* wakeup = Wakeup::Start(info.Env(), state.map_fd, info[0].As<Napi::Function>());
  if (state.wakeup) state.wakeup->Stop();
  state.wakeup = wakeup;
  return info.Env().Undefined();
}

Napi::Value RingBuffer::Close(const Napi::CallbackInfo& info) {
  if (state_) state_->LetGo();
  return info.Env().Undefined();
}

}  // namespace uspan
