#!/bin/bash
# Auth and app on two hosts: two network namespaces that only a cable joins, with
# 20 ms each way where the kernel can delay packets.  The cable is pulled and put back.
#
# Prints TAP.  Namespaces are root's to make; the servers run as an unprivileged
# user, and nothing outside of the two namespaces is changed.
set -eu
cd "$(dirname "$0")/../.."
. tools/lib.sh
. test/lib/tap.sh

is_root || skip "network namespaces are root's to make"
for program in unshare nsenter ip tc openssl; do
	command -v "$program" >/dev/null || skip "there is no program $program"
done
unshare --net true 2>/dev/null || skip "network namespaces cannot be made here"

find_pg_config
PG_BIN=$("$PG_CONFIG" --bindir)
pick_user
AUTH_ADDRESS=10.99.0.1
APP_ADDRESS=10.99.0.2
# generous: what is waited for comes after seconds
PATIENCE=60
place=$(mktemp -d /var/tmp/dualdb-hosts.XXXXXX)
auth_host=
app_host=

clean_up()
{
	if [ $? != 0 ]; then
		tail -n 20 "$place"/*.log | diagnose
	fi
	for name in auth app; do
		[ ! -e "$place/$name/postmaster.pid" ] ||
			as_user pg_ctl -D "$place/$name" -m immediate stop >/dev/null || true
	done
	[ -z "$auth_host" ] || kill "$auth_host" || true
	[ -z "$app_host" ] || kill "$app_host" || true
	rm -rf "$place"
}
trap clean_up EXIT

# A namespace lives as long as a process in it.
make_host()
{
	unshare --net sleep infinity &
	host=$!
	until [ "$(readlink "/proc/$host/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
		kill -0 "$host"
	done
	in_host "$host" ip link set lo up
}

in_host()
{
	nsenter --net="/proc/$1/ns/net" "${@:2}"
}

# as the user that the servers run as
on_host()
{
	in_host "$1" setpriv --reuid="$RUN_USER" --regid="$RUN_USER" --init-groups --reset-env \
		env -C / LC_ALL=C.UTF-8 PATH="$PG_BIN:/usr/bin:/bin" "${@:2}"
}

# plug_in <host> <address>: its end of the cable
plug_in()
{
	in_host "$1" ip address add "$2/24" dev cable
	in_host "$1" ip link set cable up
	if ! in_host "$1" tc qdisc add dev cable root netem delay 20ms 2>/dev/null; then
		latency=
	fi
}

# start_server <host> <name> <lines of postgresql.conf>
start_server()
{
	as_user initdb -D "$place/$2" -U "$RUN_USER" --encoding=UTF8 --locale=C.UTF-8 \
		--no-sync --auth=reject >/dev/null
	printf '%s\n' "shared_preload_libraries = 'dualdb'" 'fsync = off' \
		"unix_socket_directories = '$place/$2'" "$3" |
		as_user tee -a "$place/$2/postgresql.conf" >/dev/null
	as_user tee "$place/$2/pg_hba.conf" >/dev/null <<-HBA
		hostssl aisales_auth dualdb_bridge $APP_ADDRESS/32 cert
		local all,replication dualdb_bridge reject
		host all,replication dualdb_bridge all reject
		local all all trust
	HBA
	on_host "$1" pg_ctl -D "$place/$2" -l "$place/$2.log" -w start >/dev/null
}

# sql <auth or app> <statement>: what it prints, or the SQLSTATE of its error
sql()
{
	as_user psql -XAtq -v VERBOSITY=sqlstate -h "$place/$1" -d "aisales_$1" -c "$2" 2>&1 ||
		true
}

app_writes()
{
	check "$1: the application writes" \
		"$(sql app "INSERT INTO app.projects (user_id, name) VALUES ('u', 'x') RETURNING name")" '^x$'
}

# ask <statement>: in the session that lives all the time
ask()
{
	echo "$1;" >&"${SESSION[1]}"
	answer=nothing
	read -r -t "$PATIENCE" -u "${SESSION[0]}" answer || true
}

latency=20
make_host
auth_host=$host
make_host
app_host=$host
ip link add cable netns "$auth_host" type veth peer name cable netns "$app_host" 2>/dev/null ||
	skip "the kernel has no pairs of virtual network devices"
plug_in "$auth_host" $AUTH_ADDRESS
plug_in "$app_host" $APP_ADDRESS
[ -n "$latency" ] || echo "# without latency: the kernel has no netem"

perl -I test/lib -MDualDB::TLS -e '
	my $tls = DualDB::TLS->new("$ARGV[0]/tls", "two hosts");
	$tls->issue("server", "auth", hosts => "IP:$ARGV[1]");
	$tls->issue("bridge", "dualdb_bridge");' "$place" $AUTH_ADDRESS
(umask 077 && head -c 32 /dev/urandom >"$place/master.key")
chown -R "$RUN_USER:" "$place"
start_server "$auth_host" auth "dualdb.key_file = '$place/master.key'
listen_addresses = '$AUTH_ADDRESS'
ssl = on
ssl_cert_file = '$place/tls/server.crt'
ssl_key_file = '$place/tls/server.key'
ssl_ca_file = '$place/tls/ca.crt'"
start_server "$app_host" app "listen_addresses = ''"
for name in auth app; do
	as_user createdb -h "$place/$name" "aisales_$name"
	sql "$name" 'CREATE EXTENSION dualdb' >/dev/null
done
sql auth 'SELECT dualdb.setup_auth()' >/dev/null
sql app "SELECT dualdb.setup_app(auth_host => '$AUTH_ADDRESS', auth_port => 5432)" >/dev/null
sql app "ALTER SERVER dualdb_auth OPTIONS (ADD sslrootcert '$place/tls/ca.crt',
	ADD sslcert '$place/tls/bridge.crt', ADD sslkey '$place/tls/bridge.key')" >/dev/null

sql auth "INSERT INTO auth.users (id, email) VALUES ('a', 'a@example.com')"
started=$(date +%s%N)
check 'the sync works' "$(sql app 'SELECT users FROM dualdb.sync()')" '^1$'
took=$((($(date +%s%N) - started) / 1000000))
if [ -n "$latency" ]; then
	# TCP's and TLS's handshakes alone are three round trips
	check 'over a slow line' "$([ $took -ge $((6 * latency)) ] && echo slow || echo "$took ms")" '^slow$'
fi
check 'the user is there' "$(sql app 'SELECT id FROM app.users')" '^a$'
coproc SESSION { as_user psql -XAtq -v VERBOSITY=sqlstate -h "$place/app" -d aisales_app 2>&1; }
ask 'SELECT users FROM dualdb.sync()'
check 'a session that lives syncs' "$answer" '^0$'

for cut in 'the cable is pulled' 'packets are lost'; do
	case $cut in
		the*) in_host "$auth_host" ip link set cable down ;;
		*) in_host "$auth_host" ip route add blackhole "$APP_ADDRESS/32" ;;
	esac
	sql auth "INSERT INTO auth.users (id, email) VALUES ('$cut', '${cut// /.}@example.com')"
	ask 'SELECT users FROM dualdb.sync()'
	check "$cut: the session that lives gets an error in time" "$answer" '^ERROR:  08'
	app_writes "$cut"
	check "$cut: a new session gets one, too" \
		"$(timeout $PATIENCE "$BASH" -c "$(declare -f sql as_user is_root)
			RUN_USER=$RUN_USER PG_BIN=$PG_BIN place=$place; sql app 'SELECT users FROM dualdb.sync()'" || echo late)" \
		'^ERROR:  08'
	check "$cut: nothing has been lost" "$(sql app "SELECT count(*) FROM app.users WHERE id = 'a'")" '^1$'
	app_writes "$cut, still"
	case $cut in
		the*) in_host "$auth_host" ip link set cable up ;;
		*) in_host "$auth_host" ip route del blackhole "$APP_ADDRESS/32" ;;
	esac
	ask 'SELECT users FROM dualdb.sync()'
	check "$cut no more: the same session syncs" "$answer" '^1$'
	check "$cut no more: so does a new one" "$(sql app 'SELECT users FROM dualdb.sync()')" '^0$'
	check "$cut no more: the user is there" "$(sql app "SELECT id FROM app.users WHERE id = '$cut'")" "^$cut\$"
done
check 'every write of the application is there' "$(sql app 'SELECT count(*) FROM app.projects')" '^4$'

finish
