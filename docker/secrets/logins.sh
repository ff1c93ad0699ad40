# shellcheck shell=bash
# Passwords of the backend's logins.  The backend has them; the servers and PgBouncer
# have what verifies them.

# make_login <role> <name of its password>: the one that you supply as a secret of this
# name, else the one there is, else a new one
make_login()
{
	local folder=$PRIVATE/logins
	local password=$folder/$2

	mkdir -p "$folder"
	if [ -e "/run/secrets/$2" ]; then
		tr -d '\n' <"/run/secrets/$2" >"$password.new"
	elif [ ! -s "$password" ]; then
		head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$password.new"
	else
		cp "$password" "$password.new"
	fi
	if ! "$here/scram" "$folder/$1" <"$password.new" >"$folder/$1.new"; then
		rm -f "$password.new" "$folder/$1.new"
		exit 1
	fi
	mv "$folder/$1.new" "$folder/$1"
	mv "$password.new" "$password"
}

give_password()
{
	give "$PRIVATE/logins/$3" "$1" "$2" "$3"
}

# give_verifiers <volume> <uid> <role ...>: for the server's scripts
give_verifiers()
{
	write_logins '%s %s\n' "${@:3}"
	give "$PRIVATE/logins/list" "$1" "$2" logins
}

# give_userlist <volume> <uid> <role ...>: for PgBouncer
give_userlist()
{
	write_logins '"%s" "%s"\n' "${@:3}"
	give "$PRIVATE/logins/list" "$1" "$2" userlist.txt
}

write_logins()
{
	local role

	for role in "${@:2}"; do
		# shellcheck disable=SC2059
		printf "$1" "$role" "$(cat "$PRIVATE/logins/$role")"
	done >"$PRIVATE/logins/list"
}
