// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

namespace uspan {

/** native.d.ts openObject. */
Napi::Value OpenObject(const Napi::CallbackInfo& info);
/** native.d.ts mapNames. */
Napi::Value MapNames(const Napi::CallbackInfo& info);
/** native.d.ts structLayouts. */
Napi::Value StructLayouts(const Napi::CallbackInfo& info);

}  // namespace uspan
