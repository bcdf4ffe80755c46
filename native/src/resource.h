// SPDX-License-Identifier: Apache-2.0
// What must be closed when the JavaScript environment ends, even without a call of close().
#pragma once
#include <memory>
#include <unordered_set>

#include "close_pool.h"

namespace uspan {

class Resource;

/** All open resources of one environment. Only its JavaScript thread uses it. */
class Registry {
 public:
  /** Closes everything, with the waits for the kernel side by side. Returns when that is done. */
  void CloseAll() noexcept;
  ClosePool& pool() { return pool_; }

 private:
  friend class Resource;
  std::unordered_set<Resource*> open_;
  ClosePool pool_;
};

/** A resource is registered from construction to destruction, both on the JavaScript thread. */
class Resource {
 public:
  explicit Resource(std::shared_ptr<Registry> registry);
  virtual ~Resource();
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;

  /** Closes the kernel objects. The waits for the kernel happen in the registry's pool. It may be called again. */
  virtual void LetGo() noexcept = 0;

 protected:
  Registry& registry() const { return *registry_; }

 private:
  std::shared_ptr<Registry> registry_;
};

}  // namespace uspan
