// SPDX-License-Identifier: Apache-2.0
// Gives back what start-up needed: freed blocks of the C heap, and pages of program files.
#include "release_memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>

namespace uspan {

namespace {

struct Mapping {
  uintptr_t from = 0;
  uintptr_t to = 0;
  /** It is private, from a file, and nobody may write to it. */
  bool clean_file = false;
};

/** By the first line of a mapping in smaps (proc_pid_smaps(5)): "from-to permissions offset device inode path". */
std::optional<Mapping> ReadMapping(const std::string& line) {
  Mapping mapping;
  char permissions[5] = "";
  uint64_t inode = 0;
  const char* format = "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*s %" SCNu64;
  if (sscanf(line.c_str(), format, &mapping.from, &mapping.to, permissions, &inode) != 4) return std::nullopt;
  mapping.clean_file = inode != 0 && permissions[0] == 'r' && permissions[1] == '-' && permissions[3] == 'p';
  return mapping;
}

/**
 * Unmaps the pages of files that are mapped privately and only for reading or running. They stay in the page cache, and come back with a
 * minor fault when they are used. A mapping with a page of its own (relocations, another tracer's breakpoint) stays as it is.
 */
void UnmapFilePages() {
  std::ifstream smaps("/proc/self/smaps");
  Mapping mapping;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long own_kib = 0;
    if (sscanf(line.c_str(), "Anonymous: %lu kB", &own_kib) == 1) {
      // Where it is refused (a locked mapping), the pages stay.
      if (mapping.clean_file && own_kib == 0)
        madvise(reinterpret_cast<void*>(mapping.from), mapping.to - mapping.from, MADV_DONTNEED);
    } else if (const auto next = ReadMapping(line)) {
      mapping = *next;
    }
  }
}

}  // namespace

Napi::Value ReleaseMemory(const Napi::CallbackInfo& info) {
  malloc_trim(0);
  UnmapFilePages();
  return info.Env().Undefined();
}

}  // namespace uspan
