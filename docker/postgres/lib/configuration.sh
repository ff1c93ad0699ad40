# shellcheck shell=bash
# What a new cluster gets: settings, who may come in, and a certificate.

write_configuration()
{
	choose_certificate
	settings >>"$PGDATA/postgresql.conf"
	hba >"$PGDATA/pg_hba.conf"
	# the server's own user is the bridge, on the socket, and the administrator
	cat >"$PGDATA/pg_ident.conf" <<-IDENT
		dualdb         postgres  dualdb_bridge
		administrator  postgres  $POSTGRES_USER
	IDENT
}

# The one that the secrets have, else one that signs itself.
choose_certificate()
{
	CERTIFICATE=$SECRETS/server.crt
	CERTIFICATE_KEY=$SECRETS/server.key
	AUTHORITY=$SECRETS/ca.crt
	if [ ! -e "$CERTIFICATE" ]; then
		CERTIFICATE=server.crt
		CERTIFICATE_KEY=server.key
		AUTHORITY=
		openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
			-subj "/CN=$(hostname)" -keyout "$PGDATA/server.key" -out "$PGDATA/server.crt" 2>/dev/null
	fi
}

settings()
{
	cat <<-CONF

		# dualdb
		listen_addresses = '*'
		unix_socket_directories = '/run/postgresql'
		shared_preload_libraries = 'dualdb'
		ssl = on
		ssl_cert_file = '$CERTIFICATE'
		ssl_key_file = '$CERTIFICATE_KEY'
		ssl_ca_file = '$AUTHORITY'
		# a standby's first copy takes two of each
		max_wal_senders = 20
		max_replication_slots = 20
		# a standby that is gone must not fill the disk
		max_slot_wal_keep_size = '4GB'
		hot_standby_feedback = on
	CONF
	if has_auth; then
		echo "dualdb.key_file = '$KEY_FILE'"
	fi
	if has_app; then
		echo "dualdb.app_database = 'aisales_app'"
	fi
	printf '%s\n' '# your own settings, which come last' "include_dir = '/etc/postgresql/conf.d'"
}

hba()
{
	case $DUALDB_SIDES in
		both)
			echo 'local    aisales_auth     dualdb_bridge  peer map=dualdb'
			;;
		auth)
			cat <<-HBA
				hostssl  aisales_auth     dualdb_bridge  $DUALDB_BRIDGE_NETWORK  cert
				host     all,replication  all            $DUALDB_BRIDGE_NETWORK  reject
			HBA
			;;
		app)
			echo "host     all,replication  all            $DUALDB_BRIDGE_NETWORK  reject"
			;;
	esac
	cat <<-HBA
		local    all,replication  dualdb_bridge  reject
		host     all,replication  dualdb_bridge  all  reject
		local    all              $POSTGRES_USER  peer map=administrator
		local    replication      $POSTGRES_USER  peer map=administrator
	HBA
	if [ "$DUALDB_SIDES" != both ]; then
		cat <<-HBA
			hostssl  replication      dualdb_replicator  samenet  cert
			local    all              dualdb_replicator  reject
			host     all              dualdb_replicator  all  reject
		HBA
	fi
	if has_auth; then
		echo 'hostssl  aisales_auth     +dualdb_auth_service,+dualdb_auth_orm  all  scram-sha-256'
	fi
	if has_app; then
		echo 'hostssl  aisales_app      +dualdb_app_service,+dualdb_app_user,+dualdb_app_readonly  all  scram-sha-256'
	fi
	if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
		echo "hostssl  all              $POSTGRES_USER  all  scram-sha-256"
	fi
}
