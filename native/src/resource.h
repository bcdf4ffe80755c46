// SPDX-License-Identifier: Apache-2.0
// What must be let go when the JavaScript environment ends, even if nobody closed it.
#pragma once
#include <memory>
#include <unordered_set>

#include "close_pool.h"

namespace uspan {

class Resource;

/** All open resources of one environment. Used on its JavaScript thread only. */
class Registry {
 public:
  /** Lets go of everything, what waits for the kernel side by side, and returns when that is done. */
  void CloseAll() noexcept;
  ClosePool& pool() { return pool_; }

 private:
  friend class Resource;
  std::unordered_set<Resource*> open_;
  ClosePool pool_;
};

/** Registered from construction to destruction, both on the JavaScript thread. */
class Resource {
 public:
  explicit Resource(std::shared_ptr<Registry> registry);
  virtual ~Resource();
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  /** Lets go of the kernel objects; what the kernel makes wait for happens in the registry's pool. May be called again. */
  virtual void LetGo() noexcept = 0;

 protected:
  Registry& registry() const { return *registry_; }

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace uspan
