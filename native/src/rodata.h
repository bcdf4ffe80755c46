// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bpf/libbpf.h>

#include <cstdint>
#include <span>
#include <string>

namespace uspan {

/** Sets a `const volatile` variable of an object that is open but not loaded. Returns what is wrong, or an empty string. */
std::string WriteRodata(bpf_object* object, const std::string& variable, std::span<const uint8_t> value);

}  // namespace uspan
