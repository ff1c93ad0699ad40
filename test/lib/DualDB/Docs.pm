# The SQL and the commands of the documentation, for tests that run it as it stands.

package DualDB::Docs;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(sql_blocks code_blocks);

sub section
{
	my ($file, $heading) = @_;
	my $text = slurp_file("$FindBin::RealBin/../../docs/$file");

	if (defined $heading)
	{
		($text) = $text =~ /^#+ \Q$heading\E\n(.*?)(?=^#|\z)/ms or die "$file has no section $heading";
	}
	return $text;
}

# sql_blocks(file, heading): the blocks of a section (without a heading: of the file)
# that name their database in the first line, as [database, SQL], in order.
sub sql_blocks
{
	my ($file, $heading) = @_;

	return map { [ /^\s*-- (\w+)/ ? $1 : die("no database: $_"), $_ ] } code_blocks($file, $heading, 'sql');
}

# code_blocks(file, heading, language): its blocks of SQL, or with an empty language of
# commands.
sub code_blocks
{
	my ($file, $heading, $language) = @_;

	# every fence, so that the end of one block is not the beginning of another
	my %blocks;
	my $text = section($file, $heading);
	push @{ $blocks{$1} }, $2 while $text =~ /^ *```(\w*)\n(.*?)^ *```$/msg;
	return @{ $blocks{$language} // [] };
}

1;
