#!/bin/bash
# entrypoint.sh <one-server, auth-server or app-server>
#
# PgBouncer listens on the address that LISTEN_NAME has: an alias that it has in the
# backend's network only, so that the servers cannot come to it by theirs.
set -euo pipefail

address=$(getent ahostsv4 "$LISTEN_NAME" | awk 'NR == 1 { print $1 }')
if [ "$1" = check ]; then
	exec 3<>"/dev/tcp/$address/6432"
	exit
fi
printf 'listen_addr = %s\n' "$address" >/tmp/listen.ini
exec pgbouncer "/etc/pgbouncer/$1.ini"
