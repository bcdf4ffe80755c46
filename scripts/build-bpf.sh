#!/bin/sh
# Compiles every bpf/*.bpf.c and bpf/uprobes/*.bpf.c to build/bpf/NAME.bpf.o, or with --arch arm64 to build/bpf-arm64/.
# Further directories may be named for tests: build-bpf.sh [--arch x86|arm64] [SOURCE.bpf.c OUT.bpf.o].
# Only what changed, by clang's dependency files.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
arch=x86
[ "$(uname -m)" = aarch64 ] && arch=arm64
native=$arch
if [ "${1:-}" = --arch ]; then
  arch=$2
  shift 2
fi
case $arch in
  x86 | arm64) ;;
  *) echo "build-bpf: unknown architecture '$arch' (x86 or arm64)" >&2; exit 2 ;;
esac
out=$root/build/bpf
[ "$arch" = "$native" ] || out=$root/build/bpf-$arch

"$root/scripts/vendor-libbpf.sh"

# The newest clang from 15 on: older ones lack BTF for what CO-RE needs (enum64).
clang=
for version in 21 20 19 18 17 16 15; do
  if command -v "clang-$version" >/dev/null && command -v "llvm-strip-$version" >/dev/null; then
    clang=clang-$version strip=llvm-strip-$version
    break
  fi
done
if [ -z "$clang" ] && command -v clang >/dev/null && [ "$(clang -dumpversion | cut -d. -f1)" -ge 15 ]; then
  clang=clang strip=llvm-strip
fi
[ -n "$clang" ] || { echo 'build-bpf: clang 15 or newer with llvm-strip is needed (Debian: apt-get install clang-19 llvm-19)' >&2; exit 1; }

# True when OBJECT is missing or older than anything it was made from.
outdated() {
  [ -f "$1" ] && [ -f "$1.d" ] && [ ! "$0" -nt "$1" ] || return 0
  for input in $(sed -e 's/^[^:]*://' -e 's/\\$//' "$1.d"); do
    [ -f "$input" ] && [ ! "$input" -nt "$1" ] || return 0
  done
  return 1
}

compile() {
  outdated "$2" || return 0
  mkdir -p "$(dirname "$2")"
  # File names are kept out of the objects.
  "$clang" -g -O2 -std=gnu11 -target bpf -mcpu=v3 "-D__TARGET_ARCH_$arch" -Wall -Wextra -Werror -Wpadded \
    -I "$root/bpf" -isystem "$root/.cache/libbpf/include" "-ffile-prefix-map=$root/=" \
    -MD -MF "$2.d.tmp" -MT object -c "$1" -o "$2.tmp"
  "$strip" -g "$2.tmp"
  mv "$2.tmp" "$2"
  mv "$2.d.tmp" "$2.d"
}

if [ $# -eq 2 ]; then
  compile "$1" "$2"
  exit 0
fi
for source in "$root"/bpf/*.bpf.c "$root"/bpf/uprobes/*.bpf.c; do
  compile "$source" "$out/$(basename "$source" .c).o"
done
