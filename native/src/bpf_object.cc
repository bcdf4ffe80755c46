// SPDX-License-Identifier: Apache-2.0
#include "bpf_object.h"

#include "addon.h"
#include "arguments.h"
#include "attach.h"
#include "bpf_map.h"
#include "close_promise.h"
#include "iterator.h"
#include "program_info.h"
#include "test_run.h"

namespace uspan {

Napi::Function BpfObject::Define(Napi::Env env) {
  return DefineClass(env, "BpfObject",
                     {
                         InstanceMethod<&BpfObject::Programs>("programs"),
                         InstanceMethod<&BpfObject::Map>("map"),
                         InstanceMethod<&BpfObject::Ring>("ring"),
                         InstanceMethod<&BpfObject::AttachUprobes>("attachUprobes"),
                         InstanceMethod<&BpfObject::AttachRawTracepoint>("attachRawTracepoint"),
                         InstanceMethod<&BpfObject::RunIterator>("runIterator"),
                         InstanceMethod<&BpfObject::TestRun>("testRun"),
                         InstanceMethod<&BpfObject::Close>("close"),
                     });
}

Napi::Object BpfObject::Wrap(Napi::Env env, std::shared_ptr<ObjectState> state) {
  Napi::Object object = Construct(env, AddonData::Of(env).bpf_object);
  Unwrap(object)->state_ = std::move(state);
  return object;
}

BpfObject::BpfObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfObject>(info) { RequireInternal(info); }

Napi::Value BpfObject::Programs(const Napi::CallbackInfo& info) { return ProgramInfos(info.Env(), *state_); }

Napi::Value BpfObject::Map(const Napi::CallbackInfo& info) {
  return BpfMap::Wrap(info.Env(), state_, state_->Map(info.Env(), StringArgument(info[0], "name")));
}

Napi::Value BpfObject::Ring(const Napi::CallbackInfo& info) {
  return state_->OpenRing(info.Env(), StringArgument(info[0], "name"));
}

Napi::Value BpfObject::AttachUprobes(const Napi::CallbackInfo& info) {
  return uspan::AttachUprobes(info.Env(), *state_, ObjectArgument(info[0], "options"));
}

Napi::Value BpfObject::AttachRawTracepoint(const Napi::CallbackInfo& info) {
  return uspan::AttachRawTracepoint(info.Env(), *state_, StringArgument(info[0], "program"), StringArgument(info[1], "name"));
}

Napi::Value BpfObject::RunIterator(const Napi::CallbackInfo& info) {
  const uint64_t max_bytes = NumberArgument(info[1], "maxBytes", UINT64_C(1) << 32);
  const uint64_t pid = info[2].IsUndefined() ? 0 : NumberArgument(info[2], "pid", INT32_MAX);
  return uspan::RunIterator(info.Env(), *state_, StringArgument(info[0], "program"), max_bytes, static_cast<uint32_t>(pid));
}

Napi::Value BpfObject::TestRun(const Napi::CallbackInfo& info) {
  return uspan::TestRun(info.Env(), *state_, StringArgument(info[0], "program"), BytesArgument(info[1], "ctx"));
}

Napi::Value BpfObject::Close(const Napi::CallbackInfo& info) {
  if (closed_.IsEmpty()) {
    const auto begin = [this](std::function<void()> closed) { state_->Close(std::move(closed)); };
    closed_ = Napi::Persistent(PromiseClosed(info.Env(), begin).As<Napi::Object>());
  }
  return closed_.Value();
}

}  // namespace uspan
