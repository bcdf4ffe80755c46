# Shared by the scripts in this folder: source it from the repository's root. Needs bash.

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# step TEXT: says what begins now and how long it takes. setup.sh gives the number.
step() { say "${USPAN_STEP:+[$USPAN_STEP] }$*"; }

# The Makefile does the same for its targets: what setup brought comes first.
use_toolchain() { export PATH=$PWD/.toolchain/node/node_modules/.bin:$PWD/.toolchain/go/go/bin:$PWD/node_modules/.bin:$PATH; }

# version_at_least FOUND WANTED: true when dotted number FOUND >= WANTED.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Prints the first dotted number in what a command prints, or nothing.
version_of() { "$@" 2>/dev/null | grep -oE '[0-9]+\.[0-9.]*[0-9]' | head -n 1 || true; }

# 1.24 is what the example shop's module asks for.
new_enough_go() { version_at_least "$(version_of go version)" 1.24; }

# Prints the newest clang >= 15 (CLANG overrides): 15 is the first that knows every BTF kind and builtin our BPF uses.
find_clang() {
  local name
  for name in ${CLANG:-} $(compgen -c clang- | grep -E '^clang-[0-9]+$' | sort -u -t- -k2 -rn) clang; do
    have "$name" && version_at_least "$(version_of "$name" --version)" 15 && { echo "$name"; return; }
  done
  return 1
}

# Prints the llvm-strip that belongs to the clang found (LLVM_STRIP overrides), else the unversioned one.
find_llvm_strip() {
  local clang name
  clang=$(find_clang) || return 1
  for name in ${LLVM_STRIP:-} "${clang/clang/llvm-strip}" llvm-strip; do
    have "$name" && { echo "$name"; return; }
  done
  return 1
}

# apt_install PACKAGE…: as root on a Debian-like system, else says which command would do it and fails.
apt_install() {
  [ $# -gt 0 ] || return 0
  have apt-get || die "missing: $*. Install what these Debian packages hold with your system's package manager"
  [ "$(id -u)" -eq 0 ] || die "missing: $*. Install them with: sudo apt-get install $*"
  say "installing: $*"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@")
  # Package lists may be absent or old: refresh them only when the first try fails.
  "${install[@]}" </dev/null >/dev/null 2>&1 || { apt-get update -qq </dev/null >&2 && "${install[@]}" </dev/null >&2; } ||
    die "could not install: $*. Try: apt-get update && apt-get install $*"
}
