# verify_setup() of the logs' partitions, and of tokens that are passed on though
# nothing is sharded.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use DualDB::Verify;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = verified_cluster('main');

foreach my $log ([ 'aisales_auth', 'auth.audit_log' ], [ 'aisales_app', 'app.api_logs' ])
{
	my ($database, $table) = @$log;
	my ($this, $next, $later) = map { $node->safe_psql($database,
			"SELECT '$table' || to_char(now() AT TIME ZONE 'UTC' + interval '$_ months', '_YYYYMM')") } 0 .. 2;
	my $owner = $node->safe_psql($database, "SELECT relowner::regrole FROM pg_class WHERE oid = '$table'::regclass");

	breaks_ok($node, $database,
		[ 'warning|partitions', "DROP TABLE $this", like => qr/^SELECT \* FROM dualdb\.maintain_partitions\('$table'\);$/ ],
		[ 'warning|partitions', "DROP TABLE $next, $this" ],
		[ 'warning|partitions', "ALTER TABLE $table DETACH PARTITION $next", like => qr/^ALTER TABLE $next RENAME TO \w+_detached; SELECT/ ],
		[ 'error|partitions', "ALTER TABLE $table DETACH PARTITION ${table}_default", like => qr/ATTACH PARTITION ${table}_default DEFAULT;$/ ],
		[ 'error|partitions', "DROP TABLE ${table}_default", like => qr/^CREATE TABLE ${table}_default PARTITION OF/ ]);
	is($node->safe_psql($database, "SELECT relowner::regrole, relacl IS NULL FROM pg_class WHERE oid = '${table}_default'::regclass"),
		"$owner|t", 'the default partition is the owner\'s again');
	is($node->safe_psql($database, "BEGIN; DROP TABLE $later; SELECT count(*) FROM dualdb.verify_setup() v WHERE v.item = 'partitions' AND v.status <> 'ok'; ROLLBACK"),
		'0', 'control: there is time to make those of later months');
	is($node->safe_psql($database, "BEGIN; DROP TABLE $this; CREATE TABLE $table\_mine PARTITION OF $table FOR VALUES FROM (MINVALUE) TO (date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 day');
		SELECT count(*) FROM dualdb.verify_setup() v WHERE v.item = 'partitions' AND v.status <> 'ok'; ROLLBACK"), '0', 'control: partitions of one\'s own');
}

# why that is an error
$node->safe_psql('aisales_auth', 'BEGIN; DROP TABLE auth.audit_log_default; ' . $node->safe_psql('aisales_auth',
		q{SELECT string_agg(format('DROP TABLE %s', p.partition), '; ') FROM dualdb.log_partitions('auth.audit_log') p}) . '; COMMIT');
error_is($node, 'aisales_auth', scalar getpwuid($<), "SELECT auth.register_user('ann\@example.com', '$DualDB::Test::PASSWORD')", qr/^23514/, 'nobody registers without a partition');
$node->safe_psql('aisales_auth', $_) foreach split /\n/, hints_of($node, 'aisales_auth', 'partitions');
is(findings($node, 'aisales_auth'), $DualDB::Verify::EVERYWHERE, 'the hints mend that');
isnt(register($node, 'ann@example.com', 'Ann'), '', 'and users register');

foreach my $database ('aisales_auth', 'aisales_app')
{
	breaks_ok($node, $database,
		[ 'warning|forwarded_tokens', "ALTER DATABASE $database SET dualdb.forward_tokens = on" ],
		[ 'warning|forwarded_tokens', "ALTER ROLE app_user_login SET dualdb.forward_tokens = 'true'", like => qr/^ALTER ROLE app_user_login SET/ ],
		[ 'warning|forwarded_tokens', "ALTER ROLE app_user_login IN DATABASE $database SET dualdb.forward_tokens = yes" ]);
}

done_testing();
