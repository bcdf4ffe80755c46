#!/bin/bash
# Brings the pinned Node.js and npm into .toolchain/node (their hashes are in the lock file). On other machines than x86-64, their own are used.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
use_toolchain
here=.toolchain/node

if [ "$(uname -m)" = x86_64 ] && ! { [ -x $here/node_modules/.bin/node ] && cmp -s toolchain/node/package-lock.json $here/package-lock.json; }; then
  step 'Node.js 24 and npm, by npm, 60 MB (15 s)'
  # Beside its place first: npm may be the one that stands there.
  rm -rf $here.new
  mkdir -p $here.new
  cp toolchain/node/package.json toolchain/node/package-lock.json $here.new/
  (cd $here.new && npm ci --no-audit --no-fund --loglevel=error >/dev/null) ||
    { rm -rf $here.new; die 'could not install Node.js 24 by npm'; }
  rm -rf $here
  mv $here.new $here
  hash -r
fi
version_at_least "$(version_of node --version)" 22.22 || die "Node.js >= 22.22 is needed to build, found $(version_of node --version)"
