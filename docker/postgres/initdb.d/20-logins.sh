#!/bin/bash
# The backend's logins.  What verifies their passwords comes from the secrets; the
# passwords themselves are the backend's alone.
set -euo pipefail
. /usr/local/lib/dualdb/environment.sh
. /usr/local/lib/dualdb/first_start.sh

read_environment
if [ ! -r "$SECRETS/logins" ]; then
	say "there are no $SECRETS/logins, so the backend cannot log in"
	exit
fi

# make_login <role> <groups>: what verifies its password goes by standard input, not
# by an argument
make_login()
{
	local verifier

	verifier=$(sed -n "s/^$1 //p" "$SECRETS/logins")
	[ -n "$verifier" ] || die "$SECRETS/logins has no line for $1"
	psql_admin postgres <<-SQL
		SET client_min_messages = warning;
		SELECT 'CREATE ROLE $1 LOGIN' WHERE to_regrole('$1') IS NULL \gexec
		ALTER ROLE $1 PASSWORD '$verifier';
		GRANT $2 TO $1;
	SQL
}

if has_auth; then
	make_login backend_auth dualdb_auth_service
	psql_admin postgres <<-SQL
		SELECT CASE '$DUALDB_ORM' WHEN 'on' THEN 'GRANT dualdb_auth_orm TO backend_auth'
			ELSE 'REVOKE dualdb_auth_orm FROM backend_auth' END
		WHERE pg_has_role('backend_auth', 'dualdb_auth_orm', 'MEMBER') <> ('$DUALDB_ORM' = 'on') \gexec
	SQL
fi
if has_app; then
	make_login backend_app dualdb_app_user
fi
