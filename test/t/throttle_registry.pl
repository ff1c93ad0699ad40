# Without preload, where the server has a registry of shared memory: failures
# survive ROLLBACK all the same.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', no_preload => 1,
	conf => "dualdb.argon2_memory = '19MB'\ndualdb.argon2_iterations = 2\ndualdb.max_login_failures = 4");
if ($node->pg_version < 17)
{
	plan skip_all => 'the server has no registry of shared memory';
}
set_up_auth($node);
register($node, 'ann@example.com');

my $login = "SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')";
is($node->safe_psql('aisales_auth', $login), 'ok', 'control: a login');
$node->safe_psql('aisales_auth', "BEGIN; SELECT auth.login('ann\@example.com', 'wrong'); ROLLBACK") foreach 1 .. 4;
is($node->safe_psql('aisales_auth', $login), 'throttled', 'rolled-back guesses are throttled');
ok($node->poll_query_until('aisales_auth', 'SELECT count(*) = 1 FROM auth.login_failures'),
	'the worker writes them down');
like($node->safe_psql('aisales_auth', "SELECT detail FROM dualdb.verify_setup() WHERE item = 'preload'"),
	qr/^The library is not preloaded: the first statement .* literals\.$/, 'verify_setup() says what is lost');

done_testing();
