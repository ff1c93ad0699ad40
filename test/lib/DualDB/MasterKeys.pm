# Key files with one master key or several, and what is sealed under which.

package DualDB::MasterKeys;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(new_key key_of use_keys usage);

sub new_key
{
	open my $random, '<:raw', '/dev/urandom' or die "no random bytes: $!";
	sysread($random, my $key, 32) == 32 or die 'too few random bytes';
	return $key;
}

# What is in the key file that DualDB::Test has made.
sub key_of { return slurp_file($_[0]->basedir . '/master.key'); }

# Put these keys into that file, the current one first, in one step, and have every
# session read it before its next command.
sub use_keys
{
	my ($node, @keys) = @_;
	my $path = $node->basedir . '/master.key';
	my $loaded = $node->safe_psql('postgres', 'SELECT pg_conf_load_time()');

	umask 077;
	open my $file, '>:raw', "$path.new" or die $!;
	print $file @keys;
	close $file or die $!;
	rename "$path.new", $path or die $!;
	$node->reload;
	$node->poll_query_until('postgres', "SELECT pg_conf_load_time() > '$loaded'")
	  or die 'the server does not reload';
	return;
}

# state|hash keys|signing keys|TOTP factors of each master key
sub usage
{
	my ($node) = @_;

	return join ' ', split /\n/, $node->safe_psql('aisales_auth',
		'SELECT state, hash_keys, signing_keys, totp_factors FROM auth.master_key_usage()');
}

1;
