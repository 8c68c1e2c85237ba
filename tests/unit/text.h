/* What the tests of formats whose header is text share: golden files, headers that are refused, damage of every kind. */
#ifndef TESTS_TEXT_H
#define TESTS_TEXT_H

#include <math.h>
#include <stdlib.h>

#include "tests/unit/nii.h"

static struct err e;

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
	v = values(&f, 31, &e);
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

/* 0: read whole and in order. */
static inline int reads(const void *p, size_t n)
{
	struct nii_file f;
	float *v;

	if (nii_open_mem(&f, p, n, "m", &e))
		return -1;
	v = f.h.values < 1 << 20 ? values(&f, 31, &e) : NULL;
	nii_close(&f);
	free(v);
	return v ? 0 : -1;
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
	int bad = reads(text, n);

	ok(bad && !strcmp(e.text, want), "%s", want);
	if (bad && strcmp(e.text, want))
		printf("# said %s\n", e.text);
}

static inline void taken_in(const struct sample *s, const char *key, const char *value)
{
	char text[4096];
	size_t n = make(s, text, key, value, 24);
	int good = !reads(text, n);

	ok(good, "'%s: %s' is read%s%s", key, value ? value : "", good ? "" : ": ", good ? "" : e.text);
}

static inline void *slurp(const char *dir, const char *name, size_t *n)
{
	char path[128], *p = malloc(1 << 16);
	FILE *in;

	snprintf(path, sizeof path, "%s%s", dir, name);
	in = fopen(path, "rb");
	*n = in ? fread(p, 1, 1 << 16, in) : 0;
	if (in)
		fclose(in);
	return p;
}

static inline void damage(const char *dir, const char *const *names, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		size_t n, whole = 0, accepted = 0;
		uint8_t *p = slurp(dir, names[k], &n);

		ok(n && !reads(p, n), "%s: whole", names[k]);
		for (size_t cut = 0; cut < n; cut++)
			whole += !reads(p, cut);
		ok(!whole, "%s: cut short is an error", names[k]);
		for (size_t at = 0; at < n; at++) {
			uint8_t was = p[at];

			for (int bit = 0; bit < 8; bit++) {
				p[at] = was ^ (uint8_t)(1 << bit);
				accepted += !reads(p, n);
			}
			p[at] = was;
		}
		ok(accepted < n * 8, "%s: no flipped bit crashes (%zu of %zu accepted)", names[k], accepted, n * 8);
		p[n] = 7;
		ok(reads(p, n + 1), "%s: a byte after the end: %s", names[k], e.text);
		free(p);
	}
}

#endif
