# verify_setup(): what it says of a good server, who may ask, and that no check
# gives up.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');
my $all = 'SELECT %s FROM dualdb.verify_setup() v WHERE %s';

foreach my $database ('aisales_auth', 'aisales_app')
{
	is(findings($node, $database), $DualDB::Verify::EVERYWHERE, "nothing else is to be said of $database")
	  or diag $node->safe_psql($database, sprintf($all, 'v.status, v.item, v.detail, v.hint', "v.status <> 'ok'"));
	is($node->safe_psql($database, sprintf($all, 'count(*)', "(v.status = 'ok') <> (v.hint IS NULL)")), '0',
		'what is not ok has a hint');
	is($node->safe_psql($database, "SELECT i.item FROM dualdb.verify_items() i
		WHERE i.side = ANY (dualdb.verify_sides()) AND i.item NOT IN (SELECT v.item FROM dualdb.verify_setup() v)"),
		'', 'every item is there');
	is($node->safe_psql($database, "SELECT DISTINCT v.item FROM dualdb.verify_setup() v
		WHERE v.item NOT IN (SELECT i.item FROM dualdb.verify_items() i)"), '', 'and none that is not listed');
}
write_hba($node, 'local all auth_login trust');
$node->reload;
error_is($node, 'aisales_auth', 'auth_login', 'SELECT dualdb.verify_setup()', qr/^42501/, 'for superusers only');
write_hba($node);
$node->reload;

# it reads: nothing is written, and a transaction that may not write is enough
is($node->safe_psql('aisales_auth', q{BEGIN READ ONLY; SELECT count(*) > 40 FROM dualdb.verify_setup();
	SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT}), "t\nt", 'in a read-only transaction');

# the documentation has every item
my $documentation = slurp_file("$FindBin::RealBin/../../docs/verify_setup.md");
my @unknown = grep { index($documentation, "`$_`") < 0 }
  split /\n/, $node->safe_psql('aisales_auth', 'SELECT i.item FROM dualdb.verify_items() i');
is("@unknown", '', 'every item is documented');

# a check that fails is a finding, and the others go on
$node->safe_psql('aisales_auth', 'CREATE OR REPLACE FUNCTION dualdb.bridge_settings() RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$ SELECT (1/0)::text $$');
is(findings($node, 'aisales_auth'), "error|verify_role_settings $DualDB::Verify::EVERYWHERE", 'a check that fails');

done_testing();
