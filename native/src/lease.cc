// SPDX-License-Identifier: Apache-2.0
#include "lease.h"

#include <fcntl.h>

namespace uspan {

Napi::Value TakeReadLease(const Napi::CallbackInfo& info) {
  const int fd = info[0].ToNumber().Int32Value();
  const int signal = info[1].ToNumber().Int32Value();
  // The signal comes first: without it, a break would send SIGIO, which ends a process that does not handle it.
  const bool taken = fcntl(fd, F_SETSIG, signal) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
  return Napi::Boolean::New(info.Env(), taken);
}

Napi::Value HasReadLease(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), fcntl(info[0].ToNumber().Int32Value(), F_GETLEASE) == F_RDLCK);
}

}  // namespace uspan
