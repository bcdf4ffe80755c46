// SPDX-License-Identifier: Apache-2.0
// libbpf gives reasons only in its log. Nothing is printed: each thread keeps the lines of its current call for the error.
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
