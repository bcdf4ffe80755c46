// SPDX-License-Identifier: Apache-2.0
#include "resource.h"

#include <thread>

namespace uspan {

Resource::Resource(std::shared_ptr<Registry> registry) : registry_(std::move(registry)) {
  registry_->open_.insert(this);
}

Resource::~Resource() { registry_->open_.erase(this); }

void Registry::CloseAll() noexcept {
  std::vector<std::thread> closers;
  for (Resource* resource : open_) {
    if (!resource->ClosesSlowly()) continue;
    try {
      closers.emplace_back([resource] { resource->CloseNow(); });
    } catch (const std::exception&) {  // no thread to be had
      resource->CloseNow();
    }
  }
  for (std::thread& closer : closers) closer.join();
  // Closing an object may drop the last reference to its rings, which changes the set: always take the next that is left.
  while (!open_.empty()) {
    Resource* resource = *open_.begin();
    open_.erase(open_.begin());
    resource->CloseNow();
  }
  background_.clear();  // each waits in its destructor
}

void Registry::InBackground(std::function<void()> close) noexcept {
  std::erase_if(background_, [](const auto& one) { return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  try {
    background_.push_back(std::async(std::launch::async, close));
  } catch (const std::exception&) {
    close();
  }
}

}  // namespace uspan
