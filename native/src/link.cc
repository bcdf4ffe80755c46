// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include "addon.h"
#include "close_worker.h"

namespace uspan {

void DestroyLinks(const std::vector<bpf_link*>& links) noexcept {
  for (bpf_link* link : links) bpf_link__destroy(link);
}

LinkSet::LinkSet(std::shared_ptr<Registry> registry, std::string kind_name, std::vector<bpf_link*> links)
    : Resource(std::move(registry)), kind(std::move(kind_name)), count(links.size()), links_(std::move(links)) {}

LinkSet::~LinkSet() { CloseNow(); }

void LinkSet::CloseNow() noexcept {
  const std::lock_guard lock(closing_);
  DestroyLinks(links_);
  links_.clear();
}

void LinkSet::CloseInBackground() noexcept {
  const std::lock_guard lock(closing_);
  if (!links_.empty()) registry().InBackground([links = links_] { DestroyLinks(links); });
  links_.clear();
}

Napi::Function Link::Define(Napi::Env env) {
  return DefineClass(env, "Link",
                     {
                         InstanceAccessor<&Link::Kind>("kind"),
                         InstanceAccessor<&Link::Count>("count"),
                         InstanceMethod<&Link::Close>("close"),
                     });
}

Napi::Object Link::Wrap(Napi::Env env, std::shared_ptr<LinkSet> links, std::shared_ptr<Resource> owner) {
  Napi::Object object = Construct(env, AddonData::Of(env).link);
  Unwrap(object)->links_ = std::move(links);
  Unwrap(object)->owner_ = std::move(owner);
  return object;
}

Link::Link(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Link>(info) { RequireInternal(info); }

Link::~Link() {
  // A close in progress holds the set itself; otherwise nobody can ask for it any more.
  if (links_ && closed_.IsEmpty()) links_->CloseInBackground();
}

Napi::Value Link::Kind(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), links_->kind); }

Napi::Value Link::Count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(links_->count));
}

Napi::Value Link::Close(const Napi::CallbackInfo& info) {
  if (closed_.IsEmpty()) {
    closed_ = Napi::Persistent(CloseWorker::Run(info.Env(), [links = links_] { links->CloseNow(); }).As<Napi::Object>());
  }
  return closed_.Value();
}

}  // namespace uspan
