/* 10^8 draws are never held: how often each voxel was drawn is counted, then values are sorted with their counts. */
#include "lib/volume/fingerprint/fingerprint_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { DRAWS = 100000000, SEED = 1234 };

struct counted { float v; int64_t n; };
struct pool { struct counted *c; size_t n; };

static int by_value(const void *a, const void *b)
{
	float x = ((const struct counted *)a)->v, y = ((const struct counted *)b)->v;

	return (x > y) - (x < y);
}

/* Sort, and make one of equal values. */
static void gather(struct pool *p)
{
	size_t n = 0;

	if (p->n)
		qsort(p->c, p->n, sizeof *p->c, by_value);
	for (size_t i = 0; i < p->n; i++)
		if (n && p->c[n - 1].v == p->c[i].v)
			p->c[n - 1].n += p->c[i].n;
		else
			p->c[n++] = p->c[i];
	p->n = n;
}

static int append(struct pool *p, const struct pool *more, struct err *e)
{
	struct counted *grown = realloc(p->c, (p->n + more->n) * sizeof *grown + 1);

	if (!grown)
		return err_set(e, NULL, "not enough memory for %zu values", p->n + more->n);
	p->c = grown;
	memcpy(p->c + p->n, more->c, more->n * sizeof *grown);
	p->n += more->n;
	gather(p);
	return 0;
}

struct mt19937 *fingerprint_draws(const struct fingerprint *p, struct err *e)
{
	struct mt19937 *m = mem_new((size_t)p->n, sizeof *m, "draws", e);

	for (int64_t i = 0; m && i < p->n; i++)
		mt19937_init(&m[i], SEED);
	return m;
}

/* A case's draws for channel c. */
static int draw(const struct fingerprint_case *f, int c, int64_t draws, struct mt19937 *m, struct pool *to, struct err *e)
{
	to->n = (size_t)f->n;
	to->c = mem_zero((size_t)f->n, sizeof *to->c, "counts", e);
	if (!to->c)
		return -1;
	for (int64_t i = 0; i < f->n; i++)
		to->c[i].v = f->value[c * f->n + i];
	for (int64_t i = 0; i < draws && f->n; i++)
		to->c[mt19937_interval(m, (uint32_t)(f->n - 1))].n++;
	gather(to);
	return 0;
}

static double at(const struct pool *p, int64_t rank)
{
	size_t i = 0;

	while (rank >= p->c[i].n)
		rank -= p->c[i++].n;
	return p->c[i].v;
}

static double percentile(const struct pool *p, int64_t total, double q)
{
	double place = q / 100 * (double)(total - 1), part = place - floor(place);
	double lo = at(p, (int64_t)place), hi = at(p, (int64_t)place + 1 < total ? (int64_t)place + 1 : (int64_t)place);

	return lo + (hi - lo) * part;
}

static int summary(const struct pool *p, struct fingerprint_stats *s, struct err *e)
{
	double sum = 0, squares = 0;
	int64_t total = 0;
	int first = 1;

	for (size_t i = 0; i < p->n; i++) {
		total += p->c[i].n;
		sum += (double)p->c[i].n * p->c[i].v;
		if (p->c[i].n && first)
			s->min = p->c[i].v, first = 0;
		if (p->c[i].n)
			s->max = p->c[i].v;
	}
	if (!total)
		return err_set(e, NULL, "no foreground in any case: label is 0 everywhere");
	s->mean = sum / (double)total;
	for (size_t i = 0; i < p->n; i++)
		squares += (double)p->c[i].n * ((double)p->c[i].v - s->mean) * ((double)p->c[i].v - s->mean);
	s->std = sqrt(squares / (double)total);
	s->percentile_00_5 = percentile(p, total, 0.5);
	s->median = percentile(p, total, 50);
	s->percentile_99_5 = percentile(p, total, 99.5);
	return 0;
}

int fingerprint_measure(const struct fingerprint *p, int c, struct mt19937 *m, struct fingerprint_stats *s, struct err *e)
{
	struct pool all = {0};
	int r = 0;

	for (int64_t i = 0; i < p->n && !r; i++) {
		struct pool one = {0};

		r = draw(&p->c[i], c, DRAWS / p->n, &m[i], &one, e) || append(&all, &one, e) ? -1 : 0;
		free(one.c);
	}
	r = r ? r : summary(&all, s, e);
	free(all.c);
	return r;
}
