// SPDX-License-Identifier: Apache-2.0
// Errors as JavaScript sees them: Error with `code`, and `errno` and `verifierLog` if there are any.
#pragma once
#include <napi.h>

#include <string>

namespace uspan {

struct ErrorDetails {
  int error_number = 0;  // positive; 0: none
  std::string verifier_log;
};

/** Throws Error{message, code, errno?, verifierLog?}. With an errno, ": text (ENAME)" is appended to the message. */
[[noreturn]] void Throw(Napi::Env env, const char* code, const std::string& message, const ErrorDetails& details = {});

/** "Permission denied (EPERM)" */
std::string DescribeErrno(int error_number);

}  // namespace uspan
