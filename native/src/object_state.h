// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bpf/libbpf.h>
#include <napi.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "link.h"
#include "resource.h"
#include "ring_buffer.h"

namespace uspan {

/**
 * A loaded object. Its JavaScript handle and those of its maps, rings and links share it. It closes with the last of them at the latest.
 */
class ObjectState : public Resource, public std::enable_shared_from_this<ObjectState> {
 public:
  ObjectState(std::shared_ptr<Registry> registry, bpf_object* object, std::string name, bool uprobe_multi);
  ~ObjectState() override;

  void LetGo() noexcept override;
  /**
   * Closes everything, unless that was done before. From now on every handle refuses. Calls `closed` on any thread when links and object
   * are closed.
   */
  void Close(std::function<void()> closed) noexcept;

  /** Throws E_NATIVE when closed. */
  bpf_object* Open(Napi::Env env) const;
  /** Throws E_NATIVE when closed, or when there is no such program. */
  bpf_program* Program(Napi::Env env, const std::string& name) const;
  /** Throws E_BPF_MAP when there is no such map. */
  bpf_map* Map(Napi::Env env, const std::string& name) const;

  Napi::Object AddLinks(Napi::Env env, const char* kind, std::vector<bpf_link*> links);
  /** Throws E_BPF_MAP when it is not a ring, or is already open: a ring has one consumer. */
  Napi::Object OpenRing(Napi::Env env, const std::string& name);

  const std::string name;
  const bool uprobe_multi;

 private:
  bpf_object* object_;  // null once closed
  std::vector<std::weak_ptr<LinkSet>> links_;
  std::map<std::string, std::weak_ptr<RingState>> rings_;
};

}  // namespace uspan
