#!/bin/sh
# Fetches the pinned libbpf sources and builds .cache/libbpf/{lib/libbpf.a,include/}.
# Cargo is only the downloader: native/vendor/Cargo.lock pins the crate that carries the sources by version and SHA-256.
# A second run does nothing until the lock file or this script changes.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/.cache/libbpf
sources=$root/.cache/libbpf-sources
stamp=$out/.stamp
want=$(cat "$root/native/vendor/Cargo.toml" "$root/native/vendor/Cargo.lock" "$0" | sha256sum | cut -d' ' -f1)

[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && exit 0

for tool in cargo make cc; do
  command -v "$tool" >/dev/null || { echo "vendor-libbpf: '$tool' is needed and was not found" >&2; exit 1; }
done
printf '#include <libelf.h>\n#include <zlib.h>\n' | cc -E -o /dev/null - 2>/dev/null || {
  echo 'vendor-libbpf: libelf and zlib headers are needed (Debian: apt-get install libelf-dev zlib1g-dev)' >&2
  exit 1
}

rm -rf "$out" "$sources"
mkdir -p "$out" "$sources"
# Cargo wants a crate with a target; the empty one lives only in the cache.
cp "$root/native/vendor/Cargo.toml" "$root/native/vendor/Cargo.lock" "$sources/"
: >"$sources/lib.rs"
(cd "$sources" && cargo vendor --quiet --locked vendor >/dev/null)

libbpf=$sources/vendor/libbpf-sys/libbpf
# -ffile-prefix-map: no build path in the shipped addon.
make --silent -C "$libbpf/src" -j"$(nproc)" \
  BUILD_STATIC_ONLY=1 OBJDIR="$sources/obj" DESTDIR="$out" PREFIX=/ LIBDIR=/lib INCLUDEDIR=/include UAPIDIR=/include \
  CFLAGS="-g -O2 -Wall -std=gnu89 -fPIC -fvisibility=hidden -ffile-prefix-map=$sources=." \
  install install_uapi_headers
cp "$libbpf/LICENSE" "$libbpf/LICENSE.BSD-2-Clause" "$libbpf/LICENSE.LGPL-2.1" "$out/"
rm -rf "$sources"
echo "$want" >"$stamp"
