// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <functional>

namespace uspan {

/** Calls `begin` with a function that any thread may call, once; the promise resolves then. Keeps the process alive until that. */
Napi::Promise PromiseClosed(Napi::Env env, const std::function<void(std::function<void()> closed)>& begin);

}  // namespace uspan
