// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

namespace uspan {

/** native.d.ts probeFeature. */
Napi::Value ProbeFeature(const Napi::CallbackInfo& info);

}  // namespace uspan
