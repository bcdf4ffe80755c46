// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

namespace uspan {

Napi::Value TakeReadLease(const Napi::CallbackInfo& info);
Napi::Value HasReadLease(const Napi::CallbackInfo& info);

}  // namespace uspan
