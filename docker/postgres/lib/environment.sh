# shellcheck shell=bash
# What the environment may say, and what it means when it does not.

die()
{
	printf 'dualdb: %s\n' "$*" >&2
	exit 1
}

say()
{
	printf 'dualdb: %s\n' "$*"
}

read_environment()
{
	export POSTGRES_USER=${POSTGRES_USER:-postgres}
	export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
	# which of the two databases are here: both, auth or app
	export DUALDB_SIDES=${DUALDB_SIDES:-both}
	# app: where auth is, hosts with commas between
	export DUALDB_AUTH_HOST=${DUALDB_AUTH_HOST:-}
	# auth and app: the network between them, from which the bridge comes, and nobody else
	export DUALDB_BRIDGE_NETWORK=${DUALDB_BRIDGE_NETWORK:-}
	# on: the backend's auth login may read and write the auth tables
	export DUALDB_ORM=${DUALDB_ORM:-off}
	# a standby: the server that it follows
	export DUALDB_PRIMARY=${DUALDB_PRIMARY:-}
	export PGDATA
	# certificates and logins, read only
	SECRETS=/run/dualdb/secrets
	KEY_FILE=/var/lib/dualdb/key/master.key

	[ -z "${POSTGRES_PASSWORD:-}" ] ||
		die "POSTGRES_PASSWORD would be shown by docker inspect; use POSTGRES_PASSWORD_FILE"
	[[ $POSTGRES_USER =~ ^[a-z_][a-z0-9_]*$ ]] || die "POSTGRES_USER must be a plain name"
	[[ $POSTGRES_DB =~ ^[A-Za-z_][A-Za-z0-9_-]*$ ]] || die "POSTGRES_DB must be a plain name"
	[[ $DUALDB_SIDES =~ ^(both|auth|app)$ ]] || die "DUALDB_SIDES must be both, auth or app"
	[[ $DUALDB_ORM =~ ^(on|off)$ ]] || die "DUALDB_ORM must be on or off"
	[ "$DUALDB_SIDES" != app ] || [ -n "$DUALDB_AUTH_HOST" ] ||
		die "DUALDB_AUTH_HOST must name the auth server"
	[ "$DUALDB_SIDES" = both ] || [[ $DUALDB_BRIDGE_NETWORK =~ ^[0-9a-f.:]+/[0-9]+$ ]] ||
		die "DUALDB_BRIDGE_NETWORK must be the network between the two servers"
	[ "$(id -un)" = postgres ] || die "this must run as user postgres"
}

has_auth()
{
	[ "$DUALDB_SIDES" != app ]
}

has_app()
{
	[ "$DUALDB_SIDES" != auth ]
}
