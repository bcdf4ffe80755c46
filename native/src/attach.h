// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <string>

#include "object_state.h"

namespace uspan {

/** native.d.ts BpfObject.attachUprobes. It throws E_ATTACH, and then leaves nothing attached. */
Napi::Value AttachUprobes(Napi::Env env, ObjectState& state, const Napi::Object& options);
Napi::Value AttachRawTracepoint(Napi::Env env, ObjectState& state, const std::string& program, const std::string& name);

}  // namespace uspan
