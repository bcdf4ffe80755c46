// SPDX-License-Identifier: Apache-2.0
// What must be let go when the JavaScript environment ends, even if nobody closed it.
#pragma once
#include <functional>
#include <future>
#include <memory>
#include <unordered_set>
#include <vector>

namespace uspan {

class Resource;

/** All open resources of one environment. Used on its JavaScript thread only. */
class Registry {
 public:
  /** Closes everything, those that wait for the kernel side by side. */
  void CloseAll() noexcept;
  /** Runs `close` on a thread of its own, or here if there is none to be had. CloseAll() waits for it. */
  void InBackground(std::function<void()> close) noexcept;

 private:
  friend class Resource;
  std::unordered_set<Resource*> open_;
  std::vector<std::future<void>> background_;
};

/** Registered from construction to destruction, both on the JavaScript thread. */
class Resource {
 public:
  explicit Resource(std::shared_ptr<Registry> registry);
  virtual ~Resource();
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  /** Lets go of the kernel objects, waiting if need be. May be called again. */
  virtual void CloseNow() noexcept = 0;
  /** CloseNow() waits for the kernel and may run on any thread. */
  virtual bool ClosesSlowly() const { return false; }

 protected:
  Registry& registry() const { return *registry_; }

 private:
  std::shared_ptr<Registry> registry_;
};

/** CloseNow() on each, on up to 16 threads, and waits for all: what the kernel lets happen at the same time does. */
void CloseSideBySide(const std::vector<Resource*>& resources) noexcept;

}  // namespace uspan
