// SPDX-License-Identifier: Apache-2.0
// bpf_ktime_get_ns() is CLOCK_MONOTONIC (bpf-helpers(7)), but spans need Unix time.
#include "clock.h"

#include <ctime>
#include <limits>

namespace uspan {

namespace {

int64_t NowNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Napi::Value ClockOffsetNs(const Napi::CallbackInfo& info) {
  // Interrupts disturbed the reading least whose two monotonic neighbours are closest.
  constexpr int kSamples = 5;
  int64_t tightest = std::numeric_limits<int64_t>::max();
  int64_t offset = 0;
  for (int sample = 0; sample < kSamples; sample++) {
    const int64_t before = NowNs(CLOCK_MONOTONIC);
    const int64_t real = NowNs(CLOCK_REALTIME);
    const int64_t after = NowNs(CLOCK_MONOTONIC);
    if (after - before < tightest) {
      tightest = after - before;
      offset = real - (before + tightest / 2);
    }
  }
  return Napi::BigInt::New(info.Env(), offset);
}

}  // namespace uspan
