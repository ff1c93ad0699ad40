# shellcheck shell=bash disable=SC1090,SC2034,SC2154
# Throw-away clusters with many users, several at a time.

# use_cluster <folder>: the one that psql_script asks from here on
use_cluster()
{
	DEMO_DIR=$1
	choose_place
	[ ! -e "$CONF" ] || . "$CONF"
}

# new_cluster <folder>: both databases, empty; no worker syncs beside what is measured
new_cluster()
{
	DEMO_DIR=$1
	choose_place
	make_cluster
	as_user tee -a "$SERVER_DIR/data/postgresql.conf" >/dev/null <<-CONF
		dualdb.app_database = ''
		shared_buffers = '${SHARED_BUFFERS:-512MB}'
		max_wal_size = '4GB'
		log_min_messages = error
	CONF
	start_cluster
	psql_script postgres demo/databases.sql
	psql_script aisales_auth demo/auth.sql password=unused >/dev/null
	psql_script aisales_app demo/app.sql password=unused >/dev/null
}

sql()
{
	as_user psql -X -A -t -q -v ON_ERROR_STOP=1 -h "$SERVER_DIR/socket" -p "$PORT" -d "$1" -c "$2"
}

# timed <what> <command ...>: a line of results, in seconds
timed()
{
	local what=$1 start=$SECONDS
	shift
	"$@" >/dev/null
	printf '%s\t%s\t\n' "$what" $((SECONDS - start))
}

# generate <users>: results on standard output
generate()
{
	timed 'seconds to generate the auth side' psql_script aisales_auth bench/scale/auth.sql "users=$1"
	timed 'seconds of the first sync' sql aisales_app 'SELECT dualdb.sync()'
	timed 'seconds to generate the app side' psql_script aisales_app bench/scale/app.sql
}

# measure <database> <variable=value> <script ...>: scripts of one session
measure()
{
	local database=$1 variable=$2
	shift 2
	psql_script "$database" <(cat "$@" bench/scale/results.sql) "$variable"
}
