# shellcheck shell=bash disable=SC2154
# The bridge: joins with the directory, live look-ups, and how long a change takes to arrive

USERS=${USERS:-200000}

superuser_sql()
{
	as_user psql -X -A -t -q -v ON_ERROR_STOP=1 -h "$SERVER_DIR/socket" -p "$PORT" -d "$1" -c "$2"
}

# us <role> <database> <statement>: microseconds of a prepared statement, as a client sees them
us()
{
	echo "$3" | as_user tee "$SERVER_DIR/statement.sql" >/dev/null
	as_user pgbench -n -M prepared -T "${SECONDS_EACH:-3}" -U "$1" \
		-h "$SERVER_DIR/socket" -p "$PORT" -f "$SERVER_DIR/statement.sql" "$2" |
		awk '/^tps/ { printf "%.1f", 1000000 / $3 }'
}

row()
{
	awk -v what="$1" -v a="$2" -v b="$3" -v target="$4" \
		'BEGIN { printf "%-66s %9.1f us %9.1f us   ratio %.2f   (target %s)\n", what, a, b, a / b, target }'
}

superuser_sql aisales_auth "INSERT INTO auth.users (id, email, display_name)
	SELECT 'user' || n, 'user' || n || '@example.com', 'User ' || n FROM generate_series(1, $USERS) n"
superuser_sql aisales_auth 'VACUUM ANALYZE auth.users'
superuser_sql aisales_app 'SELECT dualdb.sync()' >/dev/null
superuser_sql aisales_app "
	CREATE TABLE public.plain_users (id text PRIMARY KEY, email text, display_name text, is_active boolean NOT NULL);
	INSERT INTO public.plain_users SELECT u.id, u.email, u.display_name, u.is_active FROM app.users u;
	INSERT INTO app.projects (id, user_id, name) VALUES ('bench', 'user1', 'Bench');
	INSERT INTO app.orders (project_id, id, user_id)
		SELECT 'bench', n::text, 'user' || 1 + n * 7919 % $USERS FROM generate_series(1, 10000) n;
	CREATE VIEW public.fdw_users AS SELECT u.id, u.email, u.display_name, u.is_active FROM bridge.user_lookup u;
	ALTER VIEW public.fdw_users OWNER TO dualdb_bridge_owner;
	CREATE FUNCTION public.time_lookups(calls integer) RETURNS double precision LANGUAGE plpgsql AS \$\$
	DECLARE
		v_ids text[] := ARRAY(SELECT 'user' || 17 * n FROM generate_series(1, 20) n);
		v_start timestamptz;
	BEGIN
		PERFORM app.lookup_users(v_ids);
		v_start := clock_timestamp();
		FOR v_n IN 1 .. calls LOOP PERFORM u.id FROM app.lookup_users(v_ids) u; END LOOP;
		RETURN extract(epoch FROM clock_timestamp() - v_start) * 1e6 / calls;
	END \$\$"
superuser_sql aisales_app 'VACUUM ANALYZE'

page="FROM (SELECT o.id, o.user_id FROM app.orders o WHERE o.project_id = 'bench' ORDER BY o.id LIMIT 20) o
	JOIN %s u ON u.id = o.user_id;"
join="SELECT o.id, u.display_name $page"
# shellcheck disable=SC2059
row 'a page of 20 rows joined with app.users, and with a plain table' \
	"$(us "$RUN_USER" aisales_app "$(printf "$join" app.users | tr '\n' ' ')")" \
	"$(us "$RUN_USER" aisales_app "$(printf "$join" public.plain_users | tr '\n' ' ')")" '<= 1.05'

ids=$(superuser_sql aisales_app "SELECT ARRAY(SELECT 'user' || 17 * n FROM generate_series(1, 20) n)")
bare=$(us dualdb_bridge aisales_auth "SELECT id, email, display_name, is_active FROM bridge.user_lookup WHERE id = ANY ('$ids');")
row 'live look-up of 20 users, and a bare round trip of its query' \
	"$(superuser_sql aisales_app 'SELECT public.time_lookups(20000)')" "$bare" '<= 1.2'
row 'the same through postgres_fdw, and by app.lookup_users(), with the client' \
	"$(us "$RUN_USER" aisales_app "SELECT id, email, display_name, is_active FROM public.fdw_users WHERE id = ANY ('$ids');")" \
	"$(us "$RUN_USER" aisales_app "SELECT id, email, display_name, is_active FROM app.lookup_users('$ids');")" '>= 2'

# Every arrival is stamped where it is written; what travels is when it was sent.
superuser_sql aisales_app "
	CREATE TABLE public.arrivals (sent timestamptz, arrived timestamptz);
	CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \$\$
	BEGIN
		INSERT INTO public.arrivals VALUES (NEW.display_name::timestamptz, clock_timestamp());
		RETURN NULL;
	END \$\$;
	CREATE TRIGGER stamp AFTER UPDATE ON app.users FOR EACH ROW EXECUTE FUNCTION public.stamp()"
printf '%s\n' "\\set n random(1, $USERS)" \
	"UPDATE auth.users SET display_name = clock_timestamp()::text WHERE id = 'user' || :n;" |
	as_user tee "$SERVER_DIR/statement.sql" >/dev/null
as_user pgbench -n -R 50 -T "${SYNC_SECONDS:-20}" -U "$RUN_USER" -h "$SERVER_DIR/socket" -p "$PORT" \
	-f "$SERVER_DIR/statement.sql" aisales_auth >/dev/null
superuser_sql aisales_app 'SELECT dualdb.sync()' >/dev/null
superuser_sql aisales_app "
	SELECT format('sync delay of %s changes, in sync_intervals: median %s, p99 %s (target <= 2)', count(*),
		round((percentile_cont(0.5) WITHIN GROUP (ORDER BY d))::numeric, 2),
		round((percentile_cont(0.99) WITHIN GROUP (ORDER BY d))::numeric, 2))
	FROM (SELECT extract(epoch FROM a.arrived - a.sent) * 1000
		/ (SELECT s.setting::integer FROM pg_settings s WHERE s.name = 'dualdb.sync_interval') AS d
		FROM public.arrivals a) x"
