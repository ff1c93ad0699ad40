# shellcheck shell=bash
# TAP for tests in shell.

number=0
failed=0

skip()
{
	echo "1..0 # SKIP $1"
	exit 0
}

# what prove shows, too
diagnose()
{
	sed 's/^/# /' >&2
}

# check <name> <got> <extended regular expression>
check()
{
	number=$((number + 1))
	if [[ $2 =~ $3 ]]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf '%s\n' "got: $2" "expected: $3" | diagnose
		failed=1
	fi
}

# finish: the plan, and the exit status
finish()
{
	echo "1..$number"
	exit $failed
}
