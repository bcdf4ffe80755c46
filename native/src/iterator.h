// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <cstdint>
#include <string>

#include "object_state.h"

namespace uspan {

/**
 * Everything that one run of a BPF iterator writes. Throws E_ATTACH. Output beyond max_bytes is E_NATIVE, and is never cut. pid 0 means
 * every task.
 */
Napi::Value RunIterator(Napi::Env env, const ObjectState& state, const std::string& program, size_t max_bytes, uint32_t pid);

}  // namespace uspan
