// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include "object_state.h"

namespace uspan {

/** native.d.ts ProgramInfo of every loaded program. */
Napi::Value ProgramInfos(Napi::Env env, const ObjectState& state);

}  // namespace uspan
