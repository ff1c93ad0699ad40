# The SQL of the documentation, for tests that run it as it stands.

package DualDB::Docs;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(sql_blocks);

# sql_blocks(file, heading): the blocks of a section (without a heading: of the file)
# that name their database in the first line, as [database, SQL], in order.
sub sql_blocks
{
	my ($file, $heading) = @_;
	my $text = slurp_file("$FindBin::RealBin/../../docs/$file");

	if (defined $heading)
	{
		($text) = $text =~ /^#+ \Q$heading\E\n(.*?)(?=^#|\z)/ms or die "$file has no section $heading";
	}
	return map { [ /^\s*-- (\w+)/ ? $1 : die("no database: $_"), $_ ] } $text =~ /^ *```sql\n(.*?)^ *```$/msg;
}

1;
