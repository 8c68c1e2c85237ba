#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/recist/recist.h"

static int absent(const struct table *t, const char *id, struct err *e)
{
	return err_set(e, t->path, "has no case '%.80s'", id);
}

/* The targets of case id in a table of lesions: how many, their labels, and the sum of their sizes. 0 or -1. */
static int targets(const struct table *t, const char *id, int64_t *label, size_t *n, double *sum, struct err *e)
{
	int64_t of = table_need(t, "id", e), which = of < 0 ? -1 : table_need(t, "label", e), target = which < 0 ? -1 : table_need(t, "target", e);
	int64_t size = target < 0 ? -1 : table_need(t, "size_mm", e);
	int found = 0;

	*sum = 0;
	*n = 0;
	if (size < 0)
		return -1;
	for (int64_t i = 0; i < t->rows; i++) {
		double v;

		if (strcmp(table_cell(t, i, of), id))
			continue;
		found = 1;
		if (strcmp(table_cell(t, i, target), "yes"))
			continue;
		if (table_integer(t, i, which, &label[*n], e) || table_number(t, i, size, &v, e))
			return -1;
		if (!(v >= 0 && isfinite(v)))
			return err_set(e, t->path, "line %lld: a target of %g mm", (long long)i + 2, v);
		*sum += v;
		++*n;
	}
	return found ? 0 : absent(t, id, e);
}

/* The sum of the lesions of case id in a table of lesions that its targets at baseline are that day, as recist_follow has it: of every label as many
   as were targets, the largest, whatever the table says of targets; those of label[i], n of them. size: room for a number a row. 0 or -1. */
static int followed(const struct table *t, const char *id, const int64_t *label, size_t n, double *size, double *sum, struct err *e)
{
	int64_t of = table_find(t, "id"), which = table_need(t, "label", e), column = which < 0 ? -1 : table_need(t, "size_mm", e), l;
	int found = 0;

	if (column < 0)
		return -1;
	for (int64_t i = 0; i < t->rows; i++) {
		size[i] = -1;
		if (strcmp(table_cell(t, i, of), id))
			continue;
		found = 1;
		if (table_number(t, i, column, &size[i], e))
			return -1;
		if (!(size[i] >= 0 && isfinite(size[i])))
			return err_set(e, t->path, "line %lld: a lesion of %g mm", (long long)i + 2, size[i]);
	}
	*sum = 0;
	for (size_t k = 0; k < n; k++) {
		int64_t best = -1;

		for (int64_t i = 0; i < t->rows; i++) {
			if (size[i] < 0 || (best >= 0 && size[i] <= size[best]))
				continue;
			if (table_integer(t, i, which, &l, e))
				return -1;
			best = l == label[k] ? i : best;
		}
		if (best >= 0)
			*sum += size[best], size[best] = -1;
	}
	return found ? 0 : err_set(e, t->path, "has no case '%.80s' (of a day without lesions give its table of cases, or 0)", id);
}

/* The sum of diameters of case id on a day between, in a table of lesions or of cases. 0 or -1. */
static int sum_of(const struct table *t, const char *id, const int64_t *label, size_t n, double *size, double *sum, struct err *e)
{
	int64_t of = table_need(t, "id", e), column = table_find(t, "sum_mm"), from = table_find(t, "baseline_mm");
	double baseline = 0;

	if (of < 0)
		return -1;
	if (column < 0)
		return followed(t, id, label, n, size, sum, e);
	for (int64_t i = 0; i < t->rows; i++)
		if (!strcmp(table_cell(t, i, of), id)) {
			if (table_number(t, i, column, sum, e) || (from >= 0 && table_number(t, i, from, &baseline, e)))
				return -1;
			if (isnan(baseline))
				return err_set(e, t->path, "line %lld: the sum is not of the baseline's targets: make it with --baseline", (long long)i + 2);
			return *sum >= 0 && isfinite(*sum) ? 0 : err_set(e, t->path, "line %lld: a sum of %g mm", (long long)i + 2, *sum);
		}
	return absent(t, id, e);
}

static int compare(struct recist_case *c, const struct recist_past *p, int64_t *label, double *size, struct err *e)
{
	size_t n;

	if (targets(p->baseline, c->id, label, &n, &c->baseline, e))
		return -1;
	for (size_t i = 0; i < c->n; i++)
		c->l[i].target = 0;
	recist_follow(c->l, c->n, label, n);
	c->nadir = fmin(c->baseline, p->least);
	for (int i = 0; i < p->nadirs; i++) {
		double sum;

		if (sum_of(&p->nadir[i], c->id, label, n, size, &sum, e))
			return -1;
		c->nadir = fmin(c->nadir, sum);
	}
	c->response = recist_respond(c->l, c->n, c->baseline, c->nadir);
	return 0;
}

int recist_compare(struct recist_case *c, const struct recist_past *p, struct err *e)
{
	int64_t most = 1, *label;
	double *size;
	int r;

	for (int i = 0; i < p->nadirs; i++)
		most = p->nadir[i].rows > most ? p->nadir[i].rows : most;
	label = mem_new((size_t)p->baseline->rows, sizeof *label, "labels", e);
	size = label ? mem_new((size_t)most, sizeof *size, "sizes", e) : NULL;
	r = size ? compare(c, p, label, size, e) : -1;
	free(size);
	free(label);
	return r;
}
