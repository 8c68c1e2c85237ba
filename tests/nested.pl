# perl nested.pl SEED: a frame of 24x24x16 voxels, its label 1, 2, 3 in boxes within each other, which in the image are brighter inwards, with noise
use strict;
use warnings;
my $seed = shift;
my $u = 7919 * ($seed + 1);
sub draw { $u = ($u * 1664525 + 1013904223) % 4294967296; return int($u / 4294967296 * $_[0]) }
my @c = (8 + draw(8), 8 + draw(8), 7 + draw(3));
my ($image, $label) = ("", "");
for my $z (0 .. 15) {
	for my $y (0 .. 23) {
		for my $x (0 .. 23) {
			my ($d) = sort { $b <=> $a } abs($x - $c[0]), abs($y - $c[1]), abs($z - $c[2]);
			my $l = $d < 2 ? 3 : $d < 4 ? 2 : $d < 6 ? 1 : 0;
			$image .= pack "s<", 100 * $l + draw(60);
			$label .= pack "C", $l;
		}
	}
}
my ($n, $m) = (length $image, length $label);
my $meta = qq({"niipipe":"1","kind":"volume","id":"case$seed","affine":"1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"});
my $h = sprintf '{"__metadata__":%s,"image":{"dtype":"I16","shape":[1,16,24,24],"data_offsets":[0,%d]},"label":{"dtype":"U8","shape":[16,24,24],"data_offsets":[%d,%d]}}',
	$meta, $n, $n, $n + $m;
binmode STDOUT;
print pack("Q<", length $h), $h, $image, $label;
