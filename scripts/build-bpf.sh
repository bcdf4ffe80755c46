#!/bin/bash
# Compiles every bpf/*.bpf.c and bpf/*/*.bpf.c to build/bpf/NAME.bpf.o; with --arch arm64 to build/bpf-arm64/.
# Tests: build-bpf.sh [--arch x86|arm64] SOURCE.bpf.c OUT.bpf.o. Compiles only what changed, by clang's dependency files.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

case $(uname -m) in
  aarch64) own_arch=arm64 ;;
  *) own_arch=x86 ;;
esac
arch=$own_arch
if [ "${1:-}" = --arch ]; then
  arch=${2:-}
  shift 2
fi
[[ $arch =~ ^(x86|arm64)$ ]] || die "unknown architecture '$arch' (x86 or arm64)"
out=build/bpf
[ "$arch" = "$own_arch" ] || out=build/bpf-$arch

scripts/vendor-libbpf.sh
clang=$(find_clang) && strip=$(find_llvm_strip) ||
  die 'clang 15 or newer with llvm-strip is needed (Debian: apt-get install clang-19 llvm-19)'

# outdated OBJECT: missing, or older than anything it was made from.
outdated() {
  [ -f "$1" ] && [ -f "$1.d" ] && [ "$1" -nt scripts/build-bpf.sh ] || return 0
  local input
  for input in $(sed -e 's/^[^:]*://' -e 's/\\$//' "$1.d"); do
    [ -f "$input" ] && [ ! "$input" -nt "$1" ] || return 0
  done
  return 1
}

# compile SOURCE OBJECT. Renamed into place: a reader never sees half an object.
compile() {
  outdated "$2" || return 0
  mkdir -p "$(dirname "$2")"
  "$clang" -g -O2 -std=gnu11 -target bpf -mcpu=v3 "-D__TARGET_ARCH_$arch" -Wall -Wextra -Werror -Wpadded \
    -I bpf -isystem .cache/libbpf/include -ffile-compilation-dir=. -MD -MF "$2.d.$$" -MT object -c "$1" -o "$2.$$"
  "$strip" -g "$2.$$"
  mv "$2.$$" "$2"
  mv "$2.d.$$" "$2.d"
}

if [ $# -eq 2 ]; then
  compile "$1" "$2"
  exit
fi
shopt -s nullglob
for source in bpf/*.bpf.c bpf/*/*.bpf.c; do
  compile "$source" "$out/$(basename "$source" .c).o"
done
