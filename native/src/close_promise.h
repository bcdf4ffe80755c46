// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <functional>

namespace uspan {

/** Calls `begin` with a function that any thread may call once. That call resolves the promise. Until then it keeps the process alive. */
Napi::Promise PromiseClosed(Napi::Env env, const std::function<void(std::function<void()> closed)>& begin);

}  // namespace uspan
