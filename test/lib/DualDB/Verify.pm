# What the tests of verify_setup() share: a cluster of which it says nothing, and a
# table of what is broken, found and mended by the hint.

package DualDB::Verify;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(verified_cluster write_hba make_certificate findings hints_of breaks_ok);

# PUBLIC may connect to these as initdb makes them.
our $EVERYWHERE = 'warning|bridge_connect|postgres warning|bridge_connect|template1';

sub write_hba
{
	my ($node, @lines) = @_;
	my $superuser = getpwuid($<);

	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf', join("\n", @lines,
			'local aisales_auth dualdb_bridge peer map=dualdb',
			'local all,replication dualdb_bridge reject',
			'host all,replication dualdb_bridge all reject',
			"local all $superuser peer"));
	return;
}

# Both databases, as the documentation says that they are set up.
sub verified_cluster
{
	my ($name, %options) = @_;
	my $node = auth_app_cluster($name, %options, conf => "fsync = on\n" . ($options{conf} // ''));

	write_hba($node);
	$node->reload;
	return $node;
}

# A certificate for the server, where it looks for one.
sub make_certificate
{
	my ($node) = @_;
	my $base = $node->data_dir . '/server';

	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost',
		'-keyout', "$base.key", '-out', "$base.crt");
	chmod 0600, "$base.key" or die $!;
	return;
}

# All that is not ok: status|item, in order, joined by blanks; and the hints of one item.
#
# Whether the sync is recent depends on the clock and on a worker; it has a test of its own.
sub look
{
	my ($node, $database, $item) = @_;
	my ($lines, $hints) = split /\n/, $node->safe_psql($database, qq{
		SELECT concat_ws(E'\\n', coalesce(string_agg(DISTINCT concat_ws('|', v.status, v.item,
				CASE v.item WHEN 'bridge_connect' THEN split_part(v.hint, ' ', 5) END), ' ')
				FILTER (WHERE v.item NOT IN ('sync', 'sync_worker', 'max_feed_age')), ''),
			string_agg(DISTINCT v.hint, E'\\n') FILTER (WHERE v.item = '$item'))
		FROM dualdb.verify_setup() v
		WHERE v.status <> 'ok'}), 2;

	return (join(' ', sort split / /, $lines // ''), $hints // '');
}

sub findings { return (look(@_, ''))[0] }

sub hints_of { return (look(@_))[1] }

# breaks_ok(node, database, [finding, SQL, options], ...): each SQL by itself
# makes the finding, and its hint takes it away.
#
# also: other findings that it makes; instead: it hides those of before.  mend: what to run where the hint is no SQL.
# like: what the hint looks like.  after: what to clean up, hint or not.
sub breaks_ok
{
	my ($node, $database, @rules) = @_;
	my $before = findings($node, $database);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $rule (@rules)
	{
		my ($finding, $sql, %options) = @$rule;
		my ($item) = $finding =~ /\|(\w+)/;

		$node->safe_psql($database, $sql);
		$node->reload if $sql =~ /ALTER SYSTEM/;
		my $wanted = join ' ', sort $finding,
		  $options{instead} ? () : split(' ', $before), @{ $options{also} // [] };
		wait_for($node, $database, $wanted) if $sql =~ /ALTER SYSTEM/;
		my ($found, $hints) = look($node, $database, $item);
		is($found, $wanted, "$finding: $sql");
		like($hints, $options{like}, 'the hint') if $options{like};
		$node->safe_psql($database, $options{mend} // $hints);
		wait_for($node, $database, $before) if $hints =~ /pg_reload_conf/;
		is(findings($node, $database), $before, "mended by $hints");
		$node->safe_psql($database, $options{after}) if $options{after};
	}
	return;
}

# A reload arrives when it does.
sub wait_for
{
	my ($node, $database, $wanted) = @_;

	foreach (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if findings($node, $database) eq $wanted;
		select undef, undef, undef, 0.1;
	}
	return;
}

1;
