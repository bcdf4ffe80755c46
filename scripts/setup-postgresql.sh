#!/bin/bash
# Brings PostgreSQL's programs. Debian's package would also make a cluster and start a server.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
settings=/etc/postgresql-common/createcluster.d

! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || exit 0
step 'PostgreSQL, from Debian (1 min)'
[ "$(id -u)" -ne 0 ] || { mkdir -p $settings && echo 'create_main_cluster = false' >$settings/uspan.conf; }
remove_settings() {
  rm -f $settings/uspan.conf
  rmdir --ignore-fail-on-non-empty $settings 2>/dev/null || true
}
trap remove_settings EXIT
apt_install postgresql
