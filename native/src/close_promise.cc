// SPDX-License-Identifier: Apache-2.0
#include "close_promise.h"

namespace uspan {

namespace {

using Deferred = Napi::Promise::Deferred;

/** Without an environment, JavaScript has ended, and nothing waits any more. */
void Resolve(Napi::Env env, Napi::Function, Deferred* deferred, void*) {
  if (env != nullptr) deferred->Resolve(env.Undefined());
}

using Resolver = Napi::TypedThreadSafeFunction<Deferred, void, Resolve>;

}  // namespace

Napi::Promise PromiseClosed(Napi::Env env, const std::function<void(std::function<void()> closed)>& begin) {
  auto* deferred = new Deferred(env);
  const Napi::Promise promise = deferred->Promise();
  const Resolver resolver = Resolver::New(env, "uspan.close", 0, 1, deferred, [](Napi::Env, void*, Deferred* context) { delete context; });
  begin([resolver] {
    // napi_closing says that the environment is ending, so the resolver must not be touched again.
    if (resolver.BlockingCall() == napi_ok) resolver.Release();
  });
  return promise;
}

}  // namespace uspan
