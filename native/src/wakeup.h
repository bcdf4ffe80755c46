// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <napi.h>
#include <uv.h>

namespace uspan {

/**
 * Calls a JavaScript function on the event loop when BPF wakes a ring's readers. It does not keep the process alive.
 *
 * A ring polls readable while it holds anything. If libuv watched it level-triggered, every loop iteration after one wake-up would call
 * back as long as records keep coming, which NO_WAKEUP is there to avoid. An edge-triggered epoll in between reports only wake-ups.
 */
class Wakeup {
 public:
  /** Throws E_NATIVE. */
  static Wakeup* Start(Napi::Env env, int ring_fd, Napi::Function callback);
  /** Stops at once. The object deletes itself when the loop has let go of it. */
  void Stop() noexcept;

 private:
  Wakeup(Napi::Env env, Napi::Function callback);
  ~Wakeup();
  static void OnPoll(uv_poll_t* handle, int status, int events);
  static void OnClosed(uv_handle_t* handle);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* self);

  Napi::Env env_;
  Napi::FunctionReference callback_;
  Napi::AsyncContext context_;
  int epoll_fd_ = -1;
  bool stopped_ = false;
  uv_poll_t poll_ = {};
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
};

}  // namespace uspan
