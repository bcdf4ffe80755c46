#!/bin/bash
# test-kernels.sh RESULTS_DIR: runs the core kernel test here and under the kernels named in KERNELS ("6.1 6.12"): 6.1 has
# uprobes by perf only, 6.12 has uprobe_multi. Fails for a skipped test too. Leaves one vitest JSON report per kernel in RESULTS_DIR.
set -uo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
results=$(realpath -m "${1:?usage: test-kernels.sh RESULTS_DIR}")
mkdir -p "$results"
rm -f "$results"/kernel-*.json
[ "$(id -u)" -eq 0 ] || die 'must run as root'
export REQUIRE_KERNEL=1

core=(node node_modules/vitest/vitest.mjs run --reporter=default --reporter=json test/kernel/core)
# Everything is 10 to 30 times slower in the guest, and it has no package registry: build what the test needs here first.
say "== core kernel test on this kernel ($(uname -r))"
"${core[@]}" --outputFile.json="$results/kernel-here.json" || exit 1

status=0 reports=(kernel-here)
for kernel in ${KERNELS:-6.1 6.12}; do
  say "== core kernel test on Linux $kernel"
  reports+=("kernel-$kernel")
  scripts/kernel-vm "$kernel" --out "$results" -- "${core[@]}" --testTimeout=900000 --hookTimeout=1800000 \
    --outputFile.json="/out/kernel-$kernel.json" || { say "core kernel test failed on Linux $kernel"; status=1; }
done
# A kernel test that was skipped has shown nothing.
node .ci/summary.mjs "$results" "${reports[@]}" || status=1
exit $status
