// SPDX-License-Identifier: Apache-2.0
#include "libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <vector>

namespace uspan {

namespace {

constexpr size_t kMaxBytes = 1 << 20;  // the most that one call may keep: a verifier log has up to megabytes, and only its tail matters
constexpr size_t kTailBytes = 4096;
constexpr std::string_view kBegin = "-- BEGIN PROG LOAD LOG --\n";
constexpr std::string_view kEnd = "-- END PROG LOAD LOG --";

thread_local bool collecting = false;
thread_local std::string collected;

__attribute__((format(printf, 2, 0))) int Collect(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (!collecting || level != LIBBPF_WARN) return 0;
  va_list again;
  va_copy(again, arguments);
  const int length = vsnprintf(nullptr, 0, format, arguments);
  if (length > 0) {
    std::string line(static_cast<size_t>(length) + 1, '\0');
    vsnprintf(line.data(), line.size(), format, again);
    line.pop_back();
    collected += line;
    if (collected.size() > kMaxBytes) collected.erase(0, collected.size() - kMaxBytes);
  }
  va_end(again);
  return length;
}

}  // namespace

void InstallLibbpfLog() { libbpf_set_print(Collect); }

LibbpfLog::LibbpfLog() {
  collected.clear();
  collecting = true;
}

LibbpfLog::~LibbpfLog() {
  collecting = false;
  collected.clear();
  collected.shrink_to_fit();
}

std::string LibbpfLog::Message() const {
  std::string message;
  std::string_view rest = collected;
  bool in_verifier_log = false;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line.ends_with(kBegin.substr(0, kBegin.size() - 1))) in_verifier_log = true;
    const bool skip = in_verifier_log;
    if (line.ends_with(kEnd)) in_verifier_log = false;
    if (skip || line.empty()) continue;
    if (line.starts_with("libbpf: ")) line.remove_prefix(8);
    if (!message.empty()) message += "; ";
    message += line;
  }
  return message;
}

std::string LibbpfLog::VerifierLogTail() const {
  const size_t begin = collected.rfind(kBegin);
  if (begin == std::string::npos) return {};
  const size_t from = begin + kBegin.size();
  size_t end = collected.find(kEnd, from);
  if (end == std::string::npos) end = collected.size();
  std::string_view log = std::string_view(collected).substr(from, end - from);
  if (log.size() > kTailBytes) {
    log = log.substr(log.size() - kTailBytes);
    log = log.substr(log.find('\n') + 1);  // npos + 1 = 0: no line break, keep all
  }
  return std::string(log);
}

}  // namespace uspan
