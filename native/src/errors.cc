// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <cstring>

namespace uspan {

std::string DescribeErrno(int error_number) {
  // libbpf passes on ENOTSUPP (524), which is the kernel's own and unknown to libc.
  if (error_number == 524) return "Operation is not supported (ENOTSUPP)";
  const char* name = strerrorname_np(error_number);
  return std::string(strerror(error_number)) + " (" + (name ? name : std::to_string(error_number)) + ")";
}

void Throw(Napi::Env env, const char* code, const std::string& message, const ErrorDetails& details) {
  std::string full = message;
  if (details.error_number != 0) full += ": " + DescribeErrno(details.error_number);
  Napi::Error error = Napi::Error::New(env, full);
  error.Set("code", Napi::String::New(env, code));
  if (details.error_number != 0) error.Set("errno", Napi::Number::New(env, details.error_number));
  if (!details.verifier_log.empty()) error.Set("verifierLog", Napi::String::New(env, details.verifier_log));
  throw error;
}

}  // namespace uspan
