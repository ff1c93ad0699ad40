#!/bin/bash
# compose.replicas.yaml, added to servers that have data: standbys follow, verify and
# look up, and the bridge goes on without the auth side's primary.
#
# Prints TAP.
set -eu
cd "$(dirname "$0")/../.."
FILES=(-f docker/compose.servers.yaml)
. test/lib/docker/project.sh

streaming()
{
	sql "$1" postgres "SELECT string_agg(s.slot_name, ' ' ORDER BY s.slot_name) FROM pg_stat_replication r
		JOIN pg_replication_slots s ON s.active_pid = r.pid AND s.slot_name = r.application_name
		WHERE r.state = 'streaming'"
}

look_up()
{
	sql postgres-app aisales_app "SELECT email FROM app.lookup_user_by_email('ann@example.com')"
}

must_come_up 'two servers come up'
user_works ann
check 'a key is made' "$(http POST /api-keys '{"name": "test", "scopes": []}' "$token")" '^201$'
api_key=$(field api_key)

FILES+=(-f docker/compose.replicas.yaml)
must_come_up 'standbys come up'
check 'every volume has a name' "$(unnamed_volumes)" '^0$'
in_service postgres-app dualdb-setup >/dev/null
check 'the auth server has two' "$(streaming postgres-auth)" '^postgres_auth_2 postgres_auth_3$'
check 'the app server has five' "$(streaming postgres-app)" '^postgres_app_2 postgres_app_3 postgres_app_4 postgres_app_5 postgres_app_6$'
check 'no password is written down' \
	"$(for service in postgres-auth-2 postgres-app-2; do
		in_service $service sh -c 'grep -c application_name= $PGDATA/postgresql.auto.conf; grep -c password= $PGDATA/postgresql.auto.conf'; done | paste -sd ' ')" \
	'^1 0 1 0$'
logs_in ann ''
for standby in 2 6; do
	check "app standby $standby verifies the token" \
		"$(eventually t sql postgres-app-$standby aisales_app "SELECT dualdb.jwt_verify('$token') ->> 'sub' = u.id FROM app.users u")" '^t$'
	check "app standby $standby refuses another" \
		"$(sql postgres-app-$standby aisales_app "SELECT dualdb.jwt_verify('${token%?????}aaaaa')")" 'ERROR:  token is not valid'
	check "app standby $standby asks the auth side" \
		"$(sql postgres-app-$standby aisales_app "SELECT email FROM app.lookup_user_by_email('ann@example.com')")" '^ann@example\.com$'
done
check 'an auth standby verifies an API key' \
	"$(eventually ok sql postgres-auth-3 aisales_auth "SELECT status FROM auth.verify_api_key('$api_key')")" '^ok$'
check 'and refuses another' "$(sql postgres-auth-3 aisales_auth "SELECT status FROM auth.verify_api_key('${api_key%?????}aaaaa')")" '^invalid_credentials$'
check 'a standby takes no writes' "$(sql postgres-auth-2 aisales_auth "DELETE FROM auth.users")" 'read-only transaction'

compose stop -t 20 postgres-auth >/dev/null 2>&1
check 'without the primary the bridge asks a standby' "$(eventually ann@example.com look_up)" '^ann@example\.com$'
check 'the app side goes on' "$(http GET /projects '' "$token") $(field name)" '^200 of ann$'
check 'the primary comes up again' "$(up postgres-auth)" '^ok$'
check 'the backend works again' "$(eventually 200 http GET /health)" '^200$'
logs_in ann ', at the primary'
finish
