#include "lib/volume/score/score_compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/score/summary.h"

/* ---- what both have ---- */

/* Names in one line, as many as it holds. */
struct names { char text[600]; size_t used, n; };

static void name(struct names *s, const char *fmt, const char *what, const char *label)
{
	char one[120];
	int n = snprintf(one, sizeof one, fmt, what, label);

	s->n++;
	if (n < 0 || (size_t)n >= sizeof one || s->used + (size_t)n + 2 >= sizeof s->text)
		return;
	s->used += (size_t)snprintf(s->text + s->used, sizeof s->text - s->used, "%s%s", s->used ? ", " : "", one);
}

/* Every case of a is in b. */
static int check_cases(const struct score_file *a, const struct score_file *b, struct err *e)
{
	struct names missing = {"", 0, 0};
	size_t j = 0;

	for (size_t i = 0; i < a->n; i++) {
		const struct score_line *l = &a->line[i];
		int order = -1;

		while (j < b->n && (order = strcmp(b->line[j].id, l->id), order < 0 || (!order && score_label_order(b->line[j].label, l->label) < 0)))
			j++;
		if (j == b->n || order || score_label_order(b->line[j].label, l->label))
			name(&missing, "%.80s (label %.30s)", l->id, l->label);
	}
	return missing.n ? err_set(e, b->t.path, "has not %zu of the cases of %.200s: %s", missing.n, a->t.path, missing.text) : 0;
}

static int check_columns(const struct score_file *a, const struct score_file *b, struct err *e)
{
	struct names missing = {"", 0, 0};

	for (int i = 0; i < a->columns; i++)
		if (table_find(&b->t, a->name[i]) < 0)
			name(&missing, "%.80s", a->name[i], "");
	return missing.n ? err_set(e, b->t.path, "has not %zu of the columns of %.200s (choose with --metrics): %s", missing.n, a->t.path, missing.text) : 0;
}

/* The metric named by n bytes: its index, or -1. */
static int metric_of(const struct score_file *f, const char *text, size_t n)
{
	for (int i = 0; i < f->columns; i++)
		if (strlen(f->name[i]) == n && !strncmp(f->name[i], text, n))
			return i;
	return -1;
}

/* ---- differences ---- */

struct row { const char *metric, *label; double n, mean[2], difference, median, lo, hi, w, p; };

static const struct { const char *name; size_t at; } columns[] = {
	{"n", offsetof(struct row, n)},           {"mean_a", offsetof(struct row, mean[0])}, {"mean_b", offsetof(struct row, mean[1])},
	{"difference", offsetof(struct row, difference)}, {"median_difference", offsetof(struct row, median)}, {"ci_low", offsetof(struct row, lo)},
	{"ci_high", offsetof(struct row, hi)},    {"w", offsetof(struct row, w)},            {"p", offsetof(struct row, p)},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static double value(const struct row *r, int column)
{
	double v;

	memcpy(&v, (const char *)r + columns[column].at, sizeof v);
	return v;
}

struct compare {
	const struct score_file *a, *b;
	const struct score_summary_options *o;
	double *d;
	struct err *e;
};

/* Lines of a and b stand in the same order. A difference of two equal infinities is none. */
static int compare(const struct compare *c, const char *label, int in_a, int in_b, struct row *r)
{
	struct summary s;
	size_t n = 0;

	*r = (struct row){.metric = c->a->name[in_a], .label = label};
	for (size_t i = 0; i < c->a->n; i++) {
		double p = c->a->line[i].v[in_a], q = c->b->line[i].v[in_b];

		if (score_label_order(c->a->line[i].label, label) || isnan(p) || isnan(q))
			continue;
		r->mean[0] += p;
		r->mean[1] += q;
		c->d[n++] = p == q ? 0 : q - p;
	}
	r->n = (double)n;
	r->mean[0] /= (double)n;
	r->mean[1] /= (double)n;
	if (summary_of(c->d, n, c->o->resamples, c->o->seed, &s, c->e) || summary_wilcoxon(c->d, n, &r->w, &r->p, c->e))
		return -1;
	r->difference = s.mean;
	r->median = s.median;
	r->lo = s.lo;
	r->hi = s.hi;
	return 0;
}

/* ---- output ---- */

static int row_tsv(const struct row *r, struct out *out, struct err *e)
{
	if (out_printf(out, e, "%s\t%s", r->metric, r->label))
		return -1;
	for (int k = 0; k < COLUMNS; k++) {
		double v = value(r, k);

		if (isnan(v) ? out_printf(out, e, "\tnan") : out_printf(out, e, "\t%.6g", v))
			return -1;
	}
	return out_printf(out, e, "\n");
}

static json_t *row_json(const struct row *r)
{
	struct err ignored;
	int64_t number;
	json_t *label = arg_int(r->label, 0, 0, &number, &ignored) ? json_string(r->label) : json_integer(number);
	json_t *o = json_pack("{s:s, s:o}", "metric", r->metric, "label", label);

	for (int k = 0; k < COLUMNS; k++)
		json_object_set_new(o, columns[k].name, score_json(value(r, k)));
	return o;
}

/* The next label of a behind `after`, NULL: the first; NULL: there is none. */
static const char *next_label(const struct score_file *a, const char *after)
{
	const char *best = NULL;

	for (size_t i = 0; i < a->n; i++) {
		const char *l = a->line[i].label;

		if ((!after || score_label_order(l, after) > 0) && (!best || score_label_order(l, best) < 0))
			best = l;
	}
	return best;
}

static int rows(const struct compare *c, const int *in_a, int n, json_t *list, struct out *out)
{
	for (const char *label = next_label(c->a, NULL); label; label = next_label(c->a, label))
		for (int i = 0; i < n; i++) {
			const char *metric = c->a->name[in_a[i]];
			struct row r;

			if (compare(c, label, in_a[i], metric_of(c->b, metric, strlen(metric)), &r))
				return -1;
			if (list)
				json_array_append_new(list, row_json(&r));
			else if (row_tsv(&r, out, c->e))
				return -1;
		}
	return 0;
}

static int write_all(const struct compare *c, const int *in_a, int n, int json, json_t *about, struct out *out)
{
	json_t *all = json ? json_pack("{s:[]}", "compare") : NULL;
	int r = json ? 0 : out_printf(out, c->e, "metric\tlabel");

	for (int k = 0; k < COLUMNS && !r && !json; k++)
		r = out_printf(out, c->e, "\t%s", columns[k].name);
	if (!r && !json)
		r = out_printf(out, c->e, "\n");
	if (!r)
		r = rows(c, in_a, n, json_object_get(all, "compare"), out);
	if (!r && json)
		r = score_write_object(all, about, out, c->e);
	json_decref(all);
	return r;
}

/* The columns of a that `only` names, or all, into in_a; how many, or -1. */
static int choose(const struct score_file *a, const struct score_file *b, const char *only, int *in_a, struct err *e)
{
	int n = 0;

	if (!only) {
		for (; n < a->columns; n++)
			in_a[n] = n;
		return check_columns(a, b, e) || check_columns(b, a, e) ? -1 : n;
	}
	for (const char *p = only; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
		int length = (int)strcspn(p, ",");

		for (int k = 0; k < 2; k++)
			if (metric_of(k ? b : a, p, (size_t)length) < 0)
				return err_set(e, (k ? b : a)->t.path, "has no column '%.*s'", length < 80 ? length : 80, p);
		if (n < a->columns)
			in_a[n++] = metric_of(a, p, (size_t)length);
	}
	return n;
}

int score_compare(const struct score_file *a, const struct score_file *b, const char *only, const struct score_summary_options *o, int json,
                  json_t *about, struct out *out, struct err *e)
{
	struct compare c = {a, b, o, mem_new(a->n, sizeof *c.d, "differences", e), e};
	int *in_a = mem_new((size_t)a->columns, sizeof *in_a, "columns", e), r = -1, n;

	if (c.d && in_a && !check_cases(a, b, e) && !check_cases(b, a, e) && (n = choose(a, b, only, in_a, e)) >= 0)
		r = write_all(&c, in_a, n, json, about, out);
	free(c.d);
	free(in_a);
	return r;
}
