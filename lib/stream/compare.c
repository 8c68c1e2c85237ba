#include "lib/stream/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/stream/values.h"

enum { TEXT = 160 };
static const double affine_atol = 1e-6, affine_rtol = 1e-6;

static int listed(const char *const *list, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return 1;
	return 0;
}

/* "[1,2,3]" */
static void list_text(const int64_t *v, int n, char text[TEXT])
{
	int at = snprintf(text, TEXT, "[");

	for (int i = 0; i < n && at < TEXT - 24; i++)
		at += snprintf(text + at, (size_t)(TEXT - at), "%s%lld", i ? "," : "", (long long)v[i]);
	snprintf(text + at, (size_t)(TEXT - at), "]");
}

static int values_differ(const struct tensor *a, const struct tensor *b, const struct tensor_diff *d, struct err *why)
{
	char where[TEXT], va[VALUE_TEXT], vb[VALUE_TEXT];
	int64_t at[FRAME_RANK], rest = d->first;

	for (int i = a->rank - 1; i >= 0; i--) {
		at[i] = rest % a->shape[i];
		rest /= a->shape[i];
	}
	list_text(at, a->rank, where);
	tensor_value_text(a, d->first, va);
	tensor_value_text(b, d->first, vb);
	err_set(why, NULL, "%.80s%s is %s and %s (largest difference %.9g, %lld of %lld values differ)", a->name, where, va, vb, d->max,
	        (long long)d->count, (long long)tensor_count(a));
	return 1;
}

static int compare_tensor(struct compare *c, const struct tensor *a, const struct tensor *b, struct err *why)
{
	char sa[TEXT], sb[TEXT];
	struct tensor_diff d;

	if (a->dtype != b->dtype) {
		err_set(why, NULL, "%.80s is %s and %s", a->name, dtype_name(a->dtype), dtype_name(b->dtype));
		return 1;
	}
	if (a->rank != b->rank || memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape)) {
		list_text(a->shape, a->rank, sa);
		list_text(b->shape, b->rank, sb);
		err_set(why, NULL, "%.80s has the shape %s and %s", a->name, sa, sb);
		return 1;
	}
	tensor_compare(a, b, c->atol, c->rtol, &d);
	if (dtype_is_float(a->dtype))
		c->max = d.max > c->max ? d.max : c->max;
	return d.count ? values_differ(a, b, &d, why) : 0;
}

static int only_in(const char *name, const char *what, const char *which, struct err *why)
{
	err_set(why, NULL, "%s%.80s is in the %s only", what, name, which);
	return 1;
}

static int compare_tensors(struct compare *c, const struct frame *a, const struct frame *b, struct err *why)
{
	for (int i = 0; i < c->n_only; i++)
		if (!frame_find(a, c->only[i]) && !frame_find(b, c->only[i]))
			return err_set(why, NULL, "no tensor '%.80s' in either frame", c->only[i]);
	for (int i = 0; i < a->n; i++) {
		const struct tensor *t = &a->t[i], *u = frame_find(b, t->name);
		int r;

		if (c->n_only && !listed(c->only, c->n_only, t->name))
			continue;
		r = u ? compare_tensor(c, t, u, why) : only_in(t->name, "", "first", why);
		if (r)
			return r;
	}
	for (int i = 0; i < b->n; i++)
		if ((!c->n_only || listed(c->only, c->n_only, b->t[i].name)) && !frame_find(a, b->t[i].name))
			return only_in(b->t[i].name, "", "second", why);
	return 0;
}

static int same_affine(const struct frame *f, const struct frame *g)
{
	double a[16], b[16];
	struct err ignored;

	if (frame_affine(f, a, &ignored) || frame_affine(g, b, &ignored))
		return 0;
	for (int i = 0; i < 16; i++)
		if (fabs(a[i] - b[i]) > affine_atol + affine_rtol * fabs(b[i]))
			return 0;
	return 1;
}

static int compare_key(const char *key, const struct frame *f, const struct frame *g, struct err *why)
{
	const char *a = frame_meta(f, key), *b = frame_meta(g, key);

	if (!a && !b)
		return 0;
	if (!a || !b)
		return only_in(key, "metadata ", a ? "first" : "second", why);
	if (!strcmp(a, b) || (!strcmp(key, "affine") && same_affine(f, g)))
		return 0;
	err_set(why, NULL, "metadata %.80s is '%.300s' and '%.300s'", key, a, b);
	return 1;
}

static int compare_metadata(const struct compare *c, const struct frame *a, const struct frame *b, struct err *why)
{
	static const char *const main_keys[] = {"id", "kind", "affine"};
	const struct frame *both[2] = {a, b};
	const char *key;
	json_t *v;
	int r = 0;

	for (size_t i = 0; i < sizeof main_keys / sizeof *main_keys && !r; i++)
		if (!listed(c->ignore, c->n_ignore, main_keys[i]))
			r = compare_key(main_keys[i], a, b, why);
	for (int k = 0; k < 2 && c->meta == COMPARE_ALL; k++)
		json_object_foreach(both[k]->meta, key, v)
			if (!r && !listed(c->ignore, c->n_ignore, key))
				r = compare_key(key, a, b, why);
	return r;
}

int frame_compare(struct compare *c, const struct frame *a, const struct frame *b, struct err *why)
{
	int r = c->meta == COMPARE_NONE ? 0 : compare_metadata(c, a, b, why);

	return r ? r : compare_tensors(c, a, b, why);
}
