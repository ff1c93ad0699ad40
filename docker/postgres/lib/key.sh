# shellcheck shell=bash
# The master key: in a volume of its own, so that neither the data directory nor a
# backup of it has it.  A new one is made for new data only, because what an old one has
# sealed no other opens.

make_key()
{
	has_auth || return 0
	if [ ! -s "$KEY_FILE" ]; then
		head -c 32 /dev/urandom >"$KEY_FILE.new"
		chmod 600 "$KEY_FILE.new"
		sync "$KEY_FILE.new"
		mv "$KEY_FILE.new" "$KEY_FILE"
		say "made the master key; keep a copy of it apart from backups of the data"
	fi
}

demand_key()
{
	has_auth || return 0
	[ -s "$KEY_FILE" ] ||
		die "the master key $KEY_FILE is gone; bring it back from your copy with dualdb-key"
}
