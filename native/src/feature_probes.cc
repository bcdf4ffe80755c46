// SPDX-License-Identifier: Apache-2.0
#include "feature_probes.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "errors.h"
#include "owned_fd.h"

namespace uspan {

namespace {

FeatureAnswer Refused(const std::string& what, int error) { return {false, what + ": " + DescribeErrno(error)}; }
FeatureAnswer Tried(const std::string& what, const OwnedFd& result) { return result.ok() ? FeatureAnswer{true, {}} : Refused(what, errno); }

// Instructions from include/uapi/linux/bpf.h. libbpf's installed headers have no assembler.
constexpr bpf_insn Move(uint8_t to, int32_t value) { return {BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value}; }
constexpr bpf_insn kExit = {BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
const std::vector<bpf_insn> kReturnZero = {Move(BPF_REG_0, 0), kExit};

int LoadProgram(bpf_prog_type type, const std::vector<bpf_insn>& code, bpf_attach_type attach = static_cast<bpf_attach_type>(0),
                uint32_t flags = 0, uint32_t btf_id = 0) {
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = attach;
  options.prog_flags = flags;
  options.attach_btf_id = btf_id;
  return bpf_prog_load(type, "uspan_probe", "GPL", code.data(), code.size(), &options);
}

std::unique_ptr<btf, decltype(&btf__free)> KernelTypes() { return {btf__load_vmlinux_btf(), btf__free}; }

FeatureAnswer Btf() {
  return access("/sys/kernel/btf/vmlinux", R_OK) == 0 ? FeatureAnswer{true, {}} : Refused("read /sys/kernel/btf/vmlinux", errno);
}

FeatureAnswer Ringbuf() {
  const OwnedFd map(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "uspan_probe", 0, 0, static_cast<uint32_t>(sysconf(_SC_PAGESIZE)), nullptr));
  return Tried("create a ring buffer", map);
}

/**
 * Asks for a link on "/". A kernel that knows the link type refuses it with EBADF, because "/" is not a regular file. So nothing is ever
 * attached.
 */
int TryMultiLink(int pid) {
  constexpr bpf_attach_type type = BPF_TRACE_UPROBE_MULTI;
  const OwnedFd program(LoadProgram(BPF_PROG_TYPE_KPROBE, kReturnZero, type));
  if (!program.ok()) return errno;
  const unsigned long offset = 0;
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.uprobe_multi.path = "/";
  options.uprobe_multi.offsets = &offset;
  options.uprobe_multi.cnt = 1;
  options.uprobe_multi.pid = static_cast<uint32_t>(pid);
  const OwnedFd link(bpf_link_create(program.get(), -1, type, &options));
  return link.ok() ? 0 : errno;
}

FeatureAnswer UprobeMulti() {
  const int error = TryMultiLink(0);
  if (error != EBADF) return Refused("create a uprobe_multi link", error);
  return {true, UprobeMultiFiltersByProcess() ? "" : "the pid filter covers one thread only"};
}

FeatureAnswer AttachCookie() {
  const OwnedFd program(LoadProgram(BPF_PROG_TYPE_KPROBE, {{BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_attach_cookie}, Move(BPF_REG_0, 0), kExit}));
  return Tried("load a program that calls bpf_get_attach_cookie", program);
}

/** libbpf loads a program that calls it, and looks whether the verifier knows the number of the call. */
FeatureAnswer BpfLoop() {
  const int known = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_loop, nullptr);
  return known > 0 ? FeatureAnswer{true, {}} : Refused("load a program that calls bpf_loop", known < 0 ? -known : EINVAL);
}

FeatureAnswer RawTracepoint() {
  const OwnedFd program(LoadProgram(BPF_PROG_TYPE_RAW_TRACEPOINT, kReturnZero));
  if (!program.ok()) return Refused("load a raw tracepoint program", errno);
  const OwnedFd link(bpf_raw_tracepoint_open("sched_process_exit", program.get()));
  return Tried("attach to raw tracepoint sched_process_exit", link);
}

FeatureAnswer IterTaskVma() {
  const int id = libbpf_find_vmlinux_btf_id("task_vma", BPF_TRACE_ITER);
  if (id < 0) return Refused("find iterator task_vma in the kernel's BTF", -id);
  const OwnedFd program(LoadProgram(BPF_PROG_TYPE_TRACING, kReturnZero, BPF_TRACE_ITER, 0, static_cast<uint32_t>(id)));
  if (!program.ok()) return Refused("load a task_vma iterator", errno);
  const OwnedFd link(bpf_link_create(program.get(), 0, BPF_TRACE_ITER, nullptr));
  return Tried("create a task_vma iterator", link);
}

FeatureAnswer CopyFromUserStr() {
  const auto types = KernelTypes();
  const int id = types ? btf__find_by_name_kind(types.get(), "bpf_copy_from_user_str", BTF_KIND_FUNC) : -ENOENT;
  if (id < 0) return Refused("find bpf_copy_from_user_str in the kernel's BTF", -id);
  const std::vector<bpf_insn> code = {
      {BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0},
      {BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0, 0},
      {BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, -8},
      Move(BPF_REG_2, 8),
      Move(BPF_REG_3, 0),
      Move(BPF_REG_4, 0),
      {BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, id},
      Move(BPF_REG_0, 0),
      kExit,
  };
  const OwnedFd program(LoadProgram(BPF_PROG_TYPE_KPROBE, code, BPF_TRACE_UPROBE_MULTI, BPF_F_SLEEPABLE));
  return Tried("load a sleepable program that calls bpf_copy_from_user_str", program);
}

}  // namespace

const std::map<std::string, std::function<FeatureAnswer()>>& FeatureProbes() {
  static const std::map<std::string, std::function<FeatureAnswer()>> probes = {
      {"btf", Btf},
      {"ringbuf", Ringbuf},
      {"uprobeMulti", UprobeMulti},
      {"attachCookie", AttachCookie},
      {"bpfLoop", BpfLoop},
      {"rawTracepoint", RawTracepoint},
      {"iterTaskVma", IterTaskVma},
      {"copyFromUserStr", CopyFromUserStr},
  };
  return probes;
}

bool Feature(const std::string& name, FeatureAnswer& answer) {
  static std::mutex one_at_a_time;
  static std::map<std::string, FeatureAnswer> known;
  const std::lock_guard lock(one_at_a_time);
  const auto probe = FeatureProbes().find(name);
  if (probe == FeatureProbes().end()) return false;
  auto found = known.find(name);
  if (found == known.end()) found = known.emplace(name, probe->second()).first;
  answer = found->second;
  return true;
}

bool UprobeMultiFiltersByProcess() {
  // The fix (Linux 6.10, backported) also made the kernel refuse negative pids before it looks at the path.
  static const bool by_process = TryMultiLink(-1) == EINVAL;
  return by_process;
}

}  // namespace uspan
