// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

namespace uspan {

Napi::Value ReleaseMemory(const Napi::CallbackInfo& info);

}  // namespace uspan
