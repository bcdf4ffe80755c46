// SPDX-License-Identifier: Apache-2.0
#include "object_state.h"

#include <cerrno>

#include "addon.h"
#include "errors.h"

namespace uspan {

ObjectState::ObjectState(std::shared_ptr<Registry> registry, bpf_object* object, std::string object_name, bool multi)
    : Resource(std::move(registry)), name(std::move(object_name)), uprobe_multi(multi), object_(object) {}

ObjectState::~ObjectState() { LetGo(); }

void ObjectState::LetGo() noexcept {
  Close([] {});
}

void ObjectState::Close(std::function<void()> closed) noexcept {
  bpf_object* object = std::exchange(object_, nullptr);
  if (!object) return closed();
  for (auto& [ring_name, ring] : rings_) {
    if (auto open = ring.lock()) open->LetGo();
  }
  std::vector<std::shared_ptr<LinkSet>> links;
  for (auto& link : links_) {
    if (auto open = link.lock()) links.push_back(std::move(open));
  }
  rings_.clear();
  links_.clear();
  const auto detached = std::make_shared<Countdown>(links.size());
  for (const auto& link : links) link->Close([detached] { detached->Done(); });
  detached->Then([object, closed, &pool = registry().pool()] {
    pool.Submit([object, closed] {
      bpf_object__close(object);
      closed();
    });
  });
}

bpf_object* ObjectState::Open(Napi::Env env) const {
  if (!object_) Throw(env, "E_NATIVE", "the BPF object " + name + " is closed");
  return object_;
}

bpf_program* ObjectState::Program(Napi::Env env, const std::string& program_name) const {
  bpf_program* program = bpf_object__find_program_by_name(Open(env), program_name.c_str());
  if (!program) Throw(env, "E_NATIVE", "BPF object " + name + " has no program " + program_name);
  return program;
}

bpf_map* ObjectState::Map(Napi::Env env, const std::string& map_name) const {
  bpf_map* map = bpf_object__find_map_by_name(Open(env), map_name.c_str());
  if (!map) Throw(env, "E_BPF_MAP", "BPF object " + name + " has no map " + map_name);
  return map;
}

Napi::Object ObjectState::AddLinks(Napi::Env env, const char* kind, std::vector<bpf_link*> links) {
  auto& shared = AddonData::Of(env).registry;
  auto set = std::make_shared<LinkSet>(shared, kind, std::move(links));
  std::erase_if(links_, [](const auto& link) { return link.expired(); });
  links_.push_back(set);
  return Link::Wrap(env, std::move(set), shared_from_this());
}

Napi::Object ObjectState::OpenRing(Napi::Env env, const std::string& ring_name) {
  bpf_map* map = Map(env, ring_name);
  if (bpf_map__type(map) != BPF_MAP_TYPE_RINGBUF) Throw(env, "E_BPF_MAP", "map " + ring_name + " is not a ring buffer");
  auto& known = rings_[ring_name];
  if (auto open = known.lock(); open && open->consumer) Throw(env, "E_BPF_MAP", "ring buffer " + ring_name + " is already open");
  auto ring = std::make_shared<RingState>(AddonData::Of(env).registry, bpf_map__fd(map), bpf_map__max_entries(map));
  if (!ring->consumer->ok()) Throw(env, "E_BPF_MAP", "map ring buffer " + ring_name, {errno, {}});
  known = ring;
  return RingBuffer::Wrap(env, std::move(ring), shared_from_this());
}

}  // namespace uspan
