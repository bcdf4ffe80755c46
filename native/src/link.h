// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bpf/libbpf.h>
#include <napi.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "countdown.h"
#include "resource.h"

namespace uspan {

/**
 * Closes links side by side in the pool. The result counts those that are not closed yet.
 * Closing a link waits for RCU: some 55 ms for uprobe_multi, and 75 (Linux 6.1) to 110 ms (6.18) for perf. Perf links do not overlap,
 * because the kernel holds event_mutex meanwhile (kernel/trace/trace_event_perf.c): 400 of them took 43 s, on one thread as on 16. The end
 * of a process takes as long.
 */
std::shared_ptr<Countdown> CloseLinks(ClosePool& pool, const std::vector<bpf_link*>& links) noexcept;

/** Kernel links that live and die together. */
class LinkSet : public Resource {
 public:
  LinkSet(std::shared_ptr<Registry> registry, std::string kind, std::vector<bpf_link*> links);
  ~LinkSet() override;
  void LetGo() noexcept override;
  /** Closes the links, unless that was done before. Calls `closed` on any thread when the kernel has let go of all. */
  void Close(std::function<void()> closed) noexcept;

  const std::string kind;
  const size_t count;

 private:
  std::vector<bpf_link*> links_;
  std::shared_ptr<Countdown> closing_;  // null while open
};

/** native.d.ts Link. */
class Link : public Napi::ObjectWrap<Link> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<LinkSet> links, std::shared_ptr<Resource> owner);
  explicit Link(const Napi::CallbackInfo& info);

 private:
  Napi::Value Kind(const Napi::CallbackInfo& info);
  Napi::Value Count(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<LinkSet> links_;
  std::shared_ptr<Resource> owner_;  // the object stays loaded while this handle is in use
  Napi::ObjectReference closed_;  // the promise, once asked for
};

}  // namespace uspan
