// SPDX-License-Identifier: Apache-2.0
// What the running kernel can do, found by doing it; version numbers lie on kernels with backports. Results are kept for the process.
#pragma once
#include <functional>
#include <map>
#include <string>

namespace uspan {

struct FeatureAnswer {
  bool supported;
  /** Why not (what was tried, and the errno), or a restriction; may be empty. */
  std::string detail;
};

/** By the name in native.d.ts. */
const std::map<std::string, std::function<FeatureAnswer()>>& FeatureProbes();
/** Probed once. Unknown names give false and leave `answer` alone. */
bool Feature(const std::string& name, FeatureAnswer& answer);

/** Whether uprobe_multi's pid filter covers all threads of the process; before Linux 6.10 it covered one. */
bool UprobeMultiFiltersByProcess();

}  // namespace uspan
