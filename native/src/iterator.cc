// SPDX-License-Identifier: Apache-2.0
#include "iterator.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "errors.h"
#include "owned_fd.h"

namespace uspan {

namespace {

bpf_link* AttachIterator(const bpf_program* program, uint32_t pid) {
  LIBBPF_OPTS(bpf_iter_attach_opts, options);
  bpf_iter_link_info info = {};
  info.task.pid = pid;
  if (pid != 0) {
    options.link_info = &info;
    options.link_info_len = sizeof(info);
    bpf_link* link = bpf_program__attach_iter(program, &options);
    // Before 6.1, a task iterator takes no parameter (E2BIG or EINVAL). The program then has to filter by itself.
    if (link || (errno != E2BIG && errno != EINVAL)) return link;
  }
  return bpf_program__attach_iter(program, nullptr);
}

/** Reads to the end. More than max_bytes gives EFBIG. Returns 0 or an errno. */
int ReadAll(int fd, size_t max_bytes, std::vector<uint8_t>& out) {
  constexpr size_t kChunk = 64 * 1024;
  for (;;) {
    const size_t have = out.size();
    out.resize(have + kChunk);
    const ssize_t got = read(fd, out.data() + have, kChunk);
    out.resize(have + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return 0;
    if (got < 0 && errno != EINTR && errno != EAGAIN) return errno;
    if (out.size() > max_bytes) return EFBIG;
  }
}

}  // namespace

Napi::Value RunIterator(Napi::Env env, const ObjectState& state, const std::string& program, size_t max_bytes, uint32_t pid) {
  bpf_link* link = AttachIterator(state.Program(env, program), pid);
  if (!link) Throw(env, "E_ATTACH", "attach iterator " + program, {errno, {}});
  const OwnedFd fd(bpf_iter_create(bpf_link__fd(link)));
  std::vector<uint8_t> out;
  const int error = fd.ok() ? ReadAll(fd.get(), max_bytes, out) : errno;
  bpf_link__destroy(link);
  if (error) Throw(env, "E_NATIVE", "run iterator " + program, {error, {}});
  Napi::Uint8Array result = Napi::Uint8Array::New(env, out.size());
  std::copy(out.begin(), out.end(), result.Data());
  return result;
}

}  // namespace uspan
