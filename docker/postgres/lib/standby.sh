# shellcheck shell=bash
# A standby: a copy of its primary, which it follows through a slot of its own name.
# It shows a client certificate there; there is no password.

copy_primary()
{
	local slot connection

	slot=$(hostname)
	slot=${slot//-/_}
	connection="host=$DUALDB_PRIMARY user=dualdb_replicator application_name=$slot sslmode=verify-full"
	connection+=" sslrootcert=$SECRETS/ca.crt sslcert=$SECRETS/replicator.crt sslkey=$SECRETS/replicator.key"
	# an interrupted first start may have made it
	pg_receivewal -d "$connection" --slot="$slot" --create-slot --if-not-exists
	pg_basebackup -d "$connection" -D "$PGDATA" -R -S "$slot" -X stream -c fast
}
