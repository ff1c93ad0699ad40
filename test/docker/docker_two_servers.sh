#!/bin/bash
# compose.servers.yaml: a login works from end to end, and the app server reaches
# nothing of the auth server but what dualdb_bridge may read.
#
# Prints TAP.
set -eu
cd "$(dirname "$0")/../.."
FILES=(-f docker/compose.servers.yaml)
. test/lib/docker/project.sh

SECRETS=/run/dualdb/secrets
BRIDGE="sslmode=verify-full sslrootcert=$SECRETS/auth-ca.crt sslcert=$SECRETS/bridge.crt sslkey=$SECRETS/bridge.key"

# From the app server's container, with all that it has there.
# to_auth <connection string> <statement>
to_auth()
{
	in_service postgres-app psql -XAtq "host=postgres-auth connect_timeout=5 $1" -c "$2"
}

names_in()
{
	in_service "$1" find $SECRETS /var/lib/dualdb -type f -printf '%f\n' | sort | paste -sd ' '
}

must_come_up 'it comes up'
user_works ann
check 'she is in the app server'"'"'s directory' \
	"$(eventually ann@example.com sql postgres-app aisales_app 'SELECT email FROM app.users')" '^ann@example\.com$'
check 'verify_setup() finds no error in auth' "$(problems postgres-auth aisales_auth)" '^none$'
check 'verify_setup() finds no error in app' "$(problems postgres-app aisales_app)" '^none$'
check 'the key is on the auth server' "$(names_in postgres-auth)" \
	'^ca\.crt logins master\.key replicator\.crt replicator\.key server\.crt server\.key$'
check 'it is not on the app server, nor is an authority' "$(names_in postgres-app)" \
	'^auth-ca\.crt bridge\.crt bridge\.key ca\.crt logins replicator\.crt replicator\.key server\.crt server\.key$'

check 'the bridge reads its view' \
	"$(to_auth "user=dualdb_bridge dbname=aisales_auth $BRIDGE" 'SELECT email FROM bridge.user_lookup')" '^ann@example\.com$'
check 'it reads nothing else' \
	"$(to_auth "user=dualdb_bridge dbname=aisales_auth $BRIDGE" 'SELECT password_hash FROM auth.users')" 'permission denied'
check 'it comes into no other database' "$(to_auth "user=dualdb_bridge dbname=postgres $BRIDGE" 'SELECT 1')" 'pg_hba.conf rejects'
check 'nor without its certificate' \
	"$(to_auth "user=dualdb_bridge dbname=aisales_auth sslmode=verify-full sslrootcert=$SECRETS/auth-ca.crt" 'SELECT 1')" \
	'requires a valid client certificate'
check 'nor with one of the app side'"'"'s authority' \
	"$(to_auth "user=dualdb_bridge dbname=aisales_auth ${BRIDGE//bridge/replicator}" 'SELECT 1')" 'unknown ca|certificate verify failed'
check 'nor without TLS' "$(to_auth "user=dualdb_bridge dbname=aisales_auth sslmode=disable" 'SELECT 1')" 'no encryption'
password=$(in_service backend cat $SECRETS/auth_password)
for user in backend_auth postgres dualdb_auth_owner; do
	check "nobody else comes in from there: $user" \
		"$(in_service -e PGPASSWORD="$password" postgres-app psql -XAtq "host=postgres-auth user=$user dbname=aisales_auth $BRIDGE" -c 'SELECT 1')" \
		'pg_hba.conf rejects'
done
check 'no replication comes in from there' \
	"$(in_service postgres-app pg_receivewal -d "host=postgres-auth user=dualdb_replicator $BRIDGE" --slot x --create-slot)" \
	'pg_hba.conf rejects replication connection'

check 'the app server reaches the port of the auth server' "$(reaches postgres-app postgres-auth 5432)" '^yes$'
check 'it does not reach the auth side'"'"'s PgBouncer' \
	"$(reaches postgres-app "$(in_service pgbouncer-auth getent hosts pgbouncer-auth-for-backend | cut -d' ' -f1)" 6432)" '^no$'
check 'the backend reaches that' "$(reaches backend pgbouncer-auth-for-backend 6432)" '^yes$'
check 'it reaches neither server' "$(reaches backend postgres-auth 5432)$(reaches backend postgres-app 5432)" '^nono$'
check 'the auth server comes to the app server, but not in' \
	"$(in_service postgres-auth psql "host=postgres-app user=postgres dbname=aisales_app" -c '')" 'pg_hba.conf rejects'
check 'of all networks only the backend'"'"'s edge leads out' \
	"$(docker network ls -q --filter "label=com.docker.compose.project=$PROJECT" |
		xargs docker network inspect -f '{{.Internal}} {{.Name}} {{range .Containers}}{{.Name}} {{end}}' | grep -v '^true ')" \
	"^false ${PROJECT}_edge ${PROJECT}-backend-1 \$"
finish
