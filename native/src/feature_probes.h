// SPDX-License-Identifier: Apache-2.0
// What the running kernel can do, found by doing it, because version numbers lie on kernels with backports. The process keeps the results.
#pragma once
#include <functional>
#include <map>
#include <string>

namespace uspan {

struct FeatureAnswer {
  bool supported;
  /** Why the feature is missing (what was tried, and the errno), or a restriction. It may be empty. */
  std::string detail;
};

/** Key: the name in native.d.ts. */
const std::map<std::string, std::function<FeatureAnswer()>>& FeatureProbes();
/** Probes each feature once. For unknown names it returns false and leaves `answer` alone. */
bool Feature(const std::string& name, FeatureAnswer& answer);

/** Whether the pid filter of uprobe_multi covers all threads of the process. Before Linux 6.10 it covered one. */
bool UprobeMultiFiltersByProcess();

}  // namespace uspan
