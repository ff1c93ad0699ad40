#!/bin/bash
# Where secrets come from: every set-up has its own, those that are there stay, those
# that you supply are taken, certificates are renewed.
#
# Prints TAP.
set -eu
cd "$(dirname "$0")/../.."
FILES=(-f docker/compose.yaml)
. test/lib/docker/project.sh

make_secrets()
{
	compose up --no-log-prefix --exit-code-from secrets secrets >"$place/log" 2>&1 && echo ok || cat "$place/log"
}

# in_private <command ...>: in the volume that no other service has
in_private()
{
	docker run --rm -i --network none --user root -v "${PROJECT}_private:/p" -w /p --entrypoint sh dualdb/postgres -c "$1"
}

sums()
{
	in_private 'find . -type f | sort | xargs sha256sum'
}

# changed <before> <after>: the files whose contents are not the same
changed()
{
	diff <(echo "$1") <(echo "$2") | sed -n 's/^> .* \.\///p' | paste -sd ' '
}

log_in()
{
	compose exec -T -e PGPASSWORD="$1" postgres psql -XAtq \
		"host=127.0.0.1 user=backend_app dbname=aisales_app sslmode=require" -c 'SELECT current_user' 2>&1 </dev/null || true
}

check 'the images are built' "$(compose build secrets >"$place/log" 2>&1 && echo ok || tail -n 20 "$place/log")" '^ok$'
check 'secrets are made' "$(make_secrets)" '^ok$'
first=$(sums)
check 'passwords, what verifies them, an authority, a certificate' "$(awk '{ print $2 }' <<<"$first" | paste -sd ' ')" \
	'./logins/app_password ./logins/auth_password ./logins/backend_app ./logins/backend_auth .*./postgres/ca.crt ./postgres/ca.key .*./postgres/server.crt .*./postgres/server.key'
check 'they are made once' "$(make_secrets) $(changed "$first" "$(sums)")" '^ok $'

one=$PROJECT
PROJECT=$one-b
check 'another set-up makes its own' "$(make_secrets)" '^ok$'
check 'of which none is the same' "$(comm -12 <(awk '{ print $1 }' <<<"$first" | sort) <(sums | awk '{ print $1 }' | sort))" '^$'
compose down -v >/dev/null 2>&1
PROJECT=$one

in_private "openssl x509 -req -in postgres/server.csr -CA postgres/ca.crt -CAkey postgres/ca.key -days 50 -out postgres/server.crt 2>/dev/null"
first=$(sums)
check 'a certificate that ends soon is renewed' "$(make_secrets) $(changed "$first" "$(sums)")" \
	'^ok postgres/server.crt postgres/server.csr postgres/server.key$'
check 'for longer, and for its names' \
	"$(in_private 'openssl x509 -in postgres/server.crt -noout -checkend 31536000
		openssl x509 -in postgres/server.crt -noout -checkhost postgres')" 'will not expire.*does match'

check 'the server comes up' "$(up postgres)" '^ok$'
first=$(sums)
cat >"$place/override.yaml" <<-YAML
	services:
	  secrets:
	    secrets: [app_password]
	secrets:
	  app_password:
	    file: $place/app_password
YAML
FILES+=(-f "$place/override.yaml")
echo 'short' >"$place/app_password"
check 'a short password is refused' "$(make_secrets)" 'a password must be 8 or more printable ASCII characters'
check 'and nothing is changed by it' "$(changed "$first" "$(sums)")" '^$'
echo 'supplied-by-me' >"$place/app_password"
chmod 600 "$place/app_password"
check 'one that is supplied is taken' "$(make_secrets) $(changed "$first" "$(sums)")" \
	'^ok logins/app_password logins/backend_app logins/list$'
check 'the server does not know it yet' "$(log_in supplied-by-me)" 'password authentication failed'
in_service postgres dualdb-setup >/dev/null
check 'after dualdb-setup it does' "$(log_in supplied-by-me)" '^backend_app$'
finish
