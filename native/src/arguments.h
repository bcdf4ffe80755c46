// SPDX-License-Identifier: Apache-2.0
// Checked reads of JavaScript arguments. A wrong one throws E_NATIVE and names the argument: it is the caller's bug, not the user's.
#pragma once
#include <napi.h>

#include <cstdint>
#include <span>
#include <string>

namespace uspan {

/** A string without NUL characters, because every one becomes a C string. */
std::string StringArgument(const Napi::Value& value, const char* name);
/** A whole number from 0 to max. */
uint64_t NumberArgument(const Napi::Value& value, const char* name, uint64_t max);
/** The bytes of a Uint8Array (or Buffer), valid while the value is. */
std::span<uint8_t> BytesArgument(const Napi::Value& value, const char* name);
std::span<uint64_t> BigUint64sArgument(const Napi::Value& value, const char* name);
Napi::Object ObjectArgument(const Napi::Value& value, const char* name);

}  // namespace uspan
