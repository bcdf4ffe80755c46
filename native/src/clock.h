// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

namespace uspan {

Napi::Value ClockOffsetNs(const Napi::CallbackInfo& info);

}  // namespace uspan
