# shellcheck shell=bash
# The first start.  Everything is made in a folder inside of the data directory; when
# it is complete its contents are moved up, PG_VERSION last.  So what has PG_VERSION is
# complete, and what an interrupted first start has left is made anew.

STAGE_NAME=.first-start

is_set_up()
{
	[ -s "$PGDATA/PG_VERSION" ]
}

clear_stage()
{
	local found

	mkdir -p "$PGDATA"
	chmod 700 "$PGDATA"
	if [ -d "$PGDATA/$STAGE_NAME" ]; then
		say "an earlier first start was interrupted; starting anew"
		find "$PGDATA" -mindepth 1 -not -name lost+found -delete
	fi
	found=$(find "$PGDATA" -mindepth 1 -maxdepth 1 -not -name lost+found -print -quit)
	[ -z "$found" ] || die "$PGDATA is neither empty nor a data directory"
	FINAL_PGDATA=$PGDATA
	PGDATA=$PGDATA/$STAGE_NAME
	mkdir "$PGDATA"
}

make_cluster()
{
	local password=()

	[ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=(--pwfile "$POSTGRES_PASSWORD_FILE")
	# shellcheck disable=SC2086
	initdb -U "$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth=reject \
		"${password[@]}" ${POSTGRES_INITDB_ARGS:-} >/dev/null
	write_configuration
}

# Nobody but this container's scripts reaches the server while it is set up.
start_for_setup()
{
	pg_ctl -w -t 300 -o "-c listen_addresses='' -c dualdb.app_database=''" start >/dev/null
	psql_admin postgres <<-SQL
		SELECT 'CREATE DATABASE "$POSTGRES_DB"'
		WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '$POSTGRES_DB') \gexec
	SQL
}

stop_after_setup()
{
	pg_ctl -w -t 300 -m fast stop >/dev/null
}

stop_quietly()
{
	pg_ctl -w -m immediate stop >/dev/null 2>&1 || true
}

psql_admin()
{
	psql -XAtq -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$@"
}

run_scripts()
{
	local file

	for file in "$1"/*; do
		case $file in
			*.sh)
				say "running $file"
				if [ -x "$file" ]; then
					"$file"
				else
					# not every such script is written for set -u
					(set +u && . "$file")
				fi
				;;
			*.sql)
				say "running $file"
				psql_admin "$POSTGRES_DB" -f "$file"
				;;
			*.sql.gz)
				say "running $file"
				gunzip -c "$file" | psql_admin "$POSTGRES_DB"
				;;
		esac
	done
}

leave_stage()
{
	local stage=$PGDATA

	PGDATA=$FINAL_PGDATA
	find "$stage" -mindepth 1 -maxdepth 1 -not -name PG_VERSION -exec mv -t "$PGDATA" {} +
	sync -f "$PGDATA"
	mv "$stage/PG_VERSION" "$PGDATA"
	rmdir "$stage"
	say "the first start is complete"
}
