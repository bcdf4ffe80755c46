// SPDX-License-Identifier: Apache-2.0
// Reading a mapped page beyond the end of a file that has shrunk raises SIGBUS. Inside a guarded range, the handler puts zero pages there
// and remembers it. Any other SIGBUS goes to the handler that was there before.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace uspan {

/** A node of the handler's list. Nodes are reused and never freed, because the handler may be walking at any moment. */
struct GuardedRange {
  std::atomic<uintptr_t> start{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> faulted{false};
  GuardedRange* next = nullptr;
};

/** Guards the page-aligned range [start, start + size). Installs the handler at first use. Any thread may call it. */
GuardedRange* GuardRange(void* start, size_t size);
/** Call it before the range is unmapped. */
void ReleaseRange(GuardedRange* range);

}  // namespace uspan
