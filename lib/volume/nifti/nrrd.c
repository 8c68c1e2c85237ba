#define _GNU_SOURCE
#include "lib/volume/nifti/nrrd.h"

#include <string.h>
#include <strings.h>

static const struct text_field fields[] = {
	{"dimension", NRRD_DIMENSION}, {"type", NRRD_TYPE}, {"sizes", NRRD_SIZES}, {"encoding", NRRD_ENCODING}, {"endian", NRRD_ENDIAN},
	{"space", NRRD_SPACE}, {"space dimension", NRRD_SPACE_DIMENSION}, {"space directions", NRRD_DIRECTIONS}, {"space origin", NRRD_ORIGIN},
	{"space units", NRRD_SPACE_UNITS}, {"spacings", NRRD_SPACINGS}, {"kinds", NRRD_KINDS},
	{"data file", NRRD_DATA_FILE}, {"datafile", NRRD_DATA_FILE}, {"line skip", NRRD_LINE_SKIP}, {"lineskip", NRRD_LINE_SKIP},
	{"byte skip", NRRD_BYTE_SKIP}, {"byteskip", NRRD_BYTE_SKIP},
	/* say nothing of values or places */
	{"content", TEXT_IGNORED}, {"number", TEXT_IGNORED}, {"min", TEXT_IGNORED}, {"max", TEXT_IGNORED}, {"thicknesses", TEXT_IGNORED},
	{"centers", TEXT_IGNORED}, {"centerings", TEXT_IGNORED}, {"labels", TEXT_IGNORED}, {"units", TEXT_IGNORED}, {"sample units", TEXT_IGNORED},
	{"sampleunits", TEXT_IGNORED}, {"measurement frame", TEXT_IGNORED},
	/* quantised values, places by another rule */
	{"old min", TEXT_REFUSED}, {"oldmin", TEXT_REFUSED}, {"old max", TEXT_REFUSED}, {"oldmax", TEXT_REFUSED}, {"axis mins", TEXT_REFUSED},
	{"axismins", TEXT_REFUSED}, {"axis maxs", TEXT_REFUSED}, {"axismaxs", TEXT_REFUSED}, {"block size", TEXT_REFUSED}, {"blocksize", TEXT_REFUSED},
};

static const struct text_type types[] = {
	{"signed char", DT_I8}, {"int8", DT_I8}, {"int8_t", DT_I8},
	{"uchar", DT_U8}, {"unsigned char", DT_U8}, {"uint8", DT_U8}, {"uint8_t", DT_U8},
	{"short", DT_I16}, {"short int", DT_I16}, {"signed short", DT_I16}, {"signed short int", DT_I16}, {"int16", DT_I16}, {"int16_t", DT_I16},
	{"ushort", DT_U16}, {"unsigned short", DT_U16}, {"unsigned short int", DT_U16}, {"uint16", DT_U16}, {"uint16_t", DT_U16},
	{"int", DT_I32}, {"signed int", DT_I32}, {"int32", DT_I32}, {"int32_t", DT_I32},
	{"uint", DT_U32}, {"unsigned int", DT_U32}, {"uint32", DT_U32}, {"uint32_t", DT_U32},
	{"longlong", DT_I64}, {"long long", DT_I64}, {"long long int", DT_I64}, {"signed long long", DT_I64}, {"signed long long int", DT_I64},
	{"int64", DT_I64}, {"int64_t", DT_I64},
	{"ulonglong", DT_U64}, {"unsigned long long", DT_U64}, {"unsigned long long int", DT_U64}, {"uint64", DT_U64}, {"uint64_t", DT_U64},
	{"float", DT_F32}, {"double", DT_F64},
};

static int begins(const uint8_t first[4])
{
	return !memcmp(first, "NRRD", 4);
}

static int ends(const char *line, size_t n)
{
	return n && line[n - 1] == '\n' && (n == 1 || (n == 2 && *line == '\r'));
}

static int magic(const struct text *t, const char *line, struct err *e)
{
	if (strlen(line) == 8 && !memcmp(line, "NRRD000", 7) && line[7] >= '1' && line[7] <= '5')
		return 0;
	return err_at(e, t->file, 0, "not a NRRD file that is known here (expected NRRD0001 to NRRD0005, found \"%.8s\")", line);
}

static int one_line(struct text *t, char *line, int64_t at, struct err *e)
{
	char *colon = strchr(line, ':');
	int r;

	if (!at)
		return magic(t, line, e);
	if (*line == '#')
		return 0;
	while (colon && colon[1] && !strchr(" \t=", colon[1]))
		colon = strchr(colon + 1, ':');
	if (!colon)
		return err_at(e, t->file, at, "line is no comment, 'field: value' or 'key:=value': '%.80s'", line);
	if (colon[1] == '=') {
		*colon = 0;
		return nrrd_segment_key(t, line, colon + 2, e);
	}
	*colon = 0;
	r = text_set(t, line, text_trim(colon + 1), at, e);
	return r > 0 ? err_at(e, t->file, at, "'%.80s' is no field of NRRD", line) : r;
}

static int sizes(struct text *t, struct err *e)
{
	int64_t axes = 0;

	if (text_need(t, NRRD_DIMENSION, e) || text_need(t, NRRD_SIZES, e) || text_whole(t, NRRD_DIMENSION, t->v[NRRD_DIMENSION], 1, 16, &axes, e))
		return -1;
	if (axes != 3 && axes != 4)
		return err_at(e, t->file, t->at[NRRD_DIMENSION], "dimension is %lld (expected 3, or 4 with channels)", (long long)axes);
	t->axes = (int)axes;
	return text_sizes(t, NRRD_SIZES, e);
}

static int encoding(struct text_volume *r, const struct text *t, struct err *e)
{
	const char *v = t->v[NRRD_ENCODING];

	if (text_need(t, NRRD_ENCODING, e))
		return -1;
	r->packed = !strcasecmp(v, "gzip") || !strcasecmp(v, "gz") ? TEXT_GZIP : TEXT_PLAIN;
	return !r->packed && strcasecmp(v, "raw") ? text_not_read(t, NRRD_ENCODING, "raw or gzip", e) : 0;
}

static int endian(struct text_volume *r, const struct text *t, struct err *e)
{
	const char *v = t->v[NRRD_ENDIAN];

	if (!v && r->h.h.bitpix == 8)
		return 0;
	if (text_need(t, NRRD_ENDIAN, e))
		return -1;
	r->h.swapped = !strcasecmp(v, "big");
	if (!r->h.swapped && strcasecmp(v, "little"))
		return err_at(e, t->file, t->at[NRRD_ENDIAN], "endian '%.80s' (expected little or big)", v);
	return 0;
}

static int skips(struct text_volume *r, const struct text *t, struct err *e)
{
	const char *bytes = t->v[NRRD_BYTE_SKIP], *line = t->v[NRRD_LINE_SKIP];

	if ((line && text_whole(t, NRRD_LINE_SKIP, line, 0, 1 << 30, &r->line_skip, e)) ||
	    (bytes && text_whole(t, NRRD_BYTE_SKIP, bytes, -1, (int64_t)1 << 40, &r->byte_skip, e)))
		return -1;
	return r->byte_skip < 0 && r->packed ? text_bad(t, NRRD_BYTE_SKIP, "-1 goes with encoding raw alone", e) : 0;
}

static int parse(struct text_volume *r, char *text, size_t n, const char *file, struct err *e)
{
	struct text t = {.format = &nrrd_format, .file = file, .channel = -1};
	double affine[16];

	memset(r, 0, sizeof *r);
	if (text_lines(&t, text, n, e) || sizes(&t, e) || text_of_type(r, &t, NRRD_TYPE, types, sizeof types / sizeof *types, e) || encoding(r, &t, e) ||
	    endian(r, &t, e) || (t.v[NRRD_DATA_FILE] && text_data_file(r, &t, NRRD_DATA_FILE, e)) || skips(r, &t, e) || nrrd_affine(&t, affine, e) ||
	    nrrd_segments_check(&t, e) || text_as_nifti(r, &t, affine, e)) {
		json_decref(t.segments);
		return -1;
	}
	r->segments = t.segments;
	return 0;
}

const struct text_format nrrd_format = {
	"NRRD", "blank line", "byte skip", fields, sizeof fields / sizeof *fields, strcasecmp, begins, ends, one_line, parse,
};
