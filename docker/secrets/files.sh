# shellcheck shell=bash
# Files of the secrets: a file is there as a whole or not at all.

PRIVATE=/secrets/private

# give <file> <volume> <uid> <name>: a copy that only that user can read
give()
{
	local target=/secrets/$2/$4

	chown "$3:$3" "/secrets/$2"
	chmod 700 "/secrets/$2"
	if ! cmp -s "$1" "$target"; then
		cp "$1" "$target.new"
		chown "$3:$3" "$target.new"
		chmod 400 "$target.new"
		mv "$target.new" "$target"
	fi
}
