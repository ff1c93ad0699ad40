#!/bin/bash
# The image by itself: what users of the image called postgres expect of the first
# start, and what an interrupted one leaves.
#
# Prints TAP.
set -eu
cd "$(dirname "$0")/../.."
FILES=(-f docker/compose.yaml)
. test/lib/docker/project.sh

check 'the image is built' "$(compose build secrets >"$place/up.log" 2>&1 && echo ok || tail -n 20 "$place/up.log")" '^ok$'
SERVER=$PROJECT-server


remove_server()
{
	if [ $? != 0 ]; then
		docker logs "$SERVER" 2>&1 | tail -n 30 | diagnose
	fi
	docker rm -f -v "$SERVER" "$SERVER-plain" >/dev/null 2>&1 || true
	clean_up
}
trap remove_server EXIT

in_server()
{
	docker exec -i "$SERVER" "$@" 2>&1 </dev/null || true
}

# ask <database> <statement>
ask()
{
	in_server psql -XAtq -U chief -d "$1" -c "$2"
}

# log_in <password> <sslmode>: by the network
log_in()
{
	docker exec -i -e PGPASSWORD="$1" "$SERVER" psql -XAtq "host=127.0.0.1 user=chief dbname=shop sslmode=$2" \
		-c 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()' 2>&1 </dev/null || true
}

state()
{
	docker inspect -f "{{.State.$1}}" "$SERVER"
}

log()
{
	docker logs "$SERVER" 2>&1
}

counted()
{
	log | grep -c "$1" || true
}

mkdir "$place/initdb.d"
echo 'CREATE TABLE items (id integer); INSERT INTO items VALUES (1);' >"$place/initdb.d/1.sql"
cat >"$place/initdb.d/2.sh" <<-'SH'
	#!/bin/bash
	# the first time it does not end
	if [ ! -e /tmp/second-time ]; then
		touch /tmp/second-time
		exec sleep infinity
	fi
	psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -c 'INSERT INTO items VALUES (2)'
SH
chmod 755 "$place/initdb.d/2.sh"
# one that is not for set -u, and not executable
echo 'echo "$NO_SUCH_VARIABLE"; psql -U "$POSTGRES_USER" "$POSTGRES_DB" -c "INSERT INTO items VALUES (3)"' \
	>"$place/initdb.d/3.sh"
echo 'INSERT INTO items VALUES (4);' | gzip >"$place/initdb.d/4.sql.gz"
echo 'a password of 1' >"$place/password"
chmod 644 "$place/password" "$place"/initdb.d/[134]*

check 'a password in the environment is refused' \
	"$(docker run --rm -e POSTGRES_PASSWORD=x dualdb/postgres 2>&1 || true)" 'use POSTGRES_PASSWORD_FILE$'
check 'another command is run' "$(docker run --rm dualdb/postgres psql --version)" '^psql \(PostgreSQL\) 17\.'

docker create --name "$SERVER" --network none -e POSTGRES_USER=chief -e POSTGRES_DB=shop \
	-e POSTGRES_PASSWORD_FILE=/etc/password dualdb/postgres >/dev/null
docker cp "$place/password" "$SERVER:/etc/password"
docker cp "$place/initdb.d/." "$SERVER:/docker-entrypoint-initdb.d"
docker start "$SERVER" >/dev/null
check 'a first start is on its way' "$(eventually 1 counted 'running /docker-entrypoint-initdb.d/2.sh')" '^1$'
check 'its server does not listen to the network' \
	"$(in_server bash -c 'exec 3<>/dev/tcp/127.0.0.1/5432')" 'Connection refused'
check 'it is not taken for healthy' "$(state Health.Status)" '^starting$'
docker kill -s KILL "$SERVER" >/dev/null

docker start "$SERVER" >/dev/null
check 'interrupted and started again, it is complete' "$(eventually healthy state Health.Status)" '^healthy$'
check 'it has begun anew' "$(counted 'interrupted; starting anew')" '^1$'
check 'every script has run once' "$(ask shop 'SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM items')" '^1 2 3 4$'
check 'both databases are there' "$(ask postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'aisales%'")" '^2$'
key=$(in_server sha256sum /var/lib/dualdb/key/master.key)
docker restart "$SERVER" >/dev/null
check 'it starts again' "$(eventually healthy state Health.Status)" '^healthy$'
check 'no script has run again' "$(ask shop 'SELECT count(*) FROM items')" '^4$'
check 'the key is the same' "$([ "$key" = "$(in_server sha256sum /var/lib/dualdb/key/master.key)" ] && echo yes)" '^yes$'

check 'the administrator logs in by password and TLS' "$(log_in 'a password of 1' require)" '^t$'
check 'not with a wrong password' "$(log_in 'a password of 2' require)" 'password authentication failed'
check 'not without TLS' "$(log_in 'a password of 1' disable)" 'no encryption'
check 'the bridge role does not, at all' \
	"$(in_server psql "host=127.0.0.1 user=dualdb_bridge dbname=aisales_auth sslmode=require" -c '')" 'pg_hba.conf rejects'


docker run -d --name "$SERVER-plain" --network none dualdb/postgres >/dev/null
check 'it starts without being told anything' \
	"$(eventually healthy docker inspect -f '{{.State.Health.Status}}' "$SERVER-plain")" '^healthy$'
check 'with a key of its own' \
	"$([ "$key" != "$(docker exec "$SERVER-plain" sha256sum /var/lib/dualdb/key/master.key)" ] && echo yes)" '^yes$'

# an orphan that fails, as one of a health check that has taken too long
orphan=$(in_server bash -c '(sleep 0.3; exit 2) >/dev/null 2>&1 & echo $!')
check 'there is an orphan' "$orphan" '^[0-9]+$'
check 'it ends' "$(eventually gone in_server bash -c "[ -e /proc/$orphan ] || echo gone")" '^gone$'
check 'the server does not take it for one of its own' \
	"$(ask shop 'SELECT 1') $(counted 'terminating any other active server processes')" '^1 0$'

in_server mv /var/lib/dualdb/key/master.key /tmp/key
docker restart "$SERVER" >/dev/null
check 'without its key it does not start' "$(eventually exited state Status)" '^exited$'
check 'it says so, and makes no other' "$(log | tail -n 1)" 'master key .* is gone'
docker run --rm -i --volumes-from "$SERVER" dualdb/postgres dualdb-key <"$place/password" >"$place/log" 2>&1 || true
check 'what is no key is not taken' "$(cat "$place/log")" 'must have 32 bytes'
docker cp "$SERVER:/tmp/key" "$place/key"
docker run --rm -i --volumes-from "$SERVER" dualdb/postgres dualdb-key <"$place/key"
docker start "$SERVER" >/dev/null
check 'with its key it does' "$(eventually healthy state Health.Status)" '^healthy$'
check 'tokens are signed with it' \
	"$(ask aisales_auth "SELECT status FROM auth.register_user('a@example.com', 'correct horse battery staple');
		SELECT status FROM auth.login('a@example.com', 'correct horse battery staple')")" $'^ok\nok$'
finish
