// SPDX-License-Identifier: Apache-2.0
#include "attach.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "addon.h"
#include "errors.h"
#include "feature_probes.h"
#include "uprobe_request.h"

namespace uspan {

namespace {

std::string Describe(const UprobeRequest& request) { return request.program + " to " + request.path; }

/** One link for all sites. The kernel attaches all of them or none. */
std::vector<bpf_link*> AttachMulti(Napi::Env env, const bpf_program* program, const UprobeRequest& request) {
  static_assert(sizeof(unsigned long) == sizeof(uint64_t));
  if (request.pid != 0 && !UprobeMultiFiltersByProcess()) {
    Throw(env, "E_ATTACH", Describe(request) + ": this kernel's pid filter covers one thread only (before 6.10); attach without pid");
  }
  LIBBPF_OPTS(bpf_uprobe_multi_opts, options);
  options.offsets = reinterpret_cast<const unsigned long*>(request.offsets.data());
  options.cookies = reinterpret_cast<const __u64*>(request.cookies.data());
  if (!request.ref_ctr_offsets.empty()) options.ref_ctr_offsets = reinterpret_cast<const unsigned long*>(request.ref_ctr_offsets.data());
  options.cnt = request.offsets.size();
  options.retprobe = request.at_return;
  // In libbpf, -1 is every process, and 0 would be this one.
  bpf_link* link = bpf_program__attach_uprobe_multi(program, request.pid == 0 ? -1 : request.pid, request.path.c_str(), nullptr, &options);
  if (!link) {
    Throw(env, "E_ATTACH", "attach " + Describe(request) + " at " + std::to_string(request.offsets.size()) + " sites", {errno, {}});
  }
  return {link};
}

/** One link for each site, for kernels without uprobe_multi. After a failure, it closes the links that it has made. */
std::vector<bpf_link*> AttachPerf(Napi::Env env, const bpf_program* program, const UprobeRequest& request) {
  std::vector<bpf_link*> links;
  links.reserve(request.offsets.size());
  for (size_t site = 0; site < request.offsets.size(); site++) {
    LIBBPF_OPTS(bpf_uprobe_opts, options);
    options.bpf_cookie = request.cookies[site];
    options.ref_ctr_offset = request.ref_ctr_offsets.empty() ? 0 : request.ref_ctr_offsets[site];
    options.retprobe = request.at_return;
    bpf_link* link = bpf_program__attach_uprobe_opts(program, request.pid == 0 ? -1 : request.pid, request.path.c_str(),
                                                     request.offsets[site], &options);
    if (link) {
      links.push_back(link);
      continue;
    }
    const int error = errno;
    CloseLinks(AddonData::Of(env).registry->pool(), links)->Wait();
    char offset[32];
    snprintf(offset, sizeof(offset), "0x%" PRIx64, request.offsets[site]);
    Throw(env, "E_ATTACH", "attach " + Describe(request) + " at offset " + offset, {error, {}});
  }
  return links;
}

}  // namespace

Napi::Value AttachUprobes(Napi::Env env, ObjectState& state, const Napi::Object& options) {
  const UprobeRequest request = ParseUprobeRequest(options);
  const bpf_program* program = state.Program(env, request.program);
  if (bpf_program__type(program) != BPF_PROG_TYPE_KPROBE) Throw(env, "E_ATTACH", request.program + " is not a uprobe program");
  return state.uprobe_multi ? state.AddLinks(env, "uprobe_multi", AttachMulti(env, program, request))
                            : state.AddLinks(env, "perf", AttachPerf(env, program, request));
}

Napi::Value AttachRawTracepoint(Napi::Env env, ObjectState& state, const std::string& program, const std::string& name) {
  bpf_link* link = bpf_program__attach_raw_tracepoint(state.Program(env, program), name.c_str());
  if (!link) Throw(env, "E_ATTACH", "attach " + program + " to raw tracepoint " + name, {errno, {}});
  return state.AddLinks(env, "raw_tracepoint", {link});
}

}  // namespace uspan
