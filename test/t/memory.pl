# A server that is short of memory says so.  It never says "wrong password".

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use DualDB::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_cluster('main', conf => "shared_buffers = 1MB\nmax_connections = 20");
my $superuser = getpwuid($<);
set_up_auth($node);
register($node, 'ann@example.com');
my $four_lanes = '$argon2id$v=19$m=262144,t=1,p=4$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc';

is($node->safe_psql('aisales_auth', "SELECT status FROM auth.login('ann\@example.com', '$DualDB::Test::PASSWORD')"),
	'ok', 'control: with memory the login succeeds');
is($node->safe_psql('aisales_auth', "SELECT dualdb.verify_password('x', '$four_lanes')"), 'f',
	"control: and another program's hash is compared");

# the server again, with too little address space for a password hash
$node->stop;
my $used = 240 * 1024;
system_or_bail('sh', '-c', "ulimit -v $used && exec pg_ctl -w -D '" . $node->data_dir . "' -l '" . $node->logfile . "' start");
is($node->safe_psql('aisales_auth', "SELECT dualdb.verify_password('x',
	'\$argon2id\$v=19\$m=256,t=2,p=2\$c29tZXNhbHQ\$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc')"), 'f',
	'control: a small hash is compared');
$node->safe_psql('aisales_auth', "ALTER DATABASE aisales_auth SET dualdb.argon2_memory = '256MB'");
error_is($node, 'aisales_auth', $superuser, $_->[0], qr/^53200: out of memory$/, $_->[1])
  foreach [ "SELECT dualdb.hash_password('x')", 'no memory to hash' ],
  [ "SELECT dualdb.verify_password('x', '$four_lanes')", 'no memory to verify' ];
is($node->safe_psql('aisales_auth', "SELECT status FROM auth.login('nobody\@example.com', 'x')"), 'busy',
	'a login is told that the server is busy') foreach 1 .. 20;
$node->safe_psql('aisales_auth', 'ALTER DATABASE aisales_auth RESET dualdb.argon2_memory');
is($node->safe_psql('aisales_auth', "SELECT status FROM auth.login('nobody\@example.com', 'x')"), 'invalid_credentials',
	'and however often that was, it has not been counted');

# a hash that there is no memory for is in nobody else's way
$node->safe_psql('aisales_auth', "ALTER DATABASE aisales_auth SET dualdb.argon2_memory = '19MB'");
$node->safe_psql('aisales_auth', q{INSERT INTO auth.users (id, email, password_hash) VALUES
	('big', 'big@example.com', '$scrypt$ln=21,r=1,p=1$AA$' || repeat('A', 43)),
	('small', 'small@example.com', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW')});
sub login { return $node->safe_psql('aisales_auth', "SELECT status FROM auth.login('$_[0]\@example.com', '$_[1]')"); }
is(login('big', 'x'), 'busy', 'control: it cannot be compared');
is(login($_, 'x'), 'invalid_credentials', "$_ is refused for the password") foreach 'someone', 'ann', 'small';

# what has been compared counts, though there is no memory for what comes after it
$node->safe_psql('aisales_auth', "ALTER DATABASE aisales_auth SET dualdb.argon2_memory = '256MB'");
my %said = map { login('small', 'x') => 1 } 1 .. 20;
is(join(' ', sort keys %said), 'busy throttled', 'guesses at a small hash are throttled');
$node->safe_psql('aisales_auth', 'ALTER DATABASE aisales_auth RESET dualdb.argon2_memory');
system_or_bail('pg_ctl', '-w', '-m', 'fast', '-D', $node->data_dir, 'stop');

done_testing();
