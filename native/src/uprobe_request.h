// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>

#include <cstdint>
#include <span>
#include <string>

namespace uspan {

/** native.d.ts UprobeMultiOptions, checked. The spans are valid while the JavaScript object exists. */
struct UprobeRequest {
  std::string program;
  std::string path;
  std::span<uint64_t> offsets;  // at least one
  std::span<uint64_t> cookies;  // as many
  std::span<uint64_t> ref_ctr_offsets;  // as many, or none
  int pid;  // 0: every process
  bool at_return;
};

/** Throws E_NATIVE. */
UprobeRequest ParseUprobeRequest(const Napi::Object& options);

}  // namespace uspan
