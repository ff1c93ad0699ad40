#!/bin/bash
# Starts the server, after having set it up where the data directory is empty.
#
# POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD_FILE, POSTGRES_INITDB_ARGS, PGDATA and
# /docker-entrypoint-initdb.d mean what they mean for the image called postgres.  All
# others are in docs/docker.md.
set -euo pipefail
. /usr/local/lib/dualdb/environment.sh
. /usr/local/lib/dualdb/key.sh
. /usr/local/lib/dualdb/configuration.sh
. /usr/local/lib/dualdb/standby.sh
. /usr/local/lib/dualdb/first_start.sh

case "${1:-}" in
	'' | -*) set -- postgres "$@" ;;
	postgres) ;;
	*) exec "$@" ;;
esac

read_environment
umask 077
if is_set_up; then
	demand_key
	exec "$@"
fi
trap 'stop_quietly; exit 1' INT TERM
clear_stage
if [ -n "$DUALDB_PRIMARY" ]; then
	demand_key
	copy_primary
else
	make_key
	make_cluster
	start_for_setup
	run_scripts /usr/local/lib/dualdb/initdb.d
	run_scripts /docker-entrypoint-initdb.d
	stop_after_setup
fi
trap - INT TERM
leave_stage
exec "$@"
