/* What the tests of formats whose header is text share: golden files, headers that are refused, damage of every kind. */
#ifndef TESTS_TEXT_H
#define TESTS_TEXT_H

#include <math.h>
#include <stdlib.h>

#include "tests/unit/nii.h"

enum { STEP = 31 }; /* values at a time */

static inline void golden_file(const char *dir, const struct expected *x)
{
	struct nii_file f;
	struct nii_header back;
	json_t *o;
	float *v;

	if (open_expected(&f, dir, x, 1e-12)) /* ITK parts directions into length and cosines and multiplies them again */
		return;
	o = nii_record(&f.h);
	ok(!nii_record_parse(o, &back, &e) && !memcmp(&back.grid, &f.h.grid, sizeof back.grid), "%s: header through JSON", x->name);
	json_decref(o);
	v = values(&f, STEP);
	ok(v && sha_is(v, f.h.values, x->sha), "%s: values", x->name);
	free(v);
	nii_close(&f);
}

/* Every file of expected.tsv in dir, which has n lines. */
static inline void golden(const char *dir, int n)
{
	char path[128];
	FILE *in;
	struct expected x;
	int lines = 0;

	snprintf(path, sizeof path, "%sexpected.tsv", dir);
	in = fopen(path, "r");
	for (; in && next_expected(in, &x); lines++)
		golden_file(dir, &x);
	if (in)
		fclose(in);
	ok(lines == n, "%d golden files", lines);
}

/* A header that is read, of 24 voxels of one byte: a line for each key. */
struct sample {
	const char *magic, *sep, *end;
	const char *const (*lines)[2];
	size_t n;
};

/* A whole file of 24 voxels: line `key` says `value` instead (NULL: left out; a key that is not there comes in front), n bytes of voxels. */
static inline size_t make(const struct sample *s, char *out, const char *key, const char *value, size_t n)
{
	size_t used = (size_t)snprintf(out, 4096, "%s", s->magic), i, seen = 0;

	for (i = 0; i < s->n; i++)
		seen += !strcmp(s->lines[i][0], key);
	if (!seen && value)
		used += (size_t)snprintf(out + used, 4096 - used, "%s%s%s\n", key, *key ? s->sep : "", value);
	for (i = 0; i < s->n; i++) {
		const char *v = strcmp(s->lines[i][0], key) ? s->lines[i][1] : value;

		if (v)
			used += (size_t)snprintf(out + used, 4096 - used, "%s%s%s\n", s->lines[i][0], s->sep, v);
	}
	used += (size_t)snprintf(out + used, 4096 - used, "%s", s->end);
	memset(out + used, 7, n);
	return used + n;
}

static inline void refused_in(const struct sample *s, const char *key, const char *value, const char *want)
{
	char text[4096];
	size_t n = make(s, text, key, value, 24);
	int bad = reads(text, n, STEP);

	ok(bad && !strcmp(e.text, want), "%s", want);
	if (bad && strcmp(e.text, want))
		printf("# said %s\n", e.text);
}

static inline void taken_in(const struct sample *s, const char *key, const char *value)
{
	char text[4096];
	size_t n = make(s, text, key, value, 24);
	int good = !reads(text, n, STEP);

	ok(good, "'%s: %s' is read%s%s", key, value ? value : "", good ? "" : ": ", good ? "" : e.text);
}

#endif
