#!/bin/bash
# The databases that belong to this server's side, or both.  Run again, it upgrades
# them.
set -euo pipefail
. /usr/local/lib/dualdb/environment.sh
. /usr/local/lib/dualdb/first_start.sh

read_environment

# make_database <name> <call of its setup function>
make_database()
{
	psql_admin postgres >/dev/null <<-SQL
		SET client_min_messages = warning;
		SELECT 'CREATE DATABASE $1' WHERE NOT EXISTS (
			SELECT FROM pg_database WHERE datname = '$1') \gexec
		\connect $1
		SET client_min_messages = warning;
		CREATE EXTENSION IF NOT EXISTS dualdb;
		ALTER EXTENSION dualdb UPDATE;
		SELECT $2;
		-- so that \dt of the administrator shows the tables
		ALTER ROLE $POSTGRES_USER IN DATABASE $1 SET search_path = ${1#aisales_}, public;
	SQL
}

# The bridge's certificate, where the auth database is on another server.
set_bridge_files()
{
	local option

	for option in sslrootcert=auth-ca.crt sslcert=bridge.crt sslkey=bridge.key; do
		psql_admin aisales_app <<-SQL
			SELECT format('ALTER SERVER dualdb_auth OPTIONS (%s ${option%%=*} %L)',
				CASE WHEN EXISTS (SELECT FROM pg_options_to_table(s.srvoptions) o
					WHERE o.option_name = '${option%%=*}') THEN 'SET' ELSE 'ADD' END,
				'$SECRETS/${option#*=}')
			FROM pg_foreign_server s WHERE s.srvname = 'dualdb_auth' \gexec
		SQL
	done
}

# nobody has business there but the administrator, the bridge least of all
psql_admin postgres -c 'REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC'
if has_auth; then
	make_database aisales_auth 'dualdb.setup_auth()'
fi
if [ "$DUALDB_SIDES" != both ]; then
	psql_admin postgres <<-SQL
		SELECT 'CREATE ROLE dualdb_replicator LOGIN REPLICATION'
		WHERE to_regrole('dualdb_replicator') IS NULL \gexec
	SQL
fi
if [ "$DUALDB_SIDES" = app ]; then
	make_database aisales_app "dualdb.setup_app(auth_host => '$DUALDB_AUTH_HOST', auth_port => 5432)"
	set_bridge_files
elif has_app; then
	make_database aisales_app 'dualdb.setup_app()'
fi
# the backend's first request needs the keys; later ones are the sync worker's
if has_app && ! psql_admin aisales_app -c 'SELECT dualdb.sync()' >/dev/null; then
	say "the auth database cannot be reached yet; the sync worker goes on trying"
fi
