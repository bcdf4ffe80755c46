// SPDX-License-Identifier: Apache-2.0
#include "uprobe_request.h"

#include "arguments.h"
#include "errors.h"

namespace uspan {

namespace {

bool IsReturn(const Napi::Value& value) {
  if (value.IsUndefined()) return false;
  const std::string mode = StringArgument(value, "mode");
  if (mode != "entry" && mode != "return") Throw(value.Env(), "E_NATIVE", "mode must be 'entry' or 'return'");
  return mode == "return";
}

}  // namespace

UprobeRequest ParseUprobeRequest(const Napi::Object& options) {
  const Napi::Value ref_ctr = options.Get("refCtrOffsets");
  const Napi::Value pid = options.Get("pid");
  UprobeRequest request = {
      .program = StringArgument(options.Get("program"), "program"),
      .path = StringArgument(options.Get("path"), "path"),
      .offsets = BigUint64sArgument(options.Get("offsets"), "offsets"),
      .cookies = BigUint64sArgument(options.Get("cookies"), "cookies"),
      .ref_ctr_offsets = {},
      .pid = pid.IsUndefined() ? 0 : static_cast<int>(NumberArgument(pid, "pid", INT32_MAX)),
      .at_return = IsReturn(options.Get("mode")),
  };
  if (!ref_ctr.IsUndefined()) request.ref_ctr_offsets = BigUint64sArgument(ref_ctr, "refCtrOffsets");
  if (request.offsets.empty()) Throw(options.Env(), "E_NATIVE", "offsets must not be empty");
  if (request.cookies.size() != request.offsets.size() || (!ref_ctr.IsUndefined() && request.ref_ctr_offsets.size() != request.offsets.size())) {
    Throw(options.Env(), "E_NATIVE", "offsets, cookies and refCtrOffsets must be of one length");
  }
  return request;
}

}  // namespace uspan
