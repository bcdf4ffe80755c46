// SPDX-License-Identifier: Apache-2.0
#include "test_run.h"

#include <bpf/bpf.h>

#include "errors.h"

namespace uspan {

Napi::Value TestRun(Napi::Env env, const ObjectState& state, const std::string& program, std::span<uint8_t> context) {
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.ctx_in = context.data();
  options.ctx_size_in = static_cast<uint32_t>(context.size());
  const int error = bpf_prog_test_run_opts(bpf_program__fd(state.Program(env, program)), &options);
  if (error) Throw(env, "E_BPF_LOAD", "run program " + program, {-error, {}});
  return Napi::Number::New(env, options.retval);
}

}  // namespace uspan
