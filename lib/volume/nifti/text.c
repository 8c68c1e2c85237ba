#define _GNU_SOURCE
#include "lib/volume/nifti/text.h"

#include <math.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"

enum { MM = 2, SHORT_SIDE = INT16_MAX };

/* Numbers beyond what NIfTI's float32 holds, or too small for it, are no places in a patient. */
static const double largest = 1e9, smallest = 1e-9;

const char *text_name(const struct text *t, int f)
{
	for (size_t i = 0; i < t->format->n; i++)
		if (t->format->fields[i].f == f)
			return t->format->fields[i].name;
	return "?";
}

char *text_trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	n = strlen(s);
	while (n && strchr(" \t\r", s[n - 1]))
		s[--n] = 0;
	return s;
}

char *text_word(char **p)
{
	char *word;

	while ((word = strsep(p, " \t")) && !*word)
		;
	return word;
}

int text_lines(struct text *t, char *text, size_t n, struct err *e)
{
	char *p = text, *next;

	text[n] = 0;
	if (strlen(text) != n)
		return err_at(e, t->file, (int64_t)strlen(text), "a zero byte in the %s header", t->format->name);
	for (; p < text + n; p = next) {
		char *end = strchr(p, '\n');

		next = end ? end + 1 : text + n;
		if (end)
			*end = 0;
		if (end && end > p && end[-1] == '\r')
			end[-1] = 0;
		if (*p && t->format->line(t, p, p - text, e))
			return -1;
	}
	return 0;
}

int text_set(struct text *t, const char *name, char *value, int64_t at, struct err *e)
{
	for (size_t i = 0; i < t->format->n; i++) {
		int f = t->format->fields[i].f;

		if (t->format->differ(t->format->fields[i].name, name))
			continue;
		if (f == TEXT_REFUSED)
			return err_at(e, t->file, at, "field '%s' is not read", t->format->fields[i].name);
		if (f != TEXT_IGNORED && t->v[f])
			return err_at(e, t->file, at, "field '%s' is there twice", t->format->fields[i].name);
		t->v[f] = value;
		t->at[f] = at;
		return 0;
	}
	return 1;
}

int text_bad(const struct text *t, int f, const char *what, struct err *e)
{
	return err_at(e, t->file, t->at[f], "%s: %s", text_name(t, f), what);
}

int text_not_read(const struct text *t, int f, const char *expected, struct err *e)
{
	return err_at(e, t->file, t->at[f], "%s '%.80s' is not read (expected %s)", text_name(t, f), t->v[f], expected);
}

int text_need(const struct text *t, int f, struct err *e)
{
	return t->v[f] ? 0 : err_set(e, t->file, "no field '%s' in the %s header", text_name(t, f), t->format->name);
}

int text_whole(const struct text *t, int f, const char *text, int64_t lo, int64_t hi, int64_t *out, struct err *e)
{
	struct err why;

	return arg_int(text, lo, hi, out, &why) ? err_at(e, t->file, t->at[f], "%s: %.200s", text_name(t, f), why.text) : 0;
}

int text_number(const struct text *t, int f, char *text, double *out, struct err *e)
{
	struct err why;

	text += strspn(text, " \t");
	text[strcspn(text, " \t")] = 0;
	return arg_float(text, -largest, largest, out, &why) ? err_at(e, t->file, t->at[f], "%s: %.200s", text_name(t, f), why.text) : 0;
}

int text_sizes(struct text *t, int f, struct err *e)
{
	char *p, *word;
	size_t all = 1;
	int n = 0;

	if (text_need(t, f, e))
		return -1;
	for (p = t->v[f]; (word = text_word(&p));) {
		if (n == t->axes)
			return err_at(e, t->file, t->at[f], "%s: more than %d numbers", text_name(t, f), n);
		if (text_whole(t, f, word, 1, NII_SIDE_MAX, &t->size[n], e))
			return -1;
		if (mem_mul(&all, all, (size_t)t->size[n++]) || all > (size_t)1 << 56)
			return text_bad(t, f, "more than 2^56 voxels", e);
	}
	return n == t->axes ? 0 : err_at(e, t->file, t->at[f], "%s: %d numbers (expected %d)", text_name(t, f), n, t->axes);
}

int text_of_type(struct text_volume *v, const struct text *t, int f, const struct text_type *types, size_t n, struct err *e)
{
	if (text_need(t, f, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!t->format->differ(types[i].name, t->v[f])) {
			v->h.h.datatype = (int16_t)nii_type_code(types[i].t);
			v->h.h.bitpix = (int16_t)nii_type_bits(v->h.h.datatype);
			return 0;
		}
	return text_not_read(t, f, "an integer of 8 to 64 bits, float or double", e);
}

int text_data_file(struct text_volume *v, const struct text *t, int f, struct err *e)
{
	char *name = t->v[f];

	if (!strncmp(name, "LIST", 4) || strchr(name, '%'))
		return err_at(e, t->file, t->at[f], "%s '%.200s': voxels in several files are not read", text_name(t, f), name);
	if (!*name || !strcmp(name, "-"))
		return text_bad(t, f, "no name", e);
	v->data = name;
	return 0;
}

static int check_columns(const struct text *t, int f, double c[3][3], struct err *e)
{
	double det = c[0][0] * (c[1][1] * c[2][2] - c[1][2] * c[2][1]) - c[1][0] * (c[0][1] * c[2][2] - c[0][2] * c[2][1]) +
	             c[2][0] * (c[0][1] * c[1][2] - c[0][2] * c[1][1]);

	for (int j = 0; j < 3; j++)
		if (!(hypot(hypot(c[j][0], c[j][1]), c[j][2]) >= smallest))
			return text_bad(t, f, "an axis of no length", e);
	return det == 0 || !isfinite(det) ? text_bad(t, f, "singular: the axes lie in one plane", e) : 0;
}

int text_affine(const struct text *t, int f, double column[3][3], const double origin[3], const double sign[3], double a[16], struct err *e)
{
	if (check_columns(t, f, column, e))
		return -1;
	memset(a, 0, 16 * sizeof *a);
	a[15] = 1;
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			a[4 * i + j] = column[j][i] ? sign[i] * column[j][i] : 0; /* no -0 */
		a[4 * i + 3] = origin[i] ? sign[i] * origin[i] : 0;
	}
	return 0;
}

int text_as_nifti(struct text_volume *v, const struct text *t, const double affine[16], struct err *e)
{
	nifti_2_header *h = &v->h.h;
	int n = 0;

	for (int i = 0; i < 8; i++)
		h->dim[i] = h->pixdim[i] = 1;
	h->dim[0] = t->channel < 0 ? 3 : 4;
	for (int i = 0; i < t->axes; i++)
		if (i != t->channel)
			h->dim[++n] = t->size[i];
	if (t->channel >= 0)
		h->dim[4] = t->size[t->channel];
	v->first = t->channel == 0 && t->size[0] > 1;
	v->h.version = 1;
	for (int i = 1; i <= 4; i++)
		if (h->dim[i] > SHORT_SIDE)
			v->h.version = 2;
	h->xyzt_units = MM;
	nii_set_affine(h, affine);
	v->h.pair = 1; /* voxels may stand anywhere */
	if (nii_header_check(&v->h, t->file, e))
		return -1;
	v->h.pair = 0;
	return 0;
}
