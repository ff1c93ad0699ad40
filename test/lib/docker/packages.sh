# shellcheck shell=bash
# What an engine needs of Debian's packages.

# The programs, installed where they are missing.  No service is started: the tests'
# engine is their own.
get_engine()
{
	local missing='' policy=/usr/sbin/policy-rc.d own_policy=

	problem=
	command -v dockerd >/dev/null || missing+=' docker.io'
	command -v docker >/dev/null || [ -z "$(apt-cache show docker-cli 2>/dev/null)" ] || missing+=' docker-cli'
	command -v iptables >/dev/null || missing+=' iptables'
	command -v slirp4netns >/dev/null || missing+=' slirp4netns'
	command -v mmdebstrap >/dev/null || missing+=' mmdebstrap'
	command -v ip >/dev/null || missing+=' iproute2'
	[ -n "$missing" ] || return 0
	if ! command -v apt-get >/dev/null; then
		problem="missing:$missing"
		return 1
	fi
	if [ ! -e "$policy" ]; then
		own_policy=$policy
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	# shellcheck disable=SC2086
	if ! DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing \
		>"$work/install.log" 2>&1; then
		problem=$(tail -n 1 "$work/install.log")
	fi
	[ -z "$own_policy" ] || rm -f "$own_policy"
	[ -z "$problem" ]
}

debian_mirror()
{
	apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | head -n 1
}

# Docker Compose 2: of the system, else out of the package of the Debian that the images
# are made of, whose program runs on older ones.  The system's package lists stay as
# they are.
get_compose()
{
	local place=$DOCKER_CACHE/compose options

	if docker compose version >/dev/null 2>&1; then
		return
	fi
	export DOCKER_CONFIG=$place/config
	if docker compose version >/dev/null 2>&1; then
		return
	fi
	mkdir -p "$place/lists/partial" "$place/config/cli-plugins"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) trixie main" \
		>"$place/list"
	options="-o Dir::Etc::SourceList=$place/list -o Dir::Etc::SourceParts=/dev/null
		-o Dir::State::Lists=$place/lists -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
		-o Acquire::Check-Valid-Until=false -o Acquire::Languages=none"
	# shellcheck disable=SC2086
	(
		cd "$place"
		apt-get $options update -qq && apt-get $options download docker-compose &&
			dpkg -x docker-compose_*.deb . &&
			cp usr/libexec/docker/cli-plugins/docker-compose config/cli-plugins/
	) >"$work/compose.log" 2>&1 || true
	docker compose version >/dev/null 2>&1
}
