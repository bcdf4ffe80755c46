// SPDX-License-Identifier: Apache-2.0
#include "resource.h"

namespace uspan {

Resource::Resource(std::shared_ptr<Registry> registry) : registry_(std::move(registry)) {
  registry_->open_.insert(this);
}

Resource::~Resource() { registry_->open_.erase(this); }

void Registry::CloseAll() noexcept {
  // Closing an object may drop the last reference to its rings, which changes the set. So always take the next one that is left.
  while (!open_.empty()) {
    Resource* resource = *open_.begin();
    open_.erase(open_.begin());
    resource->LetGo();
  }
  pool_.WaitUntilIdle();
}

}  // namespace uspan
