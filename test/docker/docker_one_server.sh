#!/bin/bash
# compose.yaml: everything comes up by itself, works, keeps its data, and shows no
# secret.
#
# Prints TAP.
set -eu
cd "$(dirname "$0")/../.."
FILES=(-f docker/compose.yaml)
. test/lib/docker/project.sh

# Names of the secrets, and of Ann's address, which is to be found, that are in what comes on standard input
secrets_in()
{
	test/lib/docker/find_secrets "$place/key" "$place/auth_password" "$place/app_password" "$place/address" |
		paste -sd ' '
}

# A volume as a stream.
volume()
{
	docker run --rm --network none --user root --entrypoint tar -v "${PROJECT}_$1:/v:ro" \
		dualdb/postgres --warning=no-file-changed -C /v -c .
}

# from_volume <volume> <file>: into the test's folder, as <name>
from_volume()
{
	volume "$1" | tar -xO "./$2" >"$place/$3"
}

started_at()
{
	docker inspect -f '{{.State.StartedAt}}' "$(compose ps -q postgres)"
}

must_come_up 'it comes up'
databases=$(in_service postgres psql -U postgres -XAtl)
check 'the auth database is there' "$databases" '(^|'$'\n'')aisales_auth\|'
check 'the app database is there' "$databases" '(^|'$'\n'')aisales_app\|'
check '\dt shows the tables of auth' "$(sql postgres aisales_auth '\dt')" 'auth\|refresh_tokens\|table'
check '\dt shows the tables of app' "$(sql postgres aisales_app '\dt')" 'app\|projects\|table'
check 'verify_setup() finds no error in auth' "$(problems postgres aisales_auth)" '^none$'
check 'verify_setup() finds no error in app' "$(problems postgres aisales_app)" '^none$'
user_works ann

check 'only the backend has a port outside, of this machine alone' \
	"$(docker ps --filter "label=com.docker.compose.project=$PROJECT" --format '{{.Names}} {{.Ports}}' | grep -- '->')" \
	'^[^ ]*backend[^ ]* 127\.0\.0\.1:[0-9]+->8000/tcp$'
check 'the backend reaches PgBouncer' "$(reaches backend pgbouncer-for-backend 6432)" '^yes$'
check 'it does not reach the server' "$(reaches backend postgres 5432)" '^no$'
check 'the server reaches itself' "$(reaches postgres postgres 5432)" '^yes$'
check 'it does not reach PgBouncer' "$(reaches postgres pgbouncer 6432)" '^no$'
for service in postgres pgbouncer backend; do
	check "$service is not root and may write nowhere but in its volumes" \
		"$(in_service $service sh -c 'id -u; touch /etc/x /srv/x 2>&1')" '^99[789]'$'\n''.*Read-only file system.*Read-only file system'
done

from_volume key master.key key
from_volume backend_secrets auth_password auth_password
from_volume backend_secrets app_password app_password
echo -n ann@example.com >"$place/address"
check 'the key is 32 bytes' "$(stat -c %s "$place/key")" '^32$'
check 'it is the server'"'"'s alone' "$(in_service postgres stat -c '%U %a %F' /var/lib/dualdb/key/master.key)" '^postgres 600 regular file$'
check 'the key is found where it is' "$(volume key | secrets_in)" '^key$'
check 'the passwords are found where they are' "$(volume backend_secrets | secrets_in)" '^app_password auth_password$'
in_service postgres psql -XAtq -U postgres -c CHECKPOINT
check 'no secret is in the data directory, which has the users' "$(volume data | secrets_in)" '^address$'
check 'none is in what the server and PgBouncer are given' \
	"$({ volume postgres_secrets; volume pgbouncer_secrets; } | secrets_in)" '^$'
containers=$(compose ps -aq)
check 'every volume has a name' "$(unnamed_volumes)" '^0$'
# shellcheck disable=SC2086
check 'docker inspect shows none' "$(docker inspect $containers | secrets_in)" '^$'
check 'docker history shows none' \
	"$(for image in postgres pgbouncer backend; do docker history --no-trunc "dualdb/$image"; done | secrets_in)" '^$'
check 'the logs show none' "$(compose logs --no-color 2>&1 | secrets_in)" '^$'
check 'no process shows one' \
	"$(for service in postgres pgbouncer backend; do
		in_service $service sh -c 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null'; done | secrets_in)" '^$'
check 'the images have no keys and no data' \
	"$(docker run --rm --network none --user root --entrypoint find dualdb/postgres \
		/etc/ssl/private /var/lib/dualdb /var/lib/postgresql /run/dualdb -type f)" '^$'

compose down >/dev/null 2>&1
check 'it comes up again' "$(up)" '^ok$'
check 'with the same key' "$(volume key | secrets_in)" '^key$'
logs_in ann ', after down and up'
check 'its setup can be brought up to date' \
	"$(in_service postgres dualdb-setup | tail -n 1) $(problems postgres aisales_auth)" 'running .*20-logins.sh none$'

started=$(started_at)
# A process is killed where its number is that of the engine's machine; by the engine it
# would be no crash, but stopped.
if [ -n "${DOCKER_IS_OURS:-}" ]; then
	kill -9 "$(docker inspect -f '{{.State.Pid}}' "$(compose ps -q postgres)")"
else
	compose kill -s KILL postgres >/dev/null 2>&1
fi
check 'killed, the server comes up again' "$(up)" '^ok$'
check 'it had really ended' "$([ "$started" != "$(started_at)" ] && echo yes)" '^yes$'
check 'the backend works again' "$(eventually 200 http GET /health)" '^200$'
logs_in ann ', after the crash'

compose down -v >/dev/null 2>&1
check 'down -v deletes all' "$(docker volume ls -q --filter "name=${PROJECT}_")" '^$'
finish
