# Every privilege of every dualdb role and of PUBLIC on what dualdb has made, as one
# text that is read like code: a forgotten REVOKE is a line that is too many.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');
my $printed = '';

foreach my $database ('aisales_auth', 'aisales_app')
{
	my ($out, $err) = run_command([
			'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database),
			'-f', "$FindBin::RealBin/../lib/privileges.sql" ]);
	is($err, '', "read the privileges in $database");
	$printed .= "## $database\n$out\n";
}

my $expected_file = "$FindBin::RealBin/../../expected/privileges.out";
my $expected = -e $expected_file ? slurp_file($expected_file) : '';
if (!is_deeply([ split /\n/, $printed ], [ split /\n/, $expected ], 'the privileges are the expected ones'))
{
	my $actual_file = "$ENV{TESTDIR}/results/privileges.out";
	mkdir "$ENV{TESTDIR}/results";
	open my $file, '>', $actual_file or die $!;
	print $file $printed;
	close $file;
	diag((run_command([ 'diff', '-U0', $expected_file, $actual_file ]))[0]);
}

done_testing();
