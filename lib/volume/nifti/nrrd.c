#define _GNU_SOURCE
#include "lib/volume/nifti/nrrd.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"

enum { MM = 2, SHORT_SIDE = INT16_MAX };

static const struct { const char *name; enum nrrd_field f; } fields[] = {
	{"dimension", NRRD_DIMENSION}, {"type", NRRD_TYPE}, {"sizes", NRRD_SIZES}, {"encoding", NRRD_ENCODING}, {"endian", NRRD_ENDIAN},
	{"space", NRRD_SPACE}, {"space dimension", NRRD_SPACE_DIMENSION}, {"space directions", NRRD_DIRECTIONS}, {"space origin", NRRD_ORIGIN},
	{"space units", NRRD_SPACE_UNITS}, {"spacings", NRRD_SPACINGS}, {"kinds", NRRD_KINDS},
	{"data file", NRRD_DATA_FILE}, {"datafile", NRRD_DATA_FILE}, {"line skip", NRRD_LINE_SKIP}, {"lineskip", NRRD_LINE_SKIP},
	{"byte skip", NRRD_BYTE_SKIP}, {"byteskip", NRRD_BYTE_SKIP},
	/* say nothing of values or places */
	{"content", NRRD_IGNORED}, {"number", NRRD_IGNORED}, {"min", NRRD_IGNORED}, {"max", NRRD_IGNORED}, {"thicknesses", NRRD_IGNORED},
	{"centers", NRRD_IGNORED}, {"centerings", NRRD_IGNORED}, {"labels", NRRD_IGNORED}, {"units", NRRD_IGNORED}, {"sample units", NRRD_IGNORED},
	{"sampleunits", NRRD_IGNORED}, {"measurement frame", NRRD_IGNORED},
	/* quantised values, places by another rule */
	{"old min", NRRD_REFUSED}, {"oldmin", NRRD_REFUSED}, {"old max", NRRD_REFUSED}, {"oldmax", NRRD_REFUSED}, {"axis mins", NRRD_REFUSED},
	{"axismins", NRRD_REFUSED}, {"axis maxs", NRRD_REFUSED}, {"axismaxs", NRRD_REFUSED}, {"block size", NRRD_REFUSED}, {"blocksize", NRRD_REFUSED},
};

static const struct { const char *name; enum dtype t; } types[] = {
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

const char *nrrd_name(enum nrrd_field f)
{
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (fields[i].f == f)
			return fields[i].name;
	return "?";
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n && strchr(" \t\r", s[n - 1]))
		s[--n] = 0;
	return s;
}

static int one_field(struct nrrd_text *t, const char *name, char *value, int64_t at, struct err *e)
{
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		enum nrrd_field f = fields[i].f;

		if (strcasecmp(fields[i].name, name))
			continue;
		if (f == NRRD_REFUSED)
			return err_at(e, t->file, at, "field '%s' is not read", fields[i].name);
		if (f != NRRD_IGNORED && t->v[f])
			return err_at(e, t->file, at, "field '%s' is there twice", fields[i].name);
		t->v[f] = value;
		t->at[f] = at;
		return 0;
	}
	return err_at(e, t->file, at, "'%.80s' is no field of NRRD", name);
}

static int one_line(struct nrrd_text *t, char *line, int64_t at, struct err *e)
{
	char *colon = strchr(line, ':');

	if (*line == '#')
		return 0;
	while (colon && colon[1] && !strchr(" \t=", colon[1]))
		colon = strchr(colon + 1, ':');
	if (!colon)
		return err_at(e, t->file, at, "line is no comment, 'field: value' or 'key:=value': '%.80s'", line);
	if (colon[1] == '=')
		return 0;
	*colon = 0;
	return one_field(t, line, trim(colon + 1), at, e);
}

static int lines(struct nrrd_text *t, char *text, size_t n, struct err *e)
{
	char *p = text, *next;

	text[n] = 0;
	if (strlen(text) != n)
		return err_at(e, t->file, (int64_t)strlen(text), "a zero byte in the NRRD header");
	if (n < 8 || memcmp(p, "NRRD000", 7) || p[7] < '1' || p[7] > '5' || (n > 8 && !strchr("\r\n", p[8])))
		return err_at(e, t->file, 0, "not a NRRD file that is known here (expected NRRD0001 to NRRD0005, found \"%.8s\")", p);
	for (int first = 1; p < text + n; p = next, first = 0) {
		char *end = strchr(p, '\n');

		next = end ? end + 1 : text + n;
		if (end)
			*end = 0;
		if (end && end > p && end[-1] == '\r')
			end[-1] = 0;
		if (!first && *p && one_line(t, p, p - text, e))
			return -1;
	}
	return 0;
}

static int need(const struct nrrd_text *t, enum nrrd_field f, struct err *e)
{
	return t->v[f] ? 0 : err_set(e, t->file, "no field '%s' in the NRRD header", nrrd_name(f));
}

static int whole(const struct nrrd_text *t, enum nrrd_field f, const char *text, int64_t lo, int64_t hi, int64_t *out, struct err *e)
{
	struct err why;

	return arg_int(text, lo, hi, out, &why) ? err_at(e, t->file, t->at[f], "%s: %.200s", nrrd_name(f), why.text) : 0;
}

static int sizes(struct nrrd_text *t, struct err *e)
{
	char *p, *word;
	int64_t axes = 0;
	size_t all = 1;
	int n = 0;

	if (need(t, NRRD_DIMENSION, e) || need(t, NRRD_SIZES, e) || whole(t, NRRD_DIMENSION, t->v[NRRD_DIMENSION], 1, 16, &axes, e))
		return -1;
	if (axes != 3 && axes != 4)
		return err_at(e, t->file, t->at[NRRD_DIMENSION], "dimension is %lld (expected 3, or 4 with channels)", (long long)axes);
	for (p = t->v[NRRD_SIZES]; (word = strsep(&p, " \t"));) {
		if (!*word)
			continue;
		if (n == axes)
			return err_at(e, t->file, t->at[NRRD_SIZES], "sizes: more than %d numbers", n);
		if (whole(t, NRRD_SIZES, word, 1, NII_SIDE_MAX, &t->size[n], e))
			return -1;
		if (mem_mul(&all, all, (size_t)t->size[n++]) || all > (size_t)1 << 56)
			return err_at(e, t->file, t->at[NRRD_SIZES], "sizes: more than 2^56 voxels");
	}
	t->axes = (int)axes;
	return n == axes ? 0 : err_at(e, t->file, t->at[NRRD_SIZES], "sizes: %d numbers (expected %d)", n, t->axes);
}

static int type(struct nrrd *r, const struct nrrd_text *t, struct err *e)
{
	const char *v = t->v[NRRD_TYPE];

	if (need(t, NRRD_TYPE, e))
		return -1;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcasecmp(types[i].name, v)) {
			r->h.h.datatype = (int16_t)nii_type_code(types[i].t);
			r->h.h.bitpix = (int16_t)nii_type_bits(r->h.h.datatype);
			return 0;
		}
	return err_at(e, t->file, t->at[NRRD_TYPE], "type '%.80s' is not read (expected an integer of 8 to 64 bits, float or double)", v);
}

static int encoding(struct nrrd *r, const struct nrrd_text *t, struct err *e)
{
	const char *v = t->v[NRRD_ENCODING];

	if (need(t, NRRD_ENCODING, e))
		return -1;
	r->gzip = !strcasecmp(v, "gzip") || !strcasecmp(v, "gz");
	if (!r->gzip && strcasecmp(v, "raw"))
		return err_at(e, t->file, t->at[NRRD_ENCODING], "encoding '%.80s' is not read (expected raw or gzip)", v);
	return 0;
}

static int endian(struct nrrd *r, const struct nrrd_text *t, struct err *e)
{
	const char *v = t->v[NRRD_ENDIAN];

	if (!v && r->h.h.bitpix == 8)
		return 0;
	if (need(t, NRRD_ENDIAN, e))
		return -1;
	r->h.swapped = !strcasecmp(v, "big");
	if (!r->h.swapped && strcasecmp(v, "little"))
		return err_at(e, t->file, t->at[NRRD_ENDIAN], "endian '%.80s' (expected little or big)", v);
	return 0;
}

static int data_file(struct nrrd *r, const struct nrrd_text *t, struct err *e)
{
	char *v = t->v[NRRD_DATA_FILE];

	if (!v)
		return 0;
	if (!strncmp(v, "LIST", 4) || strchr(v, '%'))
		return err_at(e, t->file, t->at[NRRD_DATA_FILE], "data file '%.200s': voxels in several files are not read", v);
	if (!*v || !strcmp(v, "-"))
		return err_at(e, t->file, t->at[NRRD_DATA_FILE], "data file: no name");
	r->data = v;
	return 0;
}

static int skips(struct nrrd *r, const struct nrrd_text *t, struct err *e)
{
	const char *bytes = t->v[NRRD_BYTE_SKIP], *line = t->v[NRRD_LINE_SKIP];

	if ((line && whole(t, NRRD_LINE_SKIP, line, 0, 1 << 30, &r->line_skip, e)) ||
	    (bytes && whole(t, NRRD_BYTE_SKIP, bytes, -1, (int64_t)1 << 40, &r->byte_skip, e)))
		return -1;
	if (r->byte_skip < 0 && r->gzip)
		return err_at(e, t->file, t->at[NRRD_BYTE_SKIP], "byte skip: -1 goes with encoding raw alone");
	return 0;
}

/* The same volume in NIfTI's terms, which then checks it as its own. */
static int as_nifti(struct nrrd *r, const struct nrrd_text *t, const double affine[16], struct err *e)
{
	nifti_2_header *h = &r->h.h;
	int n = 0;

	for (int i = 0; i < 8; i++)
		h->dim[i] = h->pixdim[i] = 1;
	h->dim[0] = t->channel < 0 ? 3 : 4;
	for (int i = 0; i < t->axes; i++)
		if (i != t->channel)
			h->dim[++n] = t->size[i];
	if (t->channel >= 0)
		h->dim[4] = t->size[t->channel];
	r->first = t->channel == 0 && t->size[0] > 1;
	r->h.version = 1;
	for (int i = 1; i <= 4; i++)
		if (h->dim[i] > SHORT_SIDE)
			r->h.version = 2;
	h->xyzt_units = MM;
	nii_set_affine(h, affine);
	r->h.pair = 1; /* voxels may stand anywhere */
	if (nii_header_check(&r->h, t->file, e))
		return -1;
	r->h.pair = 0;
	return 0;
}

int nrrd_parse(struct nrrd *r, char *text, size_t n, const char *file, struct err *e)
{
	struct nrrd_text t = {.file = file, .channel = -1};
	double affine[16];

	memset(r, 0, sizeof *r);
	if (lines(&t, text, n, e) || sizes(&t, e) || type(r, &t, e) || encoding(r, &t, e) || endian(r, &t, e) || data_file(r, &t, e) ||
	    skips(r, &t, e) || nrrd_affine(&t, affine, e))
		return -1;
	return as_nifti(r, &t, affine, e);
}
