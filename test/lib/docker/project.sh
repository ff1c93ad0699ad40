# shellcheck shell=bash
# A Compose project of a test, and how it is asked.  Source it from the top of the
# tree; FILES has the options -f of the project.

. test/lib/tap.sh

[ -z "${DOCKER_SKIP-this is for test/docker/run to start}" ] || skip "${DOCKER_SKIP-this is for test/docker/run to start}"
[ -e docker/backend/app/main.py ] || skip "there is no backend"

# generous: what is waited for comes after seconds
PATIENCE=300
place=$(mktemp -d /var/tmp/dualdb-project.XXXXXX)
PROJECT=${place##*/}
PROJECT=${PROJECT,,}
PROJECT=${PROJECT//./-}
# one that the engine chooses
export DUALDB_PORT=0
# not that of a project that runs here
export DUALDB_BRIDGE_PREFIX=172.31.249

clean_up()
{
	if [ $? != 0 ]; then
		compose ps -a 2>&1 | diagnose
		compose logs --no-color --tail 15 2>&1 | diagnose
	fi
	compose down -v --remove-orphans -t 2 >/dev/null 2>&1 || true
	rm -rf "$place"
}
trap clean_up EXIT

compose()
{
	docker compose -p "$PROJECT" --project-directory docker "${FILES[@]}" "$@"
}

# up [option or service ...]: built, started and healthy; "ok", or what went wrong
up()
{
	if compose up -d --build --wait --wait-timeout $PATIENCE "$@" >"$place/up.log" 2>&1; then
		echo ok
	else
		tail -n 20 "$place/up.log"
	fi
}

# Everything else needs it.
must_come_up()
{
	check "$1" "$(up)" '^ok$'
	[ $failed = 0 ] || finish
}

in_service()
{
	compose exec -T "$@" 2>&1 </dev/null || true
}

# sql <service> <database> <statement>: as the administrator
sql()
{
	in_service "$1" psql -XAtq -U postgres -d "$2" -c "$3"
}

# Problems that verify_setup() sees; "none" where it has really looked.
problems()
{
	sql "$1" "$2" "SELECT coalesce(string_agg(concat_ws(' ', v.item, v.detail), '; ')
			FILTER (WHERE v.status = 'error'), CASE WHEN count(*) > 20 THEN 'none' ELSE 'did not look' END)
		FROM dualdb.verify_setup() v"
}

# How many volumes have no name: nobody would find these again, or delete them.
unnamed_volumes()
{
	# shellcheck disable=SC2046
	docker inspect -f '{{range .Mounts}}{{println .Name}}{{end}}' $(compose ps -aq) | grep -cE '^[0-9a-f]{64}$' || true
}

# reaches <service> <host> <port>: yes or no
reaches()
{
	in_service "$1" timeout 5 bash -c "exec 3<>/dev/tcp/$2/$3 && echo yes" | grep -x yes || echo no
}

# eventually <command ...>: until it prints what is wanted, which comes first
eventually()
{
	local wanted=$1 deadline=$((SECONDS + PATIENCE)) got

	shift
	until got=$("$@"); [ "$got" = "$wanted" ]; do
		[ $SECONDS -lt $deadline ] || break
		sleep 0.2
	done
	echo "$got"
}

# http <method> <path> [JSON] [token]: the status, and the body in $place/body
http()
{
	perl -MHTTP::Tiny -e '
		my ($method, $url, $json, $token, $body) = @ARGV;
		my %headers = ("content-type" => "application/json");
		$headers{authorization} = "Bearer $token" if $token;
		my $r = HTTP::Tiny->new(timeout => 60)->request($method, $url,
			{ headers => \%headers, $json ? (content => $json) : () });
		open my $file, ">", $body or die;
		print $file $r->{content};
		print "$r->{status}\n";' \
		"$1" "http://$(compose port backend 8000)$2" "${3:-}" "${4:-}" "$place/body"
}

# field <name>: of the last answer, or of the first object in it
field()
{
	perl -MJSON::PP -e '
		my ($name, $file) = @ARGV;
		open my $body, "<", $file or die;
		my $value = decode_json(join "", <$body>);
		$value = $value->[0] if ref $value eq "ARRAY";
		print $value->{$name} // "";' "$1" "$place/body"
}

# A user through the backend, and the user's first project.
user_works()
{
	local credentials="{\"email\": \"$1@example.com\", \"password\": \"correct horse battery staple\"}"

	check "$1 registers" "$(http POST /auth/register "$credentials")" '^201$'
	check "$1 logs in" "$(http POST /auth/login "$credentials")" '^200$'
	check "$1 refreshes" "$(http POST /auth/refresh "{\"refresh_token\": \"$(field refresh_token)\"}")" '^200$'
	token=$(field access_token)
	check "$1 is known to the app database" "$(http GET /me '' "$token")" '^200$'
	check "$1 makes a project" "$(http POST /projects "{\"name\": \"of $1\"}" "$token")" '^201$'
	sees_project "$1"
	check 'nobody else sees it' "$(http GET /projects '' "${token%?????}aaaaa")" '^401$'
}

# with the token of the last login
sees_project()
{
	check "$1 sees it" "$(http GET /projects '' "$token") $(field name)" "^200 of $1\$"
}

logs_in()
{
	check "$1 logs in again$2" "$(http POST /auth/login "{\"email\": \"$1@example.com\", \"password\": \"correct horse battery staple\"}")" '^200$'
	token=$(field access_token)
	sees_project "$1"
}
