#!/bin/bash
# What can be seen of the container set-up without an engine: scripts that parse, compose
# files that Compose understands, ids and names that agree.
#
# Prints TAP.
set -eu
cd "$(dirname "$0")/../.."
. test/lib/tap.sh

scripts=$(grep -rlE '^#!/bin/bash|^# shellcheck shell=bash' docker/postgres docker/pgbouncer docker/secrets test/docker test/lib/docker)
check 'every script parses' "$(for file in $scripts; do bash -n "$file" 2>&1; done)" '^$'
if command -v shellcheck >/dev/null; then
	check 'shellcheck finds no error' "$(for file in $scripts; do shellcheck -S error "$file" 2>&1; done)" '^$'
fi
check 'the SCRAM script compiles' "$(perl -c docker/secrets/scram 2>&1)" 'syntax OK$'
check 'every script that is run can be' \
	"$(find docker -name '*.sh' -path '*initdb.d*' -not -perm -u+x; for file in docker/postgres/{entrypoint.sh,dualdb-*} docker/pgbouncer/entrypoint.sh docker/secrets/{make,scram}; do
		[ -x "$file" ] || echo "$file"; done)" '^$'

# id_in <image>: the user's
id_in()
{
	sed -n 's/.*useradd --uid \([0-9]*\).*/\1/p' "docker/$1/Dockerfile"
}

check 'secrets are given to the users of the images' "$(grep '^POSTGRES=' docker/secrets/make)" \
	"^POSTGRES=$(id_in postgres) PGBOUNCER=$(id_in pgbouncer) BACKEND=$(id_in backend)\$"
check 'no image is made with a secret, and none is downloaded by a script' \
	"$(grep -nE '^(ARG|ENV).*(PASSWORD|SECRET|KEY)|curl|wget|pip' docker/*/Dockerfile)" '^$'
check 'no compose file has a password' "$(grep -nEi 'password *[:=]' docker/compose*.yaml | grep -v '_PASSWORD_FILE: /run/')" '^$'
# CVE-2026-107349
check 'no PgBouncer can be made to hang by startup parameters' \
	"$(grep -L '^ignore_startup_parameters = .*, options' docker/pgbouncer/common.ini contrib/pgbouncer/common.ini)" '^$'
check 'nobody has what nobody needs' "$(grep -nE 'privileged|docker\.sock|network_mode: host|pid: host' docker/compose*.yaml)" '^$'

# unconfined <compose file ...>: the services that do not have the three lines that confine them
unconfined()
{
	local files=("$@")

	docker compose "${files[@]/#/--file=docker/}" config --format json |
		perl -MJSON::PP -e '
			my $services = decode_json(join "", <STDIN>)->{services};
			foreach my $name (sort keys %$services)
			{
				my $s = $services->{$name};
				print "$name\n" unless $s->{read_only} && "@{$s->{cap_drop}}" eq "ALL"
				  && "@{$s->{security_opt}}" eq "no-new-privileges:true";
			}'
}

if ! docker compose version >/dev/null 2>&1; then
	echo "# without Docker Compose 2 its files are not looked at"
else
	for files in compose.yaml compose.servers.yaml 'compose.servers.yaml compose.replicas.yaml'; do
		# shellcheck disable=SC2086
		check "Compose understands $files, and every service is confined" "$(unconfined $files 2>&1)" '^$'
	done
fi
finish
