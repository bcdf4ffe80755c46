// SPDX-License-Identifier: Apache-2.0
// libbpf says why only in its log. Nothing is printed: the lines of the current call are kept, per thread, for the error.
#pragma once
#include <string>

namespace uspan {

/** Once per process. */
void InstallLibbpfLog();

/** Collects libbpf's warnings on this thread from construction to destruction. It does not nest. */
class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;

  /** The warnings without "libbpf: " and without the verifier log, joined by "; ". */
  std::string Message() const;
  /** The last 4 KB of the last verifier log, from the start of a line. Empty without a log. */
  std::string VerifierLogTail() const;
};

}  // namespace uspan
