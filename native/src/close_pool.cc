// SPDX-License-Identifier: Apache-2.0
#include "close_pool.h"

#include <exception>
#include <thread>

namespace uspan {

namespace {
constexpr size_t kMaxThreads = 16;
}

void ClosePool::Submit(std::function<void()> job) noexcept {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    if (threads_ == kMaxThreads) return;
    threads_++;
  }
  try {
    std::thread([this] { Work(); }).detach();
  } catch (const std::exception&) {
    Work();
  }
}

void ClosePool::WaitUntilIdle() noexcept {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return threads_ == 0; });
}

void ClosePool::Work() noexcept {
  std::unique_lock lock(mutex_);
  while (!jobs_.empty()) {
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
  // Do not touch the pool behind the unlock: it may be gone by then.
  if (--threads_ == 0) idle_.notify_all();
}

}  // namespace uspan
