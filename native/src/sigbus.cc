// SPDX-License-Identifier: Apache-2.0
#include "sigbus.h"

#include <csignal>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>

namespace uspan {

namespace {

std::atomic<GuardedRange*> head{nullptr};
std::mutex change;  // for writers only: the handler takes no lock
struct sigaction previous;
uintptr_t page_mask = 0;

/** Async-signal-safe: one system call, no libc state. */
bool ZeroTail(uintptr_t address) {
  for (GuardedRange* range = head.load(std::memory_order_acquire); range; range = range->next) {
    const uintptr_t start = range->start.load(std::memory_order_acquire);
    const uintptr_t end = range->end.load(std::memory_order_acquire);
    if (start == 0 || address < start || address >= end) continue;
    const uintptr_t from = address & page_mask;
    const int saved = errno;
    const long mapped = syscall(SYS_mmap, from, end - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = saved;
    range->faulted.store(true, std::memory_order_release);
    return mapped == static_cast<long>(from);
  }
  return false;
}

void OnSigbus(int signal, siginfo_t* info, void* context) {
  // BUS_ADRERR is the kernel's "beyond the end of the object". A kill(2) or a memory error is not for this handler.
  if (info->si_code == BUS_ADRERR && ZeroTail(reinterpret_cast<uintptr_t>(info->si_addr))) return;
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // Die of it as the process would without this handler. The signal is blocked until we return.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, nullptr);
    raise(signal);
  }
}

void Install() {
  page_mask = ~(static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
  struct sigaction action = {};
  action.sa_sigaction = OnSigbus;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous);
}

GuardedRange* TakeFree() {
  for (GuardedRange* range = head.load(std::memory_order_relaxed); range; range = range->next) {
    if (range->start.load(std::memory_order_relaxed) == 0) return range;
  }
  auto* range = new GuardedRange();
  range->next = head.load(std::memory_order_relaxed);
  head.store(range, std::memory_order_release);
  return range;
}

}  // namespace

GuardedRange* GuardRange(void* start, size_t size) {
  const std::lock_guard lock(change);
  static bool installed = false;
  if (!installed) Install();
  installed = true;
  GuardedRange* range = TakeFree();
  const size_t page = ~page_mask + 1;
  range->faulted.store(false, std::memory_order_relaxed);
  range->end.store(reinterpret_cast<uintptr_t>(start) + (size + page - 1) / page * page, std::memory_order_release);
  range->start.store(reinterpret_cast<uintptr_t>(start), std::memory_order_release);
  return range;
}

void ReleaseRange(GuardedRange* range) {
  const std::lock_guard lock(change);
  range->start.store(0, std::memory_order_release);
}

}  // namespace uspan
