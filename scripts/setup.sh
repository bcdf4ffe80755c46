#!/bin/bash
# setup.sh GOAL: the steps that a target of the Makefile needs, by number: `setup`, `build`, `examples`, `demo` or `test`.
# A step with nothing to do says nothing. Packages come from the registries that apt, npm, pip, cargo and Go are configured with.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
goal=${1:-setup}
[ "$(uname -s)" = Linux ] || die 'uspan is built and run on Linux only'

case $goal in
  setup) steps=(packages node npm libbpf) ;;
  build) steps=(packages node npm libbpf native bpf dist) ;;
  examples) steps=(go go_app node_app) ;;
  demo) steps=(packages node npm libbpf go postgresql native bpf dist go_app node_app) ;;
  test) steps=(packages node npm libbpf go postgresql native bpf dist go_app node_app) ;;
  *) die "no goal '$goal': setup, build, examples, demo, test" ;;
esac

step_packages() { scripts/setup-packages.sh "$goal"; }
step_node() { scripts/setup-node.sh; }
step_npm() { scripts/setup-npm.sh; }
step_go() { optional 'Go' scripts/setup-go.sh; }
# The demo's own user may not be root: then it takes the PostgreSQL that is there.
step_postgresql() { [ "$goal" = demo ] && [ "$(id -u)" -ne 0 ] || optional 'PostgreSQL' scripts/setup-postgresql.sh; }

step_libbpf() {
  [ -f .cache/libbpf/.stamp ] || step 'libbpf, by cargo (30 s)'
  scripts/vendor-libbpf.sh >/dev/null
}

step_native() {
  [ -f native/build/Release.stamp ] || step "the native addon (1 min)"
  scripts/build-native.sh >/dev/null
}

step_bpf() {
  compgen -G 'build/bpf/*.o' >/dev/null || step 'the BPF programs (10 s)'
  scripts/build-bpf.sh
}

step_dist() {
  [ -f build/.dist ] || step 'TypeScript (5 s)'
  make -s build/.dist
}

step_go_app() {
  [ "$goal" != demo ] || new_enough_go || return 0
  [ -f build/examples/go-app ] || step "the example shop's Go services, with their modules (2 min)"
  optional "the shop's Go services" make -s -C examples/go-app
}

step_node_app() {
  [ -f build/examples/node ] || step "the example shop's Node.js service, with its packages (10 s)"
  make -s -C examples/node-app >/dev/null
}

# optional WHAT COMMAND…: a demo shows what is there. Tests need all of it.
optional() {
  local what=$1
  shift
  "$@" || { [ "$goal" = demo ] && say "$what: not to be had, as said above. The demo goes on without."; }
}

# Of all steps, so that the numbers of one goal are the same in its every run.
use_toolchain
total=${#steps[@]}
for i in "${!steps[@]}"; do
  export USPAN_STEP="$((i + 1))/$total"
  before=$SECONDS
  "step_${steps[i]}"
  [ $((SECONDS - before)) -lt 2 ] || say "       took $((SECONDS - before)) s"
done

case $goal in
  setup) say 'Set up. Next: make build, or make demo to build uspan and see it trace an example shop.' ;;
  build) say 'Built. Next, as root: bin/uspan doctor checks this host, bin/uspan run --console traces its programs.' ;;
esac
