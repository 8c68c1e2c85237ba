/* MetaImage: golden files by SimpleITK, every header line that is refused, damage of every kind. */
#include "tests/unit/text.h"

#define GOLDEN "tests/golden/meta/"

static const char *const lines[][2] = {
	{"ObjectType", "Image"}, {"NDims", "3"}, {"BinaryData", "True"}, {"Offset", "1 2 3"}, {"ElementSpacing", "1 1 2"}, {"DimSize", "2 3 4"},
	{"ElementType", "MET_UCHAR"}, {"ElementDataFile", "LOCAL"},
};

static const struct sample sample = {"Comment = of a test\n", " = ", "", lines, sizeof lines / sizeof *lines};

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
	taken("ElementType", "MET_CHAR");
	taken("ElementType", "MET_ASCII_CHAR");
	taken("ObjectType", NULL);
	taken("BinaryData", NULL);
	taken("BinaryData", "1");
	taken("Offset", NULL);
	taken("Name", "anything = at: all");
	taken("Seen by", "nobody");
	taken("", "Key: value");
	taken("", "   ");
	taken("ElementSpacing", "1 1 -2");
	taken("Position", "1 2 3");
	taken("DistanceUnits", "mm");
	taken("FileFormatVersion", "0");
	taken("CompressedDataSize", "5");
	taken("ElementNumberOfChannels", "1");
	taken("HeaderSize", "0");
	taken("ElementByteOrderMSB", "True");
	taken("ElementToIntensityFunctionSlope", "1");
	taken("CenterOfRotation", "9 9 9");
	taken("AnatomicalOrientation", "SAL");
	taken("ElementSize", "7 7 7");
	refused("ObjectType", "Tube", "m: ObjectType 'Tube' is not read (expected Image) (offset 20)");
	refused("FileFormatVersion", "1", "m: FileFormatVersion '1' is not read (expected 0) (offset 20)");
	refused("ElementOrigin", "0 0 0", "m: field 'ElementOrigin' is not read (offset 20)");
	refused("ElementDirection", "1 0 0 0 1 0 0 0 1", "m: field 'ElementDirection' is not read (offset 20)");
	refused("NDims", NULL, "m: no field 'NDims' in the MetaImage header");
	refused("NDims", "1", "m: NDims: 1 is not in 2..4 (offset 39)");
	refused("NDims", "5", "m: NDims: 5 is not in 2..4 (offset 39)");
	refused("NDims", "three", "m: NDims: 'three' is not a whole number (offset 39)");
	refused("NDims", "2", "m: DimSize: more than 2 numbers (offset 105)");
	refused("NDims", "4", "m: DimSize: 3 numbers (expected 4) (offset 105)");
	refused("DimSize", NULL, "m: no field 'DimSize' in the MetaImage header");
	refused("DimSize", "2 3", "m: DimSize: 2 numbers (expected 3) (offset 105)");
	refused("DimSize", "2 3 4 5", "m: DimSize: more than 3 numbers (offset 105)");
	refused("DimSize", "2 3 0", "m: DimSize: 0 is not in 1..1048576 (offset 105)");
	refused("DimSize", "2 3 1048577", "m: DimSize: 1048577 is not in 1..1048576 (offset 105)");
	refused("DimSize", "1048576 1048576 1048576", "m: DimSize: more than 2^56 voxels (offset 105)");
	refused("DimSize", "2 3 5", "m: ends inside the voxels (expected 30 bytes, found 24) (offset 193)");
	refused("DimSize", "2 3 3", "m: bytes after the voxels (offset 187)");
	refused("ElementType", NULL, "m: no field 'ElementType' in the MetaImage header");
	refused("ElementType", "MET_STRING", "m: ElementType 'MET_STRING' is not read (expected an integer of 8 to 64 bits, float or double) (offset 121)");
	refused("ElementType", "met_uchar", "m: ElementType 'met_uchar' is not read (expected an integer of 8 to 64 bits, float or double) (offset 121)");
	refused("ElementType", "MET_SHORT", "m: ends inside the voxels (expected 48 bytes, found 24) (offset 193)");
	refused("ElementNumberOfChannels", "0", "m: ElementNumberOfChannels: 0 is not in 1..1048576 (offset 20)");
	refused("ElementNumberOfChannels", "2", "m: ends inside the voxels (expected 48 bytes, found 24) (offset 221)");
	refused("BinaryData", "False", "m: BinaryData: voxels as text are not read (offset 49)");
	refused("BinaryData", "yes", "m: BinaryData 'yes' is not read (expected True or False) (offset 49)");
	refused("BinaryDataByteOrderMSB", "maybe", "m: BinaryDataByteOrderMSB 'maybe' is not read (expected True or False) (offset 20)");
	refused("CompressedData", "maybe", "m: CompressedData 'maybe' is not read (expected True or False) (offset 20)");
	refused("CompressedData", "True", "m: corrupt zlib: a method that is not deflate (offset 193)");
	refused("ElementSpacing", NULL, "m: no ElementSpacing and no ElementSize in the MetaImage header");
	refused("ElementSpacing", "1 1", "m: ElementSpacing: 2 numbers (expected 3) (offset 82)");
	refused("ElementSpacing", "1 1 1 1", "m: ElementSpacing: more than 3 numbers (offset 82)");
	refused("ElementSpacing", "1 1 0", "m: ElementSpacing: an axis of no length (offset 82)");
	refused("ElementSpacing", "1 1 nan", "m: ElementSpacing: 'nan' is not a finite number (offset 82)");
	refused("Offset", "1 2", "m: Offset: 2 numbers (expected 3) (offset 67)");
	refused("Offset", "1 2 x", "m: Offset: 'x' is not a finite number (offset 67)");
	refused("Position", "1 2 4", "m: Offset and Position differ (offset 20)");
	refused("TransformMatrix", "1 0 0 0 1 0 0 0", "m: TransformMatrix: 8 numbers (expected 9) (offset 20)");
	refused("TransformMatrix", "1 0 0 0 1 0 1 0 0", "m: TransformMatrix: singular: the axes lie in one plane (offset 20)");
	refused("TransformMatrix", "1 0 0 0 1 0 0 0 1e10", "m: TransformMatrix: 1e10 is not in -1e+09..1e+09 (offset 20)");
	refused("DistanceUnits", "cm", "m: DistanceUnits 'cm' is not read (expected mm) (offset 20)");
	refused("ElementToIntensityFunctionSlope", "2", "m: ElementToIntensityFunctionSlope: rescaled values are not read (expected 1) (offset 20)");
	refused("ElementToIntensityFunctionOffset", "-1024", "m: ElementToIntensityFunctionOffset: rescaled values are not read (expected 0) (offset 20)");
	refused("", "NDims = 3", "m: field 'NDims' is there twice (offset 49)");
	refused("", "no separator", "m: line is no 'Key = Value': 'no separator' (offset 20)");
	refused("HeaderSize", "-2", "m: HeaderSize: -2 is not in -1..1099511627776 (offset 20)");
	refused("HeaderSize", "-1", "m: HeaderSize: -1 needs a plain file");
	refused("HeaderSize", "5", "m: HeaderSize: inside the header (expected at least 184) (offset 5)");
	refused("HeaderSize", "300", "m: ends before the voxels (expected them at offset 300) (offset 210)");
	refused("ElementDataFile", "x.raw", "m: a MetaImage header with data file 'x.raw', which is not looked for from here (name the header)");
	refused("ElementDataFile", "LIST", "m: ElementDataFile 'LIST': voxels in several files are not read (offset 145)");
	refused("ElementDataFile", "s%03d.raw 1 3 1", "m: ElementDataFile 's%03d.raw 1 3 1': voxels in several files are not read (offset 145)");
	refused("ElementDataFile", "-", "m: ElementDataFile: no name (offset 145)");
}

int main(void)
{
	static const char *const names[] = {"int16.mha", "int16_z.mha", "vector.mha", "vector_z.mha", "odd.mha"};

	golden(GOLDEN, 33);
	headers();
	damage(GOLDEN, names, sizeof names / sizeof *names, 1, STEP);
	return tap_done();
}
