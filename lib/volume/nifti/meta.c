#define _GNU_SOURCE
#include "lib/volume/nifti/meta.h"

#include <string.h>
#include <strings.h>

static const struct text_field fields[] = {
	{"ObjectType", META_OBJECT}, {"FileFormatVersion", META_VERSION}, {"NDims", META_NDIMS}, {"DimSize", META_SIZES}, {"ElementType", META_TYPE},
	{"ElementNumberOfChannels", META_CHANNELS}, {"BinaryData", META_BINARY}, {"BinaryDataByteOrderMSB", META_MSB},
	{"ElementByteOrderMSB", META_ELEMENT_MSB}, {"CompressedData", META_COMPRESSED}, {"CompressedDataSize", META_COMPRESSED_SIZE},
	{"TransformMatrix", META_MATRIX}, {"Rotation", META_ROTATION}, {"Orientation", META_ORIENTATION}, {"Offset", META_OFFSET},
	{"Position", META_POSITION}, {"Origin", META_ORIGIN}, {"ImagePosition", META_IMAGE_POSITION}, {"ElementSpacing", META_SPACING},
	{"ElementSize", META_ELEMENT_SIZE}, {"DistanceUnits", META_UNITS}, {"ElementToIntensityFunctionSlope", META_SLOPE},
	{"ElementToIntensityFunctionOffset", META_INTERCEPT}, {"HeaderSize", META_HEADER_SIZE}, {"ElementDataFile", META_DATA_FILE},
	/* places in files of version 1 */
	{"ElementOrigin", TEXT_REFUSED}, {"ElementDirection", TEXT_REFUSED},
};

/* MetaIO's long has 4 bytes on every machine. */
static const struct text_type types[] = {
	{"MET_CHAR", DT_I8}, {"MET_ASCII_CHAR", DT_I8}, {"MET_UCHAR", DT_U8}, {"MET_SHORT", DT_I16}, {"MET_USHORT", DT_U16}, {"MET_INT", DT_I32},
	{"MET_UINT", DT_U32}, {"MET_LONG", DT_I32}, {"MET_ULONG", DT_U32}, {"MET_LONG_LONG", DT_I64}, {"MET_ULONG_LONG", DT_U64},
	{"MET_FLOAT", DT_F32}, {"MET_DOUBLE", DT_F64},
};

static int begins(const uint8_t first[4])
{
	return !memcmp(first, "Obje", 4) || !memcmp(first, "NDim", 4) || !memcmp(first, "Comm", 4);
}

static int ends(const char *line, size_t n)
{
	static const char key[] = "ElementDataFile";
	size_t k = sizeof key - 1;

	for (; n && strchr(" \t", *line); line++)
		n--;
	if (n <= k || memcmp(line, key, k))
		return 0;
	while (k < n && strchr(" \t", line[k]))
		k++;
	return k < n && strchr("=:", line[k]);
}

static int one_line(struct text *t, char *line, int64_t at, struct err *e)
{
	char *sep = strpbrk(line, "=:");

	if (!*text_trim(line))
		return 0;
	if (!sep)
		return err_at(e, t->file, at, "line is no 'Key = Value': '%.80s'", line);
	*sep = 0;
	return text_set(t, text_trim(line), text_trim(sep + 1), at, e) < 0 ? -1 : 0;
}

/* A field that has several names; 0: under none. Under two it must say the same. */
static int one_of(const struct text *t, const int *names, int n, int *f, struct err *e)
{
	*f = 0;
	for (int i = 0; i < n; i++) {
		if (!t->v[names[i]])
			continue;
		if (*f && strcmp(t->v[*f], t->v[names[i]]))
			return err_at(e, t->file, t->at[names[i]], "%s and %s differ", text_name(t, *f), text_name(t, names[i]));
		*f = *f ? *f : names[i];
	}
	return 0;
}

static int truth(const struct text *t, int f, int *v, struct err *e)
{
	static const struct { const char *word; int v; } words[] = {{"true", 1}, {"t", 1}, {"1", 1}, {"false", 0}, {"f", 0}, {"0", 0}};

	for (size_t i = 0; i < sizeof words / sizeof *words && t->v[f]; i++)
		if (!strcasecmp(words[i].word, t->v[f])) {
			*v = words[i].v;
			return 0;
		}
	return t->v[f] ? text_not_read(t, f, "True or False", e) : 0;
}

/* n numbers of field f. */
static int numbers(const struct text *t, int f, int n, double *out, struct err *e)
{
	char *p = t->v[f], *word;
	int k = 0;

	while ((word = text_word(&p))) {
		if (k == n)
			return err_at(e, t->file, t->at[f], "%s: more than %d numbers", text_name(t, f), n);
		if (text_number(t, f, word, &out[k++], e))
			return -1;
	}
	return k == n ? 0 : err_at(e, t->file, t->at[f], "%s: %d numbers (expected %d)", text_name(t, f), k, n);
}

/* The direction of axis i is row i. */
static int matrix(const struct text *t, int f, double rows[3][3], struct err *e)
{
	double m[16];
	int n = t->axes;

	if (numbers(t, f, n * n, m, e))
		return -1;
	for (int i = 0; i < 3 && i < n; i++)
		for (int j = 0; j < 3 && j < n; j++)
			rows[i][j] = m[i * n + j];
	for (int i = 0; i < 3 && n == 4; i++)
		if (m[4 * i + 3] != 0 || m[12 + i] != 0)
			return text_bad(t, f, "the fourth axis is not apart from space (expected zeroes)", e);
	return 0;
}

static int affine(const struct text *t, double a[16], struct err *e)
{
	static const int turns[] = {META_MATRIX, META_ROTATION, META_ORIENTATION}, places[] = {META_OFFSET, META_POSITION, META_ORIGIN, META_IMAGE_POSITION};
	static const double lps[3] = {-1, -1, 1};
	double rows[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, origin[4] = {0}, spacing[4] = {1, 1, 1, 1};
	int turn, place, spaced = t->v[META_SPACING] ? META_SPACING : META_ELEMENT_SIZE;

	if (one_of(t, turns, 3, &turn, e) || one_of(t, places, 4, &place, e))
		return -1;
	if (!t->v[spaced])
		return err_set(e, t->file, "no ElementSpacing and no ElementSize in the MetaImage header");
	if (numbers(t, spaced, t->axes, spacing, e) || (turn && matrix(t, turn, rows, e)) || (place && numbers(t, place, t->axes, origin, e)))
		return -1;
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
			rows[i][j] *= spacing[i];
	if (t->axes == 2)
		origin[2] = 0;
	return text_affine(t, turn ? turn : spaced, rows, origin, lps, a, e);
}

static int ndims(struct text *t, struct err *e)
{
	int64_t n;

	if (text_need(t, META_NDIMS, e) || text_whole(t, META_NDIMS, t->v[META_NDIMS], 2, 4, &n, e))
		return -1;
	t->axes = (int)n;
	return text_sizes(t, META_SIZES, e);
}

/* Always three axes in space, and then where the channels are. */
static int channels(struct text *t, struct err *e)
{
	int64_t c = 1;

	if (t->v[META_CHANNELS] && text_whole(t, META_CHANNELS, t->v[META_CHANNELS], 1, NII_SIDE_MAX, &c, e))
		return -1;
	if (t->axes == 4 && t->size[3] > 1 && c > 1)
		return text_bad(t, META_CHANNELS, "beside a fourth axis (one of them can become the channels)", e);
	if (t->axes == 4 && c == 1)
		t->channel = 3;
	if (t->axes == 2)
		t->size[2] = 1;
	if (t->channel < 0)
		t->axes = 3;
	if (c == 1)
		return 0;
	memmove(t->size + 1, t->size, 3 * sizeof *t->size);
	t->size[0] = c;
	t->channel = 0;
	t->axes = 4;
	return 0;
}

/* Values and places that ITK does not look at. */
static int refused(const struct text *t, struct err *e)
{
	double slope = 1, inter = 0;

	if (t->v[META_OBJECT] && strcmp(t->v[META_OBJECT], "Image"))
		return text_not_read(t, META_OBJECT, "Image", e);
	if (t->v[META_VERSION] && strcmp(t->v[META_VERSION], "0"))
		return text_not_read(t, META_VERSION, "0", e);
	if (t->v[META_UNITS] && strcmp(t->v[META_UNITS], "mm") && strcmp(t->v[META_UNITS], "?"))
		return text_not_read(t, META_UNITS, "mm", e);
	if ((t->v[META_SLOPE] && numbers(t, META_SLOPE, 1, &slope, e)) || (t->v[META_INTERCEPT] && numbers(t, META_INTERCEPT, 1, &inter, e)))
		return -1;
	if (slope != 1)
		return text_bad(t, META_SLOPE, "rescaled values are not read (expected 1)", e);
	return inter != 0 ? text_bad(t, META_INTERCEPT, "rescaled values are not read (expected 0)", e) : 0;
}

static int packing(struct text_volume *v, const struct text *t, struct err *e)
{
	static const int orders[] = {META_MSB, META_ELEMENT_MSB};
	int order, binary = 1, packed = 0;

	if (one_of(t, orders, 2, &order, e) || (order && truth(t, order, &v->h.swapped, e)) || truth(t, META_BINARY, &binary, e) ||
	    truth(t, META_COMPRESSED, &packed, e))
		return -1;
	if (!binary)
		return text_bad(t, META_BINARY, "voxels as text are not read", e);
	v->packed = packed ? TEXT_ZLIB : TEXT_PLAIN;
	if (packed && t->v[META_COMPRESSED_SIZE])
		return text_whole(t, META_COMPRESSED_SIZE, t->v[META_COMPRESSED_SIZE], 0, (int64_t)1 << 56, &v->packed_size, e);
	return 0;
}

static int place(struct text_volume *v, const struct text *t, struct err *e)
{
	const char *name = t->v[META_DATA_FILE];
	int64_t size = 0;

	if (text_need(t, META_DATA_FILE, e))
		return -1;
	if (strcmp(name, "LOCAL") && strcmp(name, "Local") && strcmp(name, "local") && text_data_file(v, t, META_DATA_FILE, e))
		return -1;
	if (t->v[META_HEADER_SIZE] && text_whole(t, META_HEADER_SIZE, t->v[META_HEADER_SIZE], -1, (int64_t)1 << 40, &size, e))
		return -1;
	if (size < 0 && v->packed)
		return text_bad(t, META_HEADER_SIZE, "-1 goes with voxels that are not compressed", e);
	v->from = size > 0 ? size : 0;
	v->byte_skip = size < 0 ? -1 : 0;
	return 0;
}

static int parse(struct text_volume *v, char *text, size_t n, const char *file, struct err *e)
{
	struct text t = {.format = &meta_format, .file = file, .channel = -1};
	double a[16];

	memset(v, 0, sizeof *v);
	if (text_lines(&t, text, n, e) || refused(&t, e) || ndims(&t, e) || text_of_type(v, &t, META_TYPE, types, sizeof types / sizeof *types, e) ||
	    packing(v, &t, e) || place(v, &t, e) || affine(&t, a, e) || channels(&t, e))
		return -1;
	return text_as_nifti(v, &t, a, e);
}

const struct text_format meta_format = {
	"MetaImage", "ElementDataFile", "HeaderSize", fields, sizeof fields / sizeof *fields, strcmp, begins, ends, one_line, parse,
};
