#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/volume/score/score_parts.h"

/* No distance within a component's box is longer than the box's longest diagonal. */
static void bounds(const struct component *c, const double a[16], double *space, double *plane)
{
	double n[3];

	for (int i = 0; i < 3; i++)
		n[i] = c->hi[i] - c->lo[i];
	*plane = *space = 0;
	for (int k = 0; k < 8; k++) {
		double d2 = 0, d3 = 0;

		for (int i = 0; i < 3; i++) {
			double in = (k & 1 ? 1 : -1) * n[0] * a[4 * i] + (k & 2 ? 1 : -1) * n[1] * a[4 * i + 1];
			double all = in + (k & 4 ? 1 : -1) * n[2] * a[4 * i + 2];

			d2 += in * in;
			d3 += all * all;
		}
		*plane = sqrt(d2) > *plane ? sqrt(d2) : *plane;
		*space = sqrt(d3) > *space ? sqrt(d3) : *space;
	}
}

static void longer(struct diameter *best, const struct diameter *d)
{
	best->longest = d->longest > best->longest ? d->longest : best->longest;
	if (d->axial > best->axial || (d->axial == best->axial && d->slice < best->slice)) {
		best->axial = d->axial;
		best->slice = d->slice;
	}
}

/* Of every lesion by itself; one that cannot be the longest is left out, but not where all are listed. */
static int by_lesion(const struct score_work *w, struct score_side *s, const struct component_line *line, const size_t *first)
{
	const struct components *c = &s->c;
	char *speck = mem_zero(w->n, 1, "labels", w->e); /* a lesion of one voxel was measured: all others are the same, and not before it */
	int r = speck ? 0 : -1;

	for (uint32_t g = 0; g < c->n && !r; g++) {
		size_t k = score_slot(w, c->c[g].value);
		double space, plane;
		struct diameter d;

		if (k == w->n)
			continue;
		bounds(&c->c[g], w->affine, &space, &plane);
		if (!s->each && ((c->c[g].voxels == 1 && speck[k]) || (space <= s->d[k].longest && plane <= s->d[k].axial)))
			continue;
		r = diameter_measure(line + first[g], first[g + 1] - first[g], w->affine, w->o->by, &d, w->e);
		speck[k] |= c->c[g].voxels == 1;
		if (s->each)
			s->each[g] = d;
		if (!w->o->whole)
			longer(&s->d[k], &d);
	}
	free(speck);
	return r;
}

static int by_label(const struct score_work *w, struct score_side *s)
{
	struct component_line *line = NULL;
	uint32_t *group = mem_new(s->c.n, sizeof *group, "components", w->e);
	size_t *first = NULL;
	int r = -1;

	for (uint32_t i = 0; group && i < s->c.n; i++)
		group[i] = (uint32_t)score_slot(w, s->c.c[i].value);
	if (group && !component_lines(&s->c, group, (uint32_t)w->n + 1, &line, &first, w->e)) {
		r = 0;
		for (size_t k = 0; k < w->n && !r; k++)
			r = diameter_measure(line + first[k], first[k + 1] - first[k], w->affine, w->o->by, &s->d[k], w->e);
	}
	free(first);
	free(line);
	free(group);
	return r;
}

int score_diameters(const struct score_work *w, struct score_side *s)
{
	struct component_line *line;
	size_t *first;
	int r;

	if (w->o->lesions) {
		s->each = mem_zero(s->c.n, sizeof *s->each, "lesions", w->e);
		if (!s->each)
			return -1;
	}
	if (w->o->whole && by_label(w, s))
		return -1;
	if (w->o->whole && !w->o->lesions)
		return 0;
	if (component_lines(&s->c, NULL, s->c.n, &line, &first, w->e))
		return -1;
	r = by_lesion(w, s, line, first);
	free(line);
	free(first);
	return r;
}
