# Auth and app as two servers: two clusters that know nothing of each other but what
# an administrator has told them, joined by TCP and TLS.

package DualDB::TwoServers;

use strict;
use warnings FATAL => 'all';

use DualDB::Test;
use DualDB::TLS;
use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(
  two_servers server_options drop_server_options use_tls listen_on_tcp bridge_hba
  next_setting bridge_connstr
);

# How the bridge comes in: by its certificate, and nowhere else.
our $BY_CERTIFICATE = 'hostssl aisales_auth dualdb_bridge 127.0.0.1/32 cert';
our $BY_PASSWORD = 'hostssl aisales_auth dualdb_bridge 127.0.0.1/32 scram-sha-256';

my $reloads = 0;

# (auth, app, authority): running, with the bridge's certificate in the options of
# the foreign server.  Options: auth_conf, app_conf.
sub two_servers
{
	my (%options) = @_;
	my $auth = new_cluster('auth', conf => $options{auth_conf}, bridge_hba => $BY_CERTIFICATE,
		allows_streaming => $options{allows_streaming});
	my $app = new_cluster('app', conf => $options{app_conf});
	my $tls = DualDB::TLS->new($auth->basedir . '/tls', 'tests');

	$tls->issue('server', 'localhost', hosts => 'DNS:localhost, IP:127.0.0.1');
	$tls->issue('bridge', 'dualdb_bridge');
	listen_on_tcp($auth);
	use_tls($auth, $tls, 'server');
	set_up_auth($auth);
	set_up_app($app, "auth_host => '127.0.0.1', auth_port => " . $auth->port);
	server_options($app, sslrootcert => $tls->authority,
		sslcert => $tls->file('bridge.crt'), sslkey => $tls->file('bridge.key'));
	return ($auth, $app, $tls);
}

sub listen_on_tcp
{
	my ($node) = @_;

	$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
	$node->restart;
	return;
}

# Change settings that a reload brings into force, and wait until new sessions have
# them.
sub next_setting
{
	my ($node, %settings) = @_;

	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'") foreach sort keys %settings;
	$node->reload;
	foreach my $name (sort keys %settings)
	{
		$node->poll_query_until('postgres', "SELECT current_setting('$name') = '$settings{$name}'")
		  or die "$name did not change";
	}
	return;
}

# How whoever has the certificate of the bridge comes to the auth server.
sub bridge_connstr
{
	my ($auth, $tls, $database) = @_;
	my ($root, $certificate, $key) = ($tls->authority, $tls->file('bridge.crt'), $tls->file('bridge.key'));

	return "host=127.0.0.1 port=" . $auth->port . " dbname=$database user=dualdb_bridge"
	  . " sslmode=verify-full sslrootcert=$root sslcert=$certificate sslkey=$key";
}

# The server's certificate, and whose clients it trusts.
sub use_tls
{
	my ($node, $tls, $name, %settings) = @_;

	next_setting($node, ssl => 'on', ssl_cert_file => $tls->file("$name.crt"),
		ssl_key_file => $tls->file("$name.key"), ssl_ca_file => $tls->authority, %settings);
	return;
}

# Other lines by which the bridge comes in, before those that reject it.
sub bridge_hba
{
	my ($node, $lines) = @_;
	my $file = $node->data_dir . '/pg_hba.conf';
	my $hba = slurp_file($file);

	$hba =~ s/\A.*?(?=^local all,replication dualdb_bridge)/$lines\n/ms or die 'no lines of the bridge';
	unlink $file;
	$node->append_conf('pg_hba.conf', $hba);
	# the file tells nothing of what is in force; a setting that is read with it does
	next_setting($node, 'test.hba' => ++$reloads);
	return;
}

# Set options of the foreign server, those that are there already and new ones.
sub server_options
{
	my ($node, %options) = @_;
	my %there = map { $_ => 1 } split /\n/, $node->safe_psql('aisales_app',
		q{SELECT o.option_name FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE s.srvname = 'dualdb_auth'});

	$node->safe_psql('aisales_app', 'ALTER SERVER dualdb_auth OPTIONS ('
		  . join(', ', map { ($there{$_} ? 'SET' : 'ADD') . " $_ '$options{$_}'" } sort keys %options) . ')');
	return;
}

sub drop_server_options
{
	my ($node, @names) = @_;

	$node->safe_psql('aisales_app', 'ALTER SERVER dualdb_auth OPTIONS (' . join(', ', map { "DROP $_" } @names) . ')');
	return;
}

1;
