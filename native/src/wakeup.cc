// SPDX-License-Identifier: Apache-2.0
#include "wakeup.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

#include "errors.h"

namespace uspan {

Wakeup::Wakeup(Napi::Env env, Napi::Function callback)
    : env_(env), callback_(Napi::Persistent(callback)), context_(env, "uspan.ring") {}

Wakeup::~Wakeup() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

Wakeup* Wakeup::Start(Napi::Env env, int ring_fd, Napi::Function callback) {
  auto* wakeup = new Wakeup(env, callback);
  epoll_event wanted = {};
  wanted.events = EPOLLIN | EPOLLET;
  uv_loop_t* loop = nullptr;
  wakeup->epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (wakeup->epoll_fd_ < 0 || epoll_ctl(wakeup->epoll_fd_, EPOLL_CTL_ADD, ring_fd, &wanted) != 0) {
    const int error = errno;
    delete wakeup;
    Throw(env, "E_NATIVE", "watch the ring buffer", {error, {}});
  }
  napi_get_uv_event_loop(env, &loop);
  const int failed = uv_poll_init(loop, &wakeup->poll_, wakeup->epoll_fd_);
  if (failed) {
    delete wakeup;
    Throw(env, "E_NATIVE", "watch the ring buffer", {-failed, {}});
  }
  wakeup->poll_.data = wakeup;
  uv_poll_start(&wakeup->poll_, UV_READABLE, OnPoll);
  uv_unref(reinterpret_cast<uv_handle_t*>(&wakeup->poll_));
  // An open handle would make the close of a worker's loop fail.
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, wakeup, &wakeup->cleanup_);
  return wakeup;
}

void Wakeup::Stop() noexcept {
  if (stopped_) return;
  stopped_ = true;
  callback_.Reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), OnClosed);
}

void Wakeup::OnClosed(uv_handle_t* handle) {
  auto* self = static_cast<Wakeup*>(handle->data);
  napi_remove_async_cleanup_hook(self->cleanup_);
  delete self;
}

void Wakeup::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* self) { static_cast<Wakeup*>(self)->Stop(); }

void Wakeup::OnPoll(uv_poll_t* handle, int, int) {
  auto* self = static_cast<Wakeup*>(handle->data);
  epoll_event event = {};
  if (epoll_wait(self->epoll_fd_, &event, 1, 0) <= 0) return;
  Napi::Env env = self->env_;
  Napi::HandleScope scope(env);
  try {
    self->callback_.MakeCallback(env.Global(), 0, nullptr, self->context_);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());  // 'uncaughtException', as for any other callback
  }
}

}  // namespace uspan
