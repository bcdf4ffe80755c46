// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <cstdint>
#include <span>
#include <string>

namespace uspan {

enum class UprobeMode { kEntry, kReturn, kSession };

/** native.d.ts UprobeMultiOptions, checked. The spans are valid while the JavaScript object is. */
struct UprobeRequest {
  std::string program;
  std::string path;
  std::span<uint64_t> offsets;  // at least one
  std::span<uint64_t> cookies;  // as many
  std::span<uint64_t> ref_ctr_offsets;  // as many, or none
  int pid;  // 0: every process
  UprobeMode mode;
};

/** Throws E_NATIVE. */
UprobeRequest ParseUprobeRequest(const Napi::Object& options);

}  // namespace uspan
