# A certificate authority of the tests, made by the openssl program in a folder of
# its own: certificates for servers and clients, some of them wrong on purpose.

package DualDB::TLS;

use strict;
use warnings FATAL => 'all';

use IPC::Run ();

# DualDB::TLS->new(folder, name): the folder is made, and in it the authority's key
# and its self-signed certificate.
sub new
{
	my ($class, $folder, $name) = @_;
	my $self = bless { folder => $folder }, $class;

	mkdir $folder, 0700 or die "cannot make $folder: $!";
	mkdir "$folder/issued" or die "cannot make $folder/issued: $!";
	_write("$folder/index.txt", '');
	_write("$folder/index.txt.attr", "unique_subject = no\n");
	_write("$folder/ca.conf", <<"EOC");
[ca]
default_ca = tests
[tests]
database = $folder/index.txt
new_certs_dir = $folder/issued
certificate = $folder/ca.crt
private_key = $folder/ca.key
rand_serial = yes
crlnumber = $folder/crlnumber
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
email_in_dn = no
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = replaced by -subj
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
EOC
	_write("$folder/crlnumber", "01\n");
	$self->_key('ca');
	_openssl('req', '-x509', '-new', '-key', "$folder/ca.key", '-subj', "/CN=$name", '-days', '30',
		'-config', "$folder/ca.conf", '-extensions', 'authority', '-out', "$folder/ca.crt");
	return $self;
}

sub file { my ($self, $name) = @_; return "$self->{folder}/$name"; }
sub authority { my ($self) = @_; return $self->file('ca.crt'); }

# issue(name, common name, ...): name.key, mode 0600, and name.crt beside it.
# Options: hosts => what the certificate is for, as of openssl's subjectAltName;
# peer => 1, for a server that is a client of its like; expired => 1.
sub issue
{
	my ($self, $name, $common_name, %options) = @_;
	my $path = $self->file($name);
	my @dates =
	  $options{expired}
	  ? ('-startdate', '20200101000000Z', '-enddate', '20200201000000Z')
	  : ();

	_write("$path.ext", "authorityKeyIdentifier = keyid\n" . ($options{hosts}
		? 'extendedKeyUsage = serverAuth' . ($options{peer} ? ', clientAuth' : '') . "\nsubjectAltName = $options{hosts}\n"
		: "extendedKeyUsage = clientAuth\n"));
	$self->_key($name);
	_openssl('req', '-new', '-key', "$path.key", '-subj', "/CN=$common_name",
		'-config', $self->file('ca.conf'), '-out', "$path.csr");
	_openssl('ca', '-batch', '-notext', '-config', $self->file('ca.conf'), @dates,
		'-extfile', "$path.ext", '-in', "$path.csr", '-out', "$path.crt");
	return $path;
}

# The list of revoked certificates, with these added; returns its file.
sub revoke
{
	my ($self, @names) = @_;
	my $list = $self->file('ca.crl');

	_openssl('ca', '-config', $self->file('ca.conf'), '-revoke', $self->file("$_.crt")) foreach @names;
	_openssl('ca', '-config', $self->file('ca.conf'), '-gencrl', '-out', $list);
	return $list;
}

sub _key
{
	my ($self, $name) = @_;
	my $path = $self->file("$name.key");

	_openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', $path);
	chmod 0600, $path or die "cannot chmod $path: $!";
	return;
}

sub _write
{
	my ($path, $text) = @_;

	open my $file, '>', $path or die "cannot write $path: $!";
	print $file $text;
	close $file;
	return;
}

sub _openssl
{
	my @command = ('openssl', @_);
	my ($out, $err) = ('', '');

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err) or die "@command: $err";
	return;
}

1;
