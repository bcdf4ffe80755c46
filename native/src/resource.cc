// SPDX-License-Identifier: Apache-2.0
#include "resource.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <thread>

namespace uspan {

Resource::Resource(std::shared_ptr<Registry> registry) : registry_(std::move(registry)) {
  registry_->open_.insert(this);
}

Resource::~Resource() { registry_->open_.erase(this); }

void Registry::CloseAll() noexcept {
  std::vector<Resource*> slow;
  std::copy_if(open_.begin(), open_.end(), std::back_inserter(slow), [](const Resource* one) { return one->ClosesSlowly(); });
  CloseSideBySide(slow);
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

void CloseSideBySide(const std::vector<Resource*>& resources) noexcept {
  constexpr size_t kMaxThreads = 16;
  std::atomic<size_t> next{0};
  const auto close_rest = [&resources, &next] {
    for (size_t index = next++; index < resources.size(); index = next++) resources[index]->CloseNow();
  };
  std::vector<std::thread> helpers;
  try {
    for (size_t count = 1; count < std::min(resources.size(), kMaxThreads); count++) helpers.emplace_back(close_rest);
  } catch (const std::exception&) {
    // Fewer threads, or this one alone.
  }
  close_rest();
  for (std::thread& helper : helpers) helper.join();
}

}  // namespace uspan
