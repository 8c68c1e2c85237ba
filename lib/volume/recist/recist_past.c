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

/* The sum of diameters of case id in a table of lesions or of cases. 0 or -1. */
static int sum_of(const struct table *t, const char *id, int64_t *label, double *sum, struct err *e)
{
	int64_t of = table_need(t, "id", e), column = table_find(t, "sum_mm");
	size_t n;

	if (of < 0)
		return -1;
	if (column < 0)
		return targets(t, id, label, &n, sum, e);
	for (int64_t i = 0; i < t->rows; i++)
		if (!strcmp(table_cell(t, i, of), id)) {
			if (table_number(t, i, column, sum, e))
				return -1;
			return *sum >= 0 && isfinite(*sum) ? 0 : err_set(e, t->path, "line %lld: a sum of %g mm", (long long)i + 2, *sum);
		}
	return absent(t, id, e);
}

static int compare(struct recist_case *c, const struct recist_past *p, int64_t *label, struct err *e)
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

		if (sum_of(&p->nadir[i], c->id, label, &sum, e))
			return -1;
		c->nadir = fmin(c->nadir, sum);
	}
	c->response = recist_respond(c->l, c->n, c->baseline, c->nadir);
	return 0;
}

int recist_compare(struct recist_case *c, const struct recist_past *p, struct err *e)
{
	int64_t most = p->baseline->rows, *label;
	int r;

	for (int i = 0; i < p->nadirs; i++)
		most = p->nadir[i].rows > most ? p->nadir[i].rows : most;
	label = mem_new((size_t)most, sizeof *label, "labels", e);
	r = label ? compare(c, p, label, e) : -1;
	free(label);
	return r;
}
