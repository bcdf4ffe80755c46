// SPDX-License-Identifier: Apache-2.0
#include "capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "errors.h"

namespace uspan {

namespace {

// By bit number: include/uapi/linux/capability.h.
constexpr std::array<const char*, 41> kNames = {
    "CHOWN",        "DAC_OVERRIDE",    "DAC_READ_SEARCH", "FOWNER",       "FSETID",     "KILL",          "SETGID",
    "SETUID",       "SETPCAP",         "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK",     "IPC_OWNER",       "SYS_MODULE",      "SYS_RAWIO",    "SYS_CHROOT", "SYS_PTRACE",    "SYS_PACCT",
    "SYS_ADMIN",    "SYS_BOOT",        "SYS_NICE",        "SYS_RESOURCE", "SYS_TIME",   "SYS_TTY_CONFIG", "MKNOD",
    "LEASE",        "AUDIT_WRITE",     "AUDIT_CONTROL",   "SETFCAP",      "MAC_OVERRIDE", "MAC_ADMIN",   "SYSLOG",
    "WAKE_ALARM",   "BLOCK_SUSPEND",   "AUDIT_READ",      "PERFMON",      "BPF",        "CHECKPOINT_RESTORE",
};

}  // namespace

Napi::Value Capabilities(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) Throw(env, "E_NATIVE", "capget", {errno, {}});
  Napi::Array names = Napi::Array::New(env);
  for (uint32_t bit = 0; bit < kNames.size(); bit++) {
    if ((data[bit / 32].effective >> (bit % 32)) & 1) names.Set(names.Length(), kNames[bit]);
  }
  return names;
}

}  // namespace uspan
