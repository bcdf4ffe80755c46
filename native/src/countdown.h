// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace uspan {

/** Waits for a number of jobs that other threads do. */
class Countdown {
 public:
  explicit Countdown(size_t count) : left_(count) {}

  /** One of the jobs is done. */
  void Done() noexcept {
    std::vector<std::function<void()>> next;
    {
      const std::lock_guard lock(mutex_);
      if (--left_ > 0) return;
      next.swap(next_);
      all_done_.notify_all();
    }
    for (const auto& call : next) call();
  }

  /** Calls `next` after the last Done(), on the thread of that call. With nothing to wait for, it calls `next` at once. */
  void Then(std::function<void()> next) {
    {
      const std::lock_guard lock(mutex_);
      if (left_ > 0) return next_.push_back(std::move(next));
    }
    next();
  }

  void Wait() {
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_done_;
  size_t left_;
  std::vector<std::function<void()>> next_;
};

}  // namespace uspan
