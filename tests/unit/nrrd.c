/* NRRD: golden files by SimpleITK and pynrrd as SimpleITK reads them, every header line that is refused, damage of every kind. */
#include "tests/unit/text.h"

#define GOLDEN "tests/golden/nrrd/"

static const char *const lines[][2] = {
	{"type", "uint8"}, {"dimension", "3"}, {"space", "RAS"}, {"sizes", "2 3 4"}, {"space directions", "(1,0,0) (0,1,0) (0,0,2)"},
	{"space origin", "(0,0,0)"}, {"encoding", "raw"},
};

static const struct sample sample = {"NRRD0005\n", ": ", "\n", lines, sizeof lines / sizeof *lines};

static void refused(const char *key, const char *value, const char *want)
{
	refused_in(&sample, key, value, want);
}

static void taken(const char *key, const char *value)
{
	taken_in(&sample, key, value);
}

static void headers(void)
{
	taken("type", "unsigned char");
	taken("space", "Left-Posterior-Superior");
	taken("space", "LAS");
	taken("content", "anything: at all");
	taken("", "# a comment");
	taken("", "key:=value");
	taken("", "a:b:=c: d");
	taken("space origin", NULL);
	taken("endian", "big");
	taken("space units", "\"mm\" \"mm\" \"\"");
	taken("byte skip", "0");
	refused("type", NULL, "m: no field 'type' in the NRRD header");
	refused("type", "block", "m: type 'block' is not read (expected an integer of 8 to 64 bits, float or double) (offset 9)");
	refused("type", "short", "m: no field 'endian' in the NRRD header");
	refused("endian", "middle", "m: endian 'middle' (expected little or big) (offset 9)");
	refused("encoding", "ascii", "m: encoding 'ascii' is not read (expected raw or gzip) (offset 122)");
	refused("encoding", "hex", "m: encoding 'hex' is not read (expected raw or gzip) (offset 122)");
	refused("encoding", "bzip2", "m: encoding 'bzip2' is not read (expected raw or gzip) (offset 122)");
	refused("encoding", "gzip", "m: corrupt gzip: malformed member header (offset 148)");
	refused("dimension", "2", "m: dimension is 2 (expected 3, or 4 with channels) (offset 21)");
	refused("dimension", "three", "m: dimension: 'three' is not a whole number (offset 21)");
	refused("sizes", NULL, "m: no field 'sizes' in the NRRD header");
	refused("sizes", "2 3", "m: sizes: 2 numbers (expected 3) (offset 45)");
	refused("sizes", "2 3 4 5", "m: sizes: more than 3 numbers (offset 45)");
	refused("sizes", "2 3 0", "m: sizes: 0 is not in 1..1048576 (offset 45)");
	refused("sizes", "2 3 1048577", "m: sizes: 1048577 is not in 1..1048576 (offset 45)");
	refused("sizes", "1048576 1048576 1048576", "m: sizes: more than 2^56 voxels (offset 45)");
	refused("sizes", "2 3 5", "m: ends inside the voxels (expected 30 bytes, found 24) (offset 161)");
	refused("sizes", "2 3 3", "m: bytes after the voxels (offset 155)");
	refused("space", "scanner-xyz", "m: space 'scanner-xyz' does not place a patient (expected left-posterior-superior, left-anterior-superior or "
	        "right-anterior-superior) (offset 34)");
	refused("space", NULL, "m: space directions: without a space (offset 47)");
	refused("space dimension", "3", "m: space dimension: a space without name (expected space: left-posterior-superior or the like) (offset 9)");
	refused("space directions", NULL, "m: no space directions and no spacings in the NRRD header");
	refused("space directions", "(1,0,0) (0,1,0)", "m: space directions: expected (a,b,c) or none for every axis (offset 58)");
	refused("space directions", "(1,0,0) (0,1,0) none", "m: space directions: an axis without place among three (expected three of space) (offset 58)");
	refused("space directions", "(1,0) (0,1) (0,1)", "m: space directions: fewer than three numbers in a vector (offset 58)");
	refused("space directions", "(1,0,0,0) (0,1,0) (0,0,1)", "m: space directions: more than three numbers in a vector (offset 58)");
	refused("space directions", "(1,0,0) (0,1,0) (0,0,nan)", "m: space directions: 'nan' is not a finite number (offset 58)");
	refused("space directions", "(1,0,0) (0,1,0) (1,1,0)", "m: space directions: singular: the axes lie in one plane (offset 58)");
	refused("space directions", "(1,0,0) (0,1,0) (0,0,0)", "m: space directions: an axis of no length (offset 58)");
	refused("space directions", "(1,0,0) (0,1,0) (0,0,1) (1,0,0)", "m: space directions: more than one for every axis (offset 58)");
	refused("space origin", "(0,0)", "m: space origin: fewer than three numbers in a vector (offset 100)");
	refused("space origin", "none", "m: space origin: expected one vector (a,b,c) (offset 100)");
	refused("space units", "\"um\" \"um\" \"um\"", "m: space units: only mm are read (offset 9)");
	refused("spacings", "1 1 1", "m: spacings: beside space directions (offset 9)");
	refused("kinds", "complex domain domain", "m: kinds: complex voxels are not read (offset 9)");
	refused("axis mins", "0 0 0", "m: field 'axis mins' is not read (offset 9)");
	refused("old min", "0", "m: field 'old min' is not read (offset 9)");
	refused("colour", "red", "m: 'colour' is no field of NRRD (offset 9)");
	refused("", "type: uint8", "m: field 'type' is there twice (offset 21)");
	refused("", "no colon", "m: line is no comment, 'field: value' or 'key:=value': 'no colon' (offset 9)");
	refused("data file", "x.raw", "m: a NRRD header with data file 'x.raw', which is not looked for from here (name the header)");
	refused("data file", "LIST", "m: data file 'LIST': voxels in several files are not read (offset 9)");
	refused("data file", "s%03d.raw 0 3 1", "m: data file 's%03d.raw 0 3 1': voxels in several files are not read (offset 9)");
	refused("byte skip", "-2", "m: byte skip: -2 is not in -1..1099511627776 (offset 9)");
	refused("byte skip", "-1", "m: byte skip: -1 needs a plain file");
	refused("line skip", "1", "m: ends inside the lines to be skipped (expected 1, found 0) (offset 174)");
}

int main(void)
{
	static const char *const names[] = {"int16.nrrd", "float32_big.nrrd", "list_first.nrrd", "itk_vector.nrrd", "list_last.nrrd", "old.nrrd"};

	golden(GOLDEN, 38);
	headers();
	damage(GOLDEN, names, sizeof names / sizeof *names, 1, STEP);
	return tap_done();
}
