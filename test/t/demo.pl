# make demo: from nothing to the end of its story, again, and gone.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use IPC::Run qw(run);
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = "$FindBin::RealBin/../..";
plan skip_all => 'this tree has a demo of its own' if -e "$tree/demo/env";

$ENV{DEMO_DIR} = PostgreSQL::Test::Utils::tempdir_short() . '/demo';
chomp($ENV{PG_CONFIG} = `sh -c 'command -v pg_config'`);

sub demo
{
	my ($program) = @_;
	my $out = '';

	my $went_well = run([ "$tree/demo/$program" ], '>&', \$out);
	return ($went_well, $out);
}

sub as_superuser
{
	my ($sql) = @_;
	my ($url) = slurp_file("$tree/demo/env") =~ /^AUTH_ADMIN_URL=(.*)$/m;

	run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', $url ], '<', \$sql, '>', \my $out) or die 'psql failed';
	chomp $out;
	return $out;
}

my ($went_well, $out) = demo('up');
ok($went_well, 'the first run') or diag $out;
is(join(' ', $out =~ /^== (\d)\. /mg), '1 2 3 4 5 6 7 8', 'tells the story to its end');
like($out, qr/^AUTH_DATABASE_URL=postgresql:/m, 'and how to connect');

my %url = slurp_file("$tree/demo/env") =~ /^(\w+)_URL=(.*)$/mg;
foreach my $login ([ AUTH_DATABASE => 'demo_auth' ], [ APP_DATABASE => 'demo_app' ], [ APP_USER_DATABASE => 'demo_user' ])
{
	my ($name, $role) = @$login;
	run([ 'psql', '-XAtqc', 'SELECT current_user', $url{$name} ], '>&', \my $answer);
	is($answer, "$role\n", "$name, as an application");
}

($went_well, $out) = demo('up');
ok($went_well, 'the second run') or diag $out;
is(as_superuser('SELECT count(*) FROM auth.users'), '2', 'goes on with the same databases');

as_superuser('ALTER DATABASE aisales_auth SET dualdb.password_min_length = 64');
($went_well, $out) = demo('up');
ok(!$went_well, 'control: a story whose user cannot register');
is(join(' ', $out =~ /^== (\d)\. /mg), '1', 'ends there');

($went_well, $out) = demo('down');
ok($went_well, 'the end') or diag $out;
ok(!-e $ENV{DEMO_DIR} && !-e "$tree/demo/env", 'leaves nothing');

END { demo('down') if defined $ENV{DEMO_DIR} && -d $ENV{DEMO_DIR} }

done_testing();
