// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace uspan {

/**
 * Threads that let go of kernel objects, which makes each of them wait for the kernel. They are the addon's own: libuv has four, and
 * name look-ups, files and compression need those. A thread ends when nothing is left to do.
 */
class ClosePool {
 public:
  ClosePool() = default;
  ~ClosePool() { WaitUntilIdle(); }
  ClosePool(const ClosePool&) = delete;
  ClosePool& operator=(const ClosePool&) = delete;

  /** Runs `job`, which throws nothing, on one of up to 16 threads; here when there is no thread to be had. */
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
