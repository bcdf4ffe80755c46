#!/bin/bash
# Builds replay for this host: build.sh OUT.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=test/bpf/host
flags=(-O1 -g -std=gnu11 -D__TARGET_ARCH_x86 -I "$here" -I bpf -fno-strict-aliasing -Wno-attributes)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
gcc "${flags[@]}" -fcommon -c "$here/maps.c" -o "$out/maps.o"
gcc "${flags[@]}" -fcommon -DLICENSE=license_of_core -Dnode_programs=node_programs_of_core -c bpf/node/node_core.bpf.c -o "$out/core.o"
gcc "${flags[@]}" -fcommon -DLICENSE=license_of_client -Dnode_programs=node_programs_of_client -c bpf/node/node_http_client.bpf.c -o "$out/client.o"
gcc -O1 -g -std=gnu11 -Wall -Wextra -c "$here/replay.c" -o "$out/replay.o"
gcc -z muldefs "$out"/*.o -o "$1"
