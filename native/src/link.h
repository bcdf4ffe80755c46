// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bpf/libbpf.h>
#include <napi.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "resource.h"

namespace uspan {

/** Closes and waits. In turn: 110 ms for each perf link, and more threads do not help, the kernel holds one lock meanwhile (measured). */
void DestroyLinks(const std::vector<bpf_link*>& links) noexcept;

/** Kernel links that live and die together. Closing waits for RCU. */
class LinkSet : public Resource {
 public:
  LinkSet(std::shared_ptr<Registry> registry, std::string kind, std::vector<bpf_link*> links);
  ~LinkSet() override;
  /** Returns when the kernel has let go of all, also if another thread is at it. */
  void CloseNow() noexcept override;
  bool ClosesSlowly() const override { return true; }
  /** Like CloseNow(), on a thread of its own: for the garbage collector, which must not wait. */
  void CloseInBackground() noexcept;

  const std::string kind;
  const size_t count;

 private:
  std::mutex closing_;
  std::vector<bpf_link*> links_;
};

/** native.d.ts Link. */
class Link : public Napi::ObjectWrap<Link> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<LinkSet> links, std::shared_ptr<Resource> owner);
  explicit Link(const Napi::CallbackInfo& info);
  ~Link() override;

 private:
  Napi::Value Kind(const Napi::CallbackInfo& info);
  Napi::Value Count(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<LinkSet> links_;
  std::shared_ptr<Resource> owner_;  // the object stays loaded while this handle is in use
  Napi::ObjectReference closed_;  // the promise, once asked for
};

}  // namespace uspan
