# verify_setup(): nothing to say about a good server, and each fault is found.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = auth_app_cluster('main');
my $findings = "SELECT status, item FROM dualdb.verify_setup() WHERE status <> 'ok' ORDER BY item";

foreach my $database ('aisales_auth', 'aisales_app')
{
	is($node->safe_psql($database, $findings), '', "nothing is wrong with $database");
	cmp_ok($node->safe_psql($database, 'SELECT count(*) FROM dualdb.verify_setup()'), '>=', 5, 'and it has been looked at');
}
error_is($node, 'aisales_auth', 'auth_login', 'SELECT dualdb.verify_setup()', qr/^42501/, 'for superusers only');
is($node->safe_psql('aisales_auth', "SELECT count(*) FROM dualdb.verify_setup() WHERE (status = 'ok') <> (hint IS NULL)"), '0',
	'what is not ok has a hint');

# each fault by itself
sub breaks
{
	my ($database, $sql, $expected, $mend) = @_;
	$node->safe_psql($database, $sql);
	is($node->safe_psql($database, $findings), $expected, $sql);
	$node->safe_psql($database, $mend);
	is($node->safe_psql($database, $findings), '', 'mended');
	return;
}
breaks('aisales_app', 'DELETE FROM dualdb.trusted_keys', 'error|trusted_keys', 'SELECT dualdb.sync()');
breaks('aisales_auth', "UPDATE auth.signing_keys SET sealed_key = 'x' WHERE status = 'active'", 'error|signing_key',
	'SELECT auth.rotate_signing_key()');

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\nlog_statement = 'all'\ndualdb.key_file = '/nonexistent'\nmax_worker_processes = 2");
$node->restart;
is($node->safe_psql('aisales_auth', $findings),
	"error|key_file\nwarning|log_statement\nwarning|max_worker_processes\nwarning|preload\nerror|signing_key",
	'a server without preload, key file and workers');
$node->safe_psql('aisales_auth', 'ALTER DATABASE aisales_auth SET log_parameter_max_length = -1');
like($node->safe_psql('aisales_auth', $findings), qr/error\|log_parameter_max_length$/m, 'parameters that are logged');
like($node->safe_psql('aisales_auth', "SELECT hint FROM dualdb.verify_setup() WHERE item = 'log_parameter_max_length'"),
	qr/^ALTER DATABASE aisales_auth SET log_parameter_max_length = 0/, 'and what to do about it');

done_testing();
