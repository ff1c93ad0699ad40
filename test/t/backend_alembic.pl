# What Alembic's first revision makes is what the setup functions make, in two databases
# and in one.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Backend;
use DualDB::Test;
use Test::More;

need_backend();

# what test_alembic makes it in
my %made = (aisales_auth => 'empty_auth', aisales_app => 'empty_app', aisales => 'empty');

# The catalog as text, but for the table that has lost a column and got it back.
sub catalog
{
	my ($node, $database) = @_;
	my @lines = grep { !/^app\.products\|/ } @{ catalog_of($node, $database) };

	return join "\n", map { s/\bempty(?=_auth|_app|\b)/aisales/gr } @lines;
}

foreach my $place (dual_databases(), single_database())
{
	run_pytest($place, undef, 'test_alembic', $place->{mode} eq 'dual' ? 'test_config' : ());
	foreach my $side ('auth', 'app')
	{
		my ($node, $database) = @{ $place->{$side} };
		my $made = $made{$database};

		is(catalog($node, $made), catalog($node, $database),
			"$place->{mode}: the catalog of the $side side");
		is($node->safe_psql($made, q{SELECT item, detail FROM dualdb.verify_setup()
				WHERE status = 'error' AND item !~ '^(hba|bridge_connect|trusted_keys)'}),
			'', "$place->{mode}: verify_setup() misses nothing but a bridge that is let in");
	}
}

done_testing();
