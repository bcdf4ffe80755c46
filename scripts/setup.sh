#!/bin/bash
# Brings what building (setup.sh build) or testing (setup.sh test) uspan needs: Debian packages, Node.js 24, npm packages, libbpf's sources.
# Does nothing if everything is there. Needs Node.js and npm, Go and cargo on the machine, and root only to install packages.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
purpose=${1:-build}

# What cannot come by apt in a version new enough.
check_machine() {
  local missing=()
  [ "$(uname -s)" = Linux ] || die 'uspan is built and run on Linux only'
  have npm || missing+=('npm (with Node.js >= 20): https://nodejs.org/en/download')
  version_at_least "$(version_of cargo --version)" 1.68 || missing+=('cargo >= 1.68: https://rustup.rs')
  version_at_least "$(version_of go version)" 1.24 || missing+=('Go >= 1.24: https://go.dev/doc/install')
  [ ${#missing[@]} -eq 0 ] || die "missing:$(printf '\n  %s' "${missing[@]}")"
}

has_header() { have cc && echo "#include <$1>" | cc -E - >/dev/null 2>&1; }

install_packages() {
  local packages=()
  have make || packages+=(make)
  have g++ || packages+=(g++)
  have python3 || packages+=(python3) # node-gyp is written in it
  have pkg-config || packages+=(pkg-config)
  have bpftool || [ -x /usr/sbin/bpftool ] || packages+=(bpftool)
  has_header libelf.h || packages+=(libelf-dev)
  has_header zlib.h || packages+=(zlib1g-dev)
  has_header sys/sdt.h || packages+=(systemtap-sdt-dev) # examples/node-app
  find_clang >/dev/null && find_llvm_strip >/dev/null || packages+=(clang-19 llvm-19)
  if [ "$purpose" = test ]; then
    have readelf || packages+=(binutils)
    have ld.lld || packages+=(lld)
    have mold || packages+=(mold)
    have wrk || packages+=(wrk)
    have curl || packages+=(curl)
    have openssl || packages+=(openssl)
    have pgrep || packages+=(procps)
    have java || packages+=(default-jdk-headless)
    [ -x /usr/bin/python3.11 ] || packages+=(python3) # with USDT probes, which those of version managers have not
  fi
  apt_install "${packages[@]}"
  [ "$purpose" = build ] || install_postgresql
}

# The programs only: the package would also make a cluster and start a server.
install_postgresql() {
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null && return
  local settings=/etc/postgresql-common/createcluster.d status=0
  [ "$(id -u)" -ne 0 ] || { mkdir -p $settings && echo 'create_main_cluster = false' >$settings/uspan.conf; }
  # In a shell of its own, so that the setting goes again when that fails.
  (apt_install postgresql) || status=$?
  rm -f $settings/uspan.conf
  rmdir --ignore-fail-on-non-empty $settings 2>/dev/null || true
  return $status
}

# The pinned Node.js (its hash is in the lock file); on other machines than x86-64, the machine's own is used.
install_node() {
  [ "$(uname -m)" = x86_64 ] || return 0
  local here=.toolchain/node
  [ -x $here/node_modules/.bin/node ] && cmp -s toolchain/node/package-lock.json $here/package-lock.json && return
  say 'installing Node.js 24 into .toolchain'
  mkdir -p $here
  cp toolchain/node/package.json $here
  (cd $here && cp ../../toolchain/node/package-lock.json . && npm ci --no-audit --no-fund --loglevel=error >&2) ||
    { rm -f $here/package-lock.json; die 'could not install Node.js 24 from the npm registry'; }
}

# By content, not by time: a checkout changes times.
install_npm_packages() {
  local stamp=node_modules/.uspan-setup want
  want=$(cat package.json package-lock.json | sha256sum)
  [ "$(cat $stamp 2>/dev/null)" = "$want" ] && return
  say 'installing npm packages'
  npm ci --no-audit --no-fund --loglevel=error >&2
  echo "$want" >$stamp
}

check_machine
install_packages
install_node
PATH=$PWD/.toolchain/node/node_modules/.bin:$PATH
version_at_least "$(version_of node --version)" 22.22 || die "Node.js >= 22.22 is needed to build, found $(version_of node --version)"
install_npm_packages
scripts/vendor-libbpf.sh
