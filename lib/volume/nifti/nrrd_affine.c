#define _GNU_SOURCE
#include <string.h>
#include <strings.h>

#include "lib/volume/nifti/nrrd.h"

/* Signs that turn a space's axes to right, anterior, superior. */
static const struct { const char *name; double sign[3]; } spaces[] = {
	{"left-posterior-superior", {-1, -1, 1}}, {"LPS", {-1, -1, 1}}, {"left-anterior-superior", {-1, 1, 1}}, {"LAS", {-1, 1, 1}},
	{"right-anterior-superior", {1, 1, 1}},   {"RAS", {1, 1, 1}},
};

/* "(a,b,c)" or "none" from *p on. 1 a vector, 0 none, -1. */
static int vector(const struct text *t, enum nrrd_field f, char **p, double v[3], struct err *e)
{
	char *s = *p + strspn(*p, " \t"), *end, *part;
	int n = 0;

	if (!strncasecmp(s, "none", 4)) {
		*p = s + 4;
		return 0;
	}
	end = *s == '(' ? strchr(s, ')') : NULL;
	if (!end)
		return text_bad(t, f, "expected (a,b,c) or none for every axis", e);
	*end = 0;
	*p = end + 1;
	for (s++; (part = strsep(&s, ",")); n++)
		if (n == 3)
			return text_bad(t, f, "more than three numbers in a vector", e);
		else if (text_number(t, f, part, &v[n], e))
			return -1;
	return n == 3 ? 1 : text_bad(t, f, "fewer than three numbers in a vector", e);
}

static int take_channel(struct text *t, enum nrrd_field f, int axis, struct err *e)
{
	if (t->axes == 3)
		return text_bad(t, f, "an axis without place among three (expected three of space)", e);
	if (t->channel >= 0)
		return text_bad(t, f, "two axes without place (one can become the channels)", e);
	t->channel = axis;
	return 0;
}

static int directions(struct text *t, double column[3][3], struct err *e)
{
	char *p = t->v[NRRD_DIRECTIONS];
	int n = 0;

	for (int axis = 0; axis < t->axes; axis++) {
		double v[3];
		int k = vector(t, NRRD_DIRECTIONS, &p, v, e);

		if (k < 0 || (!k && take_channel(t, NRRD_DIRECTIONS, axis, e)))
			return -1;
		if (!k)
			continue;
		if (n == 3)
			return text_bad(t, NRRD_DIRECTIONS, "four vectors (expected three, and none for the channels)", e);
		memcpy(column[n++], v, sizeof v);
	}
	return p[strspn(p, " \t")] ? text_bad(t, NRRD_DIRECTIONS, "more than one for every axis", e) : 0;
}

static int is(const char *p, size_t n, const char *word)
{
	return n == strlen(word) && !strncasecmp(p, word, n);
}

/* Which of four axes `kinds` puts outside space; else the last. */
static int by_kinds(const struct text *t)
{
	const char *p = t->v[NRRD_KINDS];

	for (int axis = 0; p && axis < 4; axis++) {
		size_t n;

		p += strspn(p, " \t");
		n = strcspn(p, " \t");
		if (n && !is(p, n, "domain") && !is(p, n, "space") && !is(p, n, "???") && !is(p, n, "none"))
			return axis;
		p += n;
	}
	return 3;
}

static int spacings(struct text *t, double column[3][3], struct err *e)
{
	char *p = t->v[NRRD_SPACINGS], *word;
	double v[4];
	int axis = 0, n = 0;

	while ((word = text_word(&p))) {
		if (axis == t->axes)
			return text_bad(t, NRRD_SPACINGS, "more than one for every axis", e);
		if (!strcasecmp(word, "nan")) {
			if (take_channel(t, NRRD_SPACINGS, axis, e))
				return -1;
		} else if (text_number(t, NRRD_SPACINGS, word, &v[axis], e))
			return -1;
		axis++;
	}
	if (axis != t->axes)
		return text_bad(t, NRRD_SPACINGS, "fewer than one for every axis", e);
	if (t->axes == 4 && t->channel < 0)
		t->channel = by_kinds(t);
	for (axis = 0; axis < t->axes; axis++)
		if (axis != t->channel) {
			if (v[axis] <= 0)
				return text_bad(t, NRRD_SPACINGS, "not above 0", e);
			column[n][n] = v[axis];
			n++;
		}
	return 0;
}

static int origin(const struct text *t, double o[3], struct err *e)
{
	char *p = t->v[NRRD_ORIGIN];
	int k;

	if (!p)
		return 0;
	k = vector(t, NRRD_ORIGIN, &p, o, e);
	if (k < 0)
		return -1;
	return !k || p[strspn(p, " \t")] ? text_bad(t, NRRD_ORIGIN, "expected one vector (a,b,c)", e) : 0;
}

/* "mm" for every axis, or "" where nothing is said. */
static int units(const struct text *t, struct err *e)
{
	const char *p = t->v[NRRD_SPACE_UNITS], *end;

	for (; p && *(p += strspn(p, " \t")); p = end + 1) {
		end = *p == '"' ? strchr(p + 1, '"') : NULL;
		if (!end)
			return text_bad(t, NRRD_SPACE_UNITS, "expected \"mm\" for every axis", e);
		if (end - p > 1 && strncmp(p, "\"mm\"", 4))
			return text_bad(t, NRRD_SPACE_UNITS, "only mm are read", e);
	}
	return 0;
}

static int sign_of_space(const struct text *t, double sign[3], struct err *e)
{
	const char *v = t->v[NRRD_SPACE];

	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
		if (!strcasecmp(spaces[i].name, v)) {
			memcpy(sign, spaces[i].sign, sizeof spaces[i].sign);
			return 0;
		}
	return err_at(e, t->file, t->at[NRRD_SPACE],
	              "space '%.80s' does not place a patient (expected left-posterior-superior, left-anterior-superior or right-anterior-superior)", v);
}

static int check_kinds(const struct text *t, struct err *e)
{
	return t->v[NRRD_KINDS] && strcasestr(t->v[NRRD_KINDS], "complex") ? text_bad(t, NRRD_KINDS, "complex voxels are not read", e) : 0;
}

static int check_channel(const struct text *t, struct err *e)
{
	if (t->channel != 1 && t->channel != 2)
		return 0;
	return err_at(e, t->file, t->at[NRRD_SIZES], "axis %d is the channels' (expected the first or the last)", t->channel + 1);
}

int nrrd_affine(struct text *t, double a[16], struct err *e)
{
	double column[3][3] = {{0}}, o[3] = {0}, sign[3] = {-1, -1, 1};
	int placed = t->v[NRRD_DIRECTIONS] != NULL;
	enum nrrd_field f = placed ? NRRD_DIRECTIONS : NRRD_SPACINGS;

	if (t->v[NRRD_SPACE_DIMENSION])
		return text_bad(t, NRRD_SPACE_DIMENSION, "a space without name (expected space: left-posterior-superior or the like)", e);
	if (!t->v[f])
		return err_set(e, t->file, "no space directions and no spacings in the NRRD header");
	if (placed && t->v[NRRD_SPACINGS])
		return text_bad(t, NRRD_SPACINGS, "beside space directions", e);
	if (!t->v[NRRD_SPACE] && (placed || t->v[NRRD_ORIGIN]))
		return text_bad(t, placed ? NRRD_DIRECTIONS : NRRD_ORIGIN, "without a space", e);
	if (check_kinds(t, e) || units(t, e) || (t->v[NRRD_SPACE] && sign_of_space(t, sign, e)) ||
	    (placed ? directions(t, column, e) : spacings(t, column, e)) || check_channel(t, e) || origin(t, o, e))
		return -1;
	return text_affine(t, f, column, o, sign, a, e);
}
