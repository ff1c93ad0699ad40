# What the TAP tests share: a cluster that is set up as the documentation says,
# and short ways to ask it things.

package DualDB::Test;

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha1);
use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  auth_app_cluster two_clusters new_cluster make_key_file set_up_auth set_up_app
  set_up_single catalog_of
  psql_error error_is login_tokens register psql_as session_ok totp_code
);

# A password that every policy accepts.
our $PASSWORD = 'correct horse battery staple';

# A key file beside the cluster, outside of its data directory.
sub make_key_file
{
	my ($path, $mode) = @_;

	open my $random, '<:raw', '/dev/urandom' or die "no random bytes: $!";
	sysread($random, my $key, 32) == 32 or die 'too few random bytes';
	open my $file, '>:raw', $path or die "cannot write $path: $!";
	print $file $key;
	close $file;
	chmod($mode // 0600, $path) or die "cannot chmod $path: $!";
	return $path;
}

# A running cluster with the library preloaded, a key file (of its own, unless one is
# given) and the bridge's authentication rules; bridge_hba is the one by which it
# comes in.
sub new_cluster
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		$options{install_path} ? (install_path => $options{install_path}) : ());

	$node->init(
		allows_streaming => $options{allows_streaming} // 0,
		extra => [ '--encoding=UTF8', '--locale=C.UTF-8', @{ $options{initdb} // [] } ]);
	my $key_file = $options{key_file} // make_key_file($node->basedir . '/master.key');
	$node->append_conf('postgresql.conf', "dualdb.key_file = '$key_file'");
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dualdb'")
	  unless $options{no_preload};
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};

	my $bridge_hba = $options{bridge_hba} // 'local aisales_auth dualdb_bridge peer map=dualdb';
	my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf(
		'pg_hba.conf', qq{
$bridge_hba
local all,replication dualdb_bridge reject
host all,replication dualdb_bridge all reject
$hba});
	my $os_user = getpwuid($<);
	$node->append_conf('pg_ident.conf', "dualdb $os_user dualdb_bridge");
	$node->start;
	return $node;
}

sub set_up_auth
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'CREATE DATABASE aisales_auth');
	$node->safe_psql('aisales_auth', q{
		CREATE EXTENSION dualdb;
		SELECT dualdb.setup_auth();
		CREATE ROLE auth_login LOGIN IN ROLE dualdb_auth_service});
	return;
}

# The arguments are those of setup_app(), as text.
sub set_up_app
{
	my ($node, $arguments) = @_;

	$node->safe_psql('postgres', 'CREATE DATABASE aisales_app');
	$node->safe_psql('aisales_app', 'CREATE EXTENSION dualdb; SELECT dualdb.setup_app(' . ($arguments // '') . ')');
	$node->safe_psql('aisales_app', q{
		CREATE ROLE app_login LOGIN IN ROLE dualdb_app_service;
		CREATE ROLE app_user_login LOGIN IN ROLE dualdb_app_user;
		CREATE ROLE app_reader_login LOGIN IN ROLE dualdb_app_readonly});
	return;
}

# One database, and login roles for either side of it.
sub set_up_single
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'CREATE DATABASE aisales');
	$node->safe_psql('aisales', q{
		CREATE EXTENSION dualdb;
		SELECT dualdb.setup_single();
		CREATE ROLE auth_login LOGIN IN ROLE dualdb_auth_service;
		CREATE ROLE app_login LOGIN IN ROLE dualdb_app_service;
		CREATE ROLE app_user_login LOGIN IN ROLE dualdb_app_user;
		CREATE ROLE app_reader_login LOGIN IN ROLE dualdb_app_readonly});
	return;
}

# What setups must agree on, as lines.
sub catalog_of
{
	my ($node, $database) = @_;
	my ($out, $err) = run_command([
			'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database),
			'-f', "$FindBin::RealBin/../lib/catalog.sql" ]);

	is($err, '', "read the catalog of $database");
	return [ split /\n/, $out ];
}

# Both databases in one cluster, keys and users synced.
sub auth_app_cluster
{
	my ($name, %options) = @_;
	my $node = new_cluster($name, %options);

	set_up_auth($node);
	set_up_app($node);
	$node->safe_psql('aisales_app', 'SELECT dualdb.sync()');
	return $node;
}

# An auth cluster and an app cluster, keys and users synced.
sub two_clusters
{
	my (%options) = @_;
	my $auth = new_cluster('auth', %{ $options{auth} // {} });
	my $app = new_cluster('app', %{ $options{app} // {} });

	set_up_auth($auth);
	set_up_app($app, sprintf("auth_host => '%s', auth_port => %d", $auth->host, $auth->port));
	$app->safe_psql('aisales_app', 'SELECT dualdb.sync()');
	return ($auth, $app);
}

# Run SQL as a login role; returns (exit status, stdout, stderr).
sub psql_as
{
	my ($node, $database, $role, $sql, %options) = @_;
	my ($out, $err) = ('', '');
	my $status = $node->psql(
		$database, $sql,
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 1,
		extra_params => [ '-U', $role ],
		%options);
	return ($status, $out, $err);
}

# The SQLSTATE and message of the error that the SQL ends with; empty when it
# succeeds.
sub psql_error
{
	my ($node, $database, $role, $sql) = @_;
	my ($status, undef, $err) =
	  psql_as($node, $database, $role, "\\set VERBOSITY verbose\n$sql");

	return '' if $status == 0;
	return $1 if $err =~ /(?:ERROR|FATAL):\s+(\w{5}: [^\n]*)/;
	return $err;
}

sub error_is
{
	my ($node, $database, $role, $sql, $expected, $name) = @_;

	return like(psql_error($node, $database, $role, $sql), $expected, $name);
}

# session_ok(node, database, role, [title, SQL, expected], ...): steps of one
# session, a test for each of them.
#
# Expected is what the step prints, lines joined by blanks: rows first, with
# "nobody" for NULL, then errors and warnings with nothing but their SQLSTATE.
sub session_ok
{
	my ($node, $database, $role, @steps) = @_;
	my $script = "\\pset null nobody\n\\set VERBOSITY sqlstate\n";

	$script .= "$_->[1];\n\\echo end of step\n\\warn end of step\n"
	  foreach @steps;
	my (undef, $out, $err) =
	  psql_as($node, $database, $role, $script, on_error_stop => 0);
	my @rows = split /^end of step$/m, $out;
	my @messages = split /^end of step$/m, $err =~ s/^psql:\S+ //mgr;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $step (@steps)
	{
		my $printed = (shift @rows // '') . (shift @messages // '');

		is(join(' ', split ' ', $printed), $step->[2], $step->[0]);
	}
	return;
}

sub register
{
	my ($node, $email, $display_name) = @_;
	my $name = defined $display_name ? "'$display_name'" : 'NULL';

	return $node->safe_psql('aisales_auth',
		"SELECT user_id FROM auth.register_user('$email', '$PASSWORD', $name)");
}

# (access token, refresh token) of a login that must succeed.
sub login_tokens
{
	my ($node, $email) = @_;
	my $row = $node->safe_psql('aisales_auth',
		"SELECT status, access_token, refresh_token FROM auth.login('$email', '$PASSWORD')"
	);
	my ($status, @tokens) = split /\|/, $row;

	die "login of $email: $status" unless $status eq 'ok';
	return @tokens;
}

# RFC 6238, as an authenticator application does it: the code of now, or of so
# many steps later
sub totp_code
{
	my ($secret, $steps) = @_;
	my $bits = join '', map { sprintf '%05b', index 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_ }
	  split //, $secret;
	my $digest = hmac_sha1(pack('Q>', int(time / 30) + ($steps // 0)), pack 'B*', $bits);
	my $offset = ord(substr $digest, -1) & 15;

	return sprintf '%06d', (unpack('N', substr $digest, $offset, 4) & 0x7fffffff) % 1_000_000;
}

1;
