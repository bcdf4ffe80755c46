// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <cstdint>
#include <span>
#include <string>

#include "object_state.h"

namespace uspan {

/** BPF_PROG_TEST_RUN of a SEC("syscall") program. `context` goes in and comes back. Throws E_BPF_LOAD when the kernel refuses to run it. */
Napi::Value TestRun(Napi::Env env, const ObjectState& state, const std::string& program, std::span<uint8_t> context);

}  // namespace uspan
