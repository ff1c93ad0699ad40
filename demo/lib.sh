# shellcheck shell=bash disable=SC1090,SC2016
# The demo's cluster: where it is, how it is made, started and reached.

# Root's demo is in a place where only root can put it; others have it at home.
# A socket's path can have 107 bytes at most.
choose_place()
{
	if is_root; then
		DEMO_DIR=${DEMO_DIR:-/var/lib/dualdb-demo}
	else
		DEMO_DIR=${DEMO_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/dualdb-demo}
	fi
	[ ${#DEMO_DIR} -le 70 ] || die "$DEMO_DIR is too long for a socket; set DEMO_DIR"
	# what the caller reads and writes is not where the server's user could
	# change it: the caller may be root
	CONF=$DEMO_DIR/conf
	SERVER_DIR=$DEMO_DIR/server
}

free_port()
{
	port=54870
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}

random_word()
{
	od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# A cluster with the library preloaded and a key file beside it.  It is put into
# place when it is complete, so that an interrupted run leaves nothing half done.
make_cluster()
{
	mkdir -p "$DEMO_DIR"
	if is_root; then
		install -d -m 700 -o "$RUN_USER" "$SERVER_DIR"
	else
		mkdir -p -m 700 "$SERVER_DIR"
	fi
	as_user rm -rf "$SERVER_DIR/data" "$SERVER_DIR/new"
	as_user mkdir -p "$SERVER_DIR/socket"
	as_user initdb -D "$SERVER_DIR/new" -U "$RUN_USER" --encoding=UTF8 \
		--locale=C.UTF-8 --auth=reject >/dev/null

	# 32 random bytes that no backup of the data directory contains
	as_user sh -c 'umask 077; head -c 32 /dev/urandom > "$1"' sh "$SERVER_DIR/master.key"

	PORT=$(free_port)
	as_user tee -a "$SERVER_DIR/new/postgresql.conf" >/dev/null <<-CONF
		shared_preload_libraries = 'dualdb'
		dualdb.key_file = '$SERVER_DIR/master.key'
		dualdb.app_database = 'aisales_app'
		port = $PORT
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$SERVER_DIR/socket'
	CONF
	# The bridge comes by the socket as the server's own user, whom the ident
	# map makes dualdb_bridge; it can go nowhere else.
	as_user tee "$SERVER_DIR/new/pg_hba.conf" >/dev/null <<-HBA
		local aisales_auth dualdb_bridge peer map=dualdb_bridge
		local all,replication dualdb_bridge reject
		host all,replication dualdb_bridge all reject
		local all $RUN_USER peer map=demo_admin
		host aisales_auth demo_auth 127.0.0.1/32 scram-sha-256
		host aisales_app demo_app,demo_user 127.0.0.1/32 scram-sha-256
	HBA
	as_user tee "$SERVER_DIR/new/pg_ident.conf" >/dev/null <<-IDENT
		dualdb_bridge $RUN_USER dualdb_bridge
		demo_admin $RUN_USER $RUN_USER
		demo_admin $(id -un) $RUN_USER
	IDENT
	(
		umask 077
		printf 'PORT=%s\nAUTH_PASSWORD=%s\nAPP_PASSWORD=%s\n' \
			"$PORT" "$(random_word)" "$(random_word)" >"$CONF"
	)
	as_user mv "$SERVER_DIR/new" "$SERVER_DIR/data"
}

cluster_runs()
{
	as_user pg_ctl -D "$SERVER_DIR/data" status >/dev/null 2>&1
}

# A running server is restarted: it may have an older library in memory.
start_cluster()
{
	. "$CONF"
	if cluster_runs; then
		as_user pg_ctl -D "$SERVER_DIR/data" -w -m fast stop >/dev/null
	fi
	as_user pg_ctl -D "$SERVER_DIR/data" -l "$SERVER_DIR/server.log" -w start >/dev/null || {
		as_user tail -n 5 "$SERVER_DIR/server.log" >&2
		die "the server did not start; see $SERVER_DIR/server.log"
	}
}

# psql_script <database> <file> [variable=value ...]: run a script as superuser.
# The variables go by standard input: arguments can be seen by everybody.
psql_script()
{
	database=$1 file=$2
	shift 2
	{
		for variable in "$@"; do
			printf "\\set %s '%s'\n" "${variable%%=*}" "${variable#*=}"
		done
		cat "$file"
	} | as_user psql -X -q -v ON_ERROR_STOP=1 -h "$SERVER_DIR/socket" -p "$PORT" -d "$database"
}

# URLs without characters that a shell or an environment file would need quoted.
write_env()
{
	socket=$(printf '%s' "$SERVER_DIR/socket" | sed 's:/:%2F:g')
	(
		umask 077
		cat >demo/env <<-ENV
			AUTH_DATABASE_URL=postgresql://demo_auth:$AUTH_PASSWORD@127.0.0.1:$PORT/aisales_auth
			APP_DATABASE_URL=postgresql://demo_app:$APP_PASSWORD@127.0.0.1:$PORT/aisales_app
			APP_USER_DATABASE_URL=postgresql://demo_user:$APP_PASSWORD@127.0.0.1:$PORT/aisales_app
			AUTH_ADMIN_URL=postgresql://$RUN_USER@$socket:$PORT/aisales_auth
			APP_ADMIN_URL=postgresql://$RUN_USER@$socket:$PORT/aisales_app
		ENV
	)
}

# Told as the server's user, because the story also tries its luck as
# dualdb_bridge, who comes by the socket only.
tell_story()
{
	psql_script aisales_auth demo/story.sql "run=$1" "auth=$AUTH_DATABASE_URL" \
		"app=$APP_DATABASE_URL" "app_user=$APP_USER_DATABASE_URL" "app_admin=$APP_ADMIN_URL" \
		"bridge=$(echo "$AUTH_ADMIN_URL" | sed "s://$RUN_USER@://dualdb_bridge@:")"
}
