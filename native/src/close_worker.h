// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <functional>

namespace uspan {

/** Runs `close` on a libuv worker and resolves the promise. Deletes itself. */
class CloseWorker : public Napi::AsyncWorker {
 public:
  static Napi::Promise Run(Napi::Env env, std::function<void()> close) {
    auto* worker = new CloseWorker(env, std::move(close));
    Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }

 protected:
  void Execute() override { close_(); }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  CloseWorker(Napi::Env env, std::function<void()> close)
      : Napi::AsyncWorker(env, "uspan.close"), deferred_(env), close_(std::move(close)) {}

  Napi::Promise::Deferred deferred_;
  std::function<void()> close_;
};

}  // namespace uspan
