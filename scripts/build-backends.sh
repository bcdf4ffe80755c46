#!/bin/bash
# build-backends.sh            builds the real backends that tests send to, Jaeger and an OpenTelemetry Collector, from their Go modules
# build-backends.sh path NAME  prints where `jaeger` or `otelcol` is (or would be), and builds nothing
#
# Versions are pinned here and in toolchain/collector/builder.yaml. What is built stays in $USPAN_BACKENDS_DIR (default
# ~/.cache/uspan-test/backends), in a folder named by version and recipe, so a second run does nothing. Cold it takes about ten
# minutes on two cores and 4 GB of Go's caches. `go install` can build neither: Jaeger's go.mod has replace directives, and a
# Collector is generated first.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
use_toolchain
jaeger_version=v1.76.0
collector_version=v0.155.0
manifest=$PWD/toolchain/collector/builder.yaml
cache=${USPAN_BACKENDS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/uspan-test/backends}

# path_of NAME
path_of() {
  case $1 in
    jaeger) echo "$cache/jaeger-$jaeger_version/jaeger" ;;
    otelcol) echo "$cache/otelcol-$collector_version-$(sha256sum <"$manifest" | head -c 8)/otelcol" ;;
    *) die "no backend '$1': jaeger, otelcol" ;;
  esac
}

# -mod=mod adds the checksums that are missing, each verified by Go's checksum database. Never `go mod tidy`: it fetches test dependencies.
compile() { GOWORK=off CGO_ENABLED=0 nice -n 19 go build -mod=mod -trimpath -buildvcs=false "$@" >&2; }

# A throw-away module with the go.mod of Jaeger itself, replace directives included, that requires Jaeger. build_jaeger FILE
build_jaeger() {
  local module=github.com/jaegertracing/jaeger sources
  sources=$(go mod download -json $module@$jaeger_version | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p') ||
    die "cannot download $module $jaeger_version"
  install -m 644 "$sources/go.mod" "$sources/go.sum" .
  go mod edit -module=uspan.test/jaeger -require=$module@$jaeger_version
  compile -ldflags "-s -w -X $module/internal/version.latestVersion=$jaeger_version" -o "$1" $module/cmd/jaeger
}

# build_otelcol FILE
build_otelcol() {
  GOBIN=$PWD/bin nice -n 19 go install go.opentelemetry.io/collector/cmd/builder@$collector_version >&2
  nice -n 19 bin/builder --config "$manifest" --skip-compilation --skip-strict-versioning >&2
  cd sources
  compile -ldflags '-s -w' -o "$1" .
}

# build NAME: into a folder beside its place first, so that what stands there is whole.
build() {
  local file
  file=$(path_of "$1")
  [ -x "$file" ] && return
  say "building $1 ($(basename "$(dirname "$file")")): minutes"
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/.build-XXXXXX")
  mkdir "$work/module"
  (cd "$work/module" && "build_$1" "$work/$1")
  mkdir -p "$(dirname "$file")"
  mv "$work/$1" "$file"
  rm -rf "$work"
}

work=
trap 'rm -rf "$work"' EXIT
case ${1:-build} in
  path) path_of "${2:?which backend?}" ;;
  build)
    have go || die 'Go is needed: run scripts/setup-go.sh'
    build jaeger
    build otelcol
    ;;
  *) die "usage: $0 [path NAME]" ;;
esac
