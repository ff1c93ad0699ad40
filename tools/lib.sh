# shellcheck shell=bash disable=SC2012
# Shell functions that demo/up and test/run share.  Source it from the top of
# the tree.

export LC_ALL=C.UTF-8

die()
{
	printf '%s: %s\n' "${0#./}" "$*" >&2
	exit 1
}

say()
{
	if [ -t 1 ]; then
		printf '\n\033[1m%s\033[0m\n' "$*"
	else
		printf '\n%s\n' "$*"
	fi
}

is_root()
{
	[ "$(id -u)" = 0 ]
}

# The pg_config to build against: the caller's, else that of the newest server
# of Debian's layout, else the one in the path.
find_pg_config()
{
	if [ -n "${PG_CONFIG:-}" ]; then
		[ -x "$(command -v "$PG_CONFIG")" ] || die "PG_CONFIG=$PG_CONFIG is not there"
		return
	fi
	for candidate in $(ls -rvd /usr/lib/postgresql/*/bin/pg_config 2>/dev/null) \
		"$(command -v pg_config || true)"; do
		if [ -n "$candidate" ] && [ -f "$("$candidate" --pgxs)" ]; then
			PG_CONFIG=$candidate
			export PG_CONFIG
			return
		fi
	done
}

# Major version of the server to ask Debian for: an installed one, else the
# release's own.
debian_major()
{
	installed=$(ls -rvd /usr/lib/postgresql/*/bin/postgres 2>/dev/null | head -1 | cut -d/ -f5)
	if [ -n "$installed" ]; then
		echo "$installed"
	else
		apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -1
	fi
}

has_perl()
{
	perl -e "use $1; 1" >/dev/null 2>&1
}

# Debian packages that are not there yet; "test" adds those of the tests.
missing_packages()
{
	command -v cc >/dev/null || echo gcc libc6-dev
	command -v pkg-config >/dev/null || echo pkg-config
	pkg-config --exists libsodium 2>/dev/null || echo libsodium-dev
	pkg-config --exists libcrypt 2>/dev/null || echo libcrypt-dev
	pkg-config --exists libcrypto 2>/dev/null || echo libssl-dev
	find_pg_config
	if [ -z "${PG_CONFIG:-}" ]; then
		echo "postgresql-$(debian_major)" "postgresql-server-dev-$(debian_major)"
	elif [ ! -x "$("$PG_CONFIG" --bindir)/initdb" ]; then
		echo "postgresql-$(debian_major)"
	fi
	if [ "${1:-}" = test ]; then
		command -v prove >/dev/null || echo perl
		command -v openssl >/dev/null || echo openssl
		command -v ps >/dev/null || echo procps
		has_perl IPC::Run || echo libipc-run-perl
		has_perl Crypt::PK::Ed25519 || echo libcryptx-perl
		gcc -print-file-name=libasan.so 2>/dev/null | grep -q / || echo gcc
	fi
}

# Debian packages of programs that tests are about and that are not there.
wanted_packages()
{
	for module in fastapi sqlalchemy asyncpg psycopg uvicorn httpx pytest; do
		has_python "$module" || echo "python3-$module"
	done
	has_python alembic || echo alembic
	node -e 'require("pg")' 2>/dev/null || echo node-pg
	[ -r /usr/share/java/postgresql.jar ] || echo libpostgresql-jdbc-java
	java --list-modules 2>/dev/null | grep -q jdk.compiler || echo default-jdk-headless
	[ -x /usr/sbin/pgbouncer ] || echo pgbouncer
	for program in pgbackrest faketime age gpg gpg-agent patroni; do
		command -v "$program" >/dev/null || echo "$program"
	done
	command -v ip >/dev/null || echo iproute2
	command -v etcd >/dev/null || echo etcd-server
	has_python etcd || echo python3-etcd
}

# Of Debian's own Python, whatever else is in the path.
has_python()
{
	/usr/bin/python3 -c "import $1" 2>/dev/null
}

install_packages()
{
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# Install of these what can be had; a test without its program skips and says so.
want_packages()
{
	wanted=$(wanted_packages | tr '\n' ' ')
	if [ -n "$wanted" ] && is_root && command -v apt-get >/dev/null; then
		apt-get update -qq || true
		for package in $wanted; do
			[ -n "$(apt-cache show "$package" 2>/dev/null)" ] || wanted=${wanted/$package /}
		done
		say "Installing $wanted"
		# shellcheck disable=SC2086
		install_packages $wanted ||
			for package in $wanted; do
				install_packages "$package" || true
			done
	fi
	wanted=$(wanted_packages | tr '\n' ' ')
	if [ -n "$wanted" ]; then
		say "Some tests will be skipped; for all of them install: $wanted"
	fi
}

# Install what is missing, or say what to install.
need_packages()
{
	if is_root && command -v apt-get >/dev/null &&
		[ -z "$(apt-cache show libsodium-dev 2>/dev/null)" ]; then
		apt-get update -qq
	fi
	missing=$(missing_packages "$@" | tr '\n' ' ')
	if [ -n "$missing" ]; then
		if ! is_root || ! command -v apt-get >/dev/null; then
			die "missing packages; install them with: sudo apt-get install $missing"
		fi
		say "Installing $missing"
		# shellcheck disable=SC2086
		install_packages $missing || { apt-get update -qq && install_packages $missing; } ||
			die "could not install $missing"
	fi
	find_pg_config
	[ -n "${PG_CONFIG:-}" ] || die "no pg_config with PostgreSQL's build files found; set PG_CONFIG"
	PG_BIN=$("$PG_CONFIG" --bindir)
}

# Is what is installed what has been built?  The code is compared, not where it was
# built, which its debugging information tells.
installed_is_built()
{
	for file in sql/dualdb--*.sql dualdb.control; do
		cmp -s "$file" "$("$PG_CONFIG" --sharedir)/extension/${file##*/}" || return 1
	done
	[ "$(code_of dualdb.so)" = "$(code_of "$("$PG_CONFIG" --pkglibdir)/dualdb.so")" ]
}

code_of()
{
	objcopy --strip-all --remove-section=.note.gnu.build-id "$1" /dev/stdout 2>/dev/null | sha256sum
}

# Build with warnings as errors and install into the server.
build_and_install()
{
	say "Building for $("$PG_CONFIG" --version)"
	make -s with_llvm=no WERROR=-Werror PG_CONFIG="$PG_CONFIG" all
	if [ -w "$("$PG_CONFIG" --pkglibdir)" ]; then
		make -s with_llvm=no PG_CONFIG="$PG_CONFIG" install >/dev/null
	elif ! installed_is_built; then
		die "cannot install into $("$PG_CONFIG" --pkglibdir); run: sudo make install PG_CONFIG=$PG_CONFIG with_llvm=no"
	fi
}

# The user that servers run as: oneself, or for root an unprivileged one.
pick_user()
{
	if ! is_root; then
		RUN_USER=$(id -un)
		return
	fi
	RUN_USER=postgres
	if ! id postgres >/dev/null 2>&1; then
		RUN_USER=dualdb
		id dualdb >/dev/null 2>&1 || useradd --system --user-group --no-create-home dualdb
	fi
}

# Run a command as that user, with the server's programs in the path, from a
# folder that the user can enter: the tree may be in root's home.
as_user()
{
	if is_root; then
		# shellcheck disable=SC2016
		setpriv --reuid="$RUN_USER" --regid="$RUN_USER" --init-groups --reset-env \
			env LC_ALL=C.UTF-8 PATH="$PG_BIN:/usr/local/bin:/usr/bin:/bin" \
			sh -c 'cd "$0" 2>/dev/null || cd /; exec "$@"' "$PWD" "$@"
	else
		env PATH="$PG_BIN:$PATH" "$@"
	fi
}
