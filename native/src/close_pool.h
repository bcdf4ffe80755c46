// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace uspan {

/**
 * Threads that close kernel objects, because each of them makes its thread wait for the kernel. They are the addon's own: libuv has only
 * four threads, which name look-ups, files and compression need. A thread ends when it has nothing left to do.
 */
class ClosePool {
 public:
  ClosePool() = default;
  ~ClosePool() { WaitUntilIdle(); }
  ClosePool(const ClosePool&) = delete;
  ClosePool& operator=(const ClosePool&) = delete;

  /** Runs `job`, which must not throw, on one of up to 16 threads. Without a thread, it runs `job` here. */
  void Submit(std::function<void()> job) noexcept;
  void WaitUntilIdle() noexcept;

 private:
  void Work() noexcept;

  std::mutex mutex_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> jobs_;
  size_t threads_ = 0;
};

}  // namespace uspan
