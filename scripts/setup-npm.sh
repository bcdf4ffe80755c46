#!/bin/bash
# Brings the packages of package-lock.json into node_modules.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
use_toolchain
stamp=node_modules/.uspan-setup

# By content, not by time: a checkout changes times.
want=$(cat package.json package-lock.json | sha256sum)
[ "$(cat $stamp 2>/dev/null)" != "$want" ] || exit 0
step 'npm packages (30 s)'
npm ci --no-audit --no-fund --loglevel=error >/dev/null
echo "$want" >$stamp
