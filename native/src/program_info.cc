// SPDX-License-Identifier: Apache-2.0
#include "program_info.h"

#include <bpf/bpf.h>

#include <cerrno>

#include "errors.h"

namespace uspan {

Napi::Value ProgramInfos(Napi::Env env, const ObjectState& state) {
  Napi::Array infos = Napi::Array::New(env);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, state.Open(env)) {
    if (bpf_program__fd(program) < 0) continue;
    bpf_prog_info info = {};
    uint32_t length = sizeof(info);
    if (bpf_prog_get_info_by_fd(bpf_program__fd(program), &info, &length) != 0) {
      Throw(env, "E_NATIVE", std::string("read the counters of program ") + bpf_program__name(program), {errno, {}});
    }
    Napi::Object one = Napi::Object::New(env);
    one.Set("name", bpf_program__name(program));
    one.Set("runCount", Napi::BigInt::New(env, uint64_t{info.run_cnt}));
    one.Set("runTimeNs", Napi::BigInt::New(env, uint64_t{info.run_time_ns}));
    one.Set("verifiedInstructions", info.verified_insns);
    infos.Set(infos.Length(), one);
  }
  return infos;
}

}  // namespace uspan
