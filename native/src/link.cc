// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include "addon.h"
#include "close_promise.h"

namespace uspan {

std::shared_ptr<Countdown> CloseLinks(ClosePool& pool, const std::vector<bpf_link*>& links) noexcept {
  auto closing = std::make_shared<Countdown>(links.size());
  for (bpf_link* link : links) {
    pool.Submit([link, closing] {
      bpf_link__destroy(link);
      closing->Done();
    });
  }
  return closing;
}

LinkSet::LinkSet(std::shared_ptr<Registry> registry, std::string kind_name, std::vector<bpf_link*> links)
    : Resource(std::move(registry)), kind(std::move(kind_name)), count(links.size()), links_(std::move(links)) {}

LinkSet::~LinkSet() { LetGo(); }

void LinkSet::LetGo() noexcept {
  if (!closing_) closing_ = CloseLinks(registry().pool(), std::exchange(links_, {}));
}

void LinkSet::Close(std::function<void()> closed) noexcept {
  LetGo();
  closing_->Then(std::move(closed));
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

Napi::Value Link::Kind(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), links_->kind); }

Napi::Value Link::Count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(links_->count));
}

Napi::Value Link::Close(const Napi::CallbackInfo& info) {
  if (closed_.IsEmpty()) {
    const auto begin = [this](std::function<void()> closed) { links_->Close(std::move(closed)); };
    closed_ = Napi::Persistent(PromiseClosed(info.Env(), begin).As<Napi::Object>());
  }
  return closed_.Value();
}

}  // namespace uspan
