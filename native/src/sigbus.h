// SPDX-License-Identifier: Apache-2.0
// Reading a mapped page beyond the end of a file that has shrunk raises SIGBUS. Inside a guarded range the handler puts zero pages there
// instead and remembers it; any other SIGBUS goes to whoever handled it before.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace uspan {

/** A node of the handler's list. Never freed, only reused: the handler may be walking at any moment. */
struct GuardedRange {
  std::atomic<uintptr_t> start{0};  // 0: free
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> faulted{false};
  GuardedRange* next = nullptr;
};

/** Guards [start, start + size), page aligned start. Installs the handler at first use. Any thread. */
GuardedRange* GuardRange(void* start, size_t size);
/** Call before the range is unmapped. */
void ReleaseRange(GuardedRange* range);

}  // namespace uspan
