# Servers of other major versions than the one that the tests run on, with the
# extension, for tests that go from one to another.

package DualDB::Majors;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(major_installations install_extension);

sub output_of
{
	my (@command) = @_;
	my ($out) = run_command(\@command);

	return $out;
}

# Major version => pg_config of those that the extension can be built for: the one
# in the path, and those of Debian's layout.
sub major_installations
{
	my %installations;

	foreach my $pg_config (glob('/usr/lib/postgresql/*/bin/pg_config'), 'pg_config')
	{
		next unless $pg_config eq 'pg_config' || -x $pg_config;
		my ($major) = output_of($pg_config, '--version') =~ /^PostgreSQL (\d+)/;
		my $bin = output_of($pg_config, '--bindir');

		next unless $major && $major >= 15 && -x "$bin/pg_upgrade" && -x "$bin/initdb";
		next unless -e output_of($pg_config, '--pgxs');
		$installations{$major} = $pg_config;
	}
	return %installations;
}

# A copy of an installation with the extension in it; returns its folder, which has
# a bin.  The system's own is not ours to write to, and a server finds its files
# from where its program is.
sub install_extension
{
	my ($pg_config, $folder) = @_;
	my ($bin, $lib, $share) = map { output_of($pg_config, $_) } '--bindir', '--pkglibdir', '--sharedir';
	my $build = "$folder/build";

	system_or_bail('mkdir', '-p', "$folder$_", $build) foreach $bin, $lib, $share;
	# a link to a program would lead back to where that is
	system_or_bail('cp', '-a', "$bin/.", "$folder$bin");
	system_or_bail('cp', '-as', "$_/.", "$folder$_") foreach $lib, $share;
	system_or_bail('cp', '-a', map({ "$ENV{TESTDIR}/$_" } 'Makefile', 'dualdb.control', 'META.json.in', 'sql', 'src', 'tools'), $build);
	system_or_bail('make', '-s', '-C', $build, "PG_CONFIG=$pg_config", 'with_llvm=no', @$_)
	  foreach ['clean'], ['all'], [ 'install', "DESTDIR=$folder" ];
	return $folder . ($bin =~ s{/bin$}{}r);
}

1;
