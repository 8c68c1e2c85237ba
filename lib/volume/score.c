#include "lib/volume/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

struct side { struct components c; struct diameter *d; int64_t *voxels, *lesions; }; /* d, voxels, lesions: a label each */

struct work {
	const struct score_options *o;
	double affine[16];
	int64_t *label;
	size_t n;
	struct side truth, pred;
	struct err *e;
};

/* ---- the axial plane ---- */

/* The voxel axis nearest to the patient's head-foot axis. */
static int long_axis(const double a[16])
{
	double most = -1;
	int axis = 2;

	for (int i = 2; i >= 0; i--) {
		double norm = sqrt(a[i] * a[i] + a[4 + i] * a[4 + i] + a[8 + i] * a[8 + i]), along = fabs(a[8 + i]) / norm;

		if (along > most + 1e-6) {
			most = along;
			axis = i;
		}
	}
	return axis;
}

/* A copy of t with x or y (axis) and z exchanged; t is left alone. 0 or -1; caller frees to->data. */
static int exchange(const struct tensor *t, int axis, struct tensor *to, struct err *e)
{
	size_t size = dtype_size(t->dtype), step[3] = {size, size * (size_t)t->shape[2], size * (size_t)t->shape[2] * (size_t)t->shape[1]};
	size_t k = step[axis];
	char *p;

	*to = *t;
	to->shape[2 - axis] = t->shape[0];
	to->shape[0] = t->shape[2 - axis];
	step[axis] = step[2];
	step[2] = k;
	to->data = p = mem_new(t->size, 1, "a mask on its side", e);
	if (!p)
		return -1;
	for (int64_t z = 0; z < to->shape[0]; z++)
		for (int64_t y = 0; y < to->shape[1]; y++)
			for (int64_t x = 0; x < to->shape[2]; x++, p += size)
				memcpy(p, (const char *)t->data + (size_t)x * step[0] + (size_t)y * step[1] + (size_t)z * step[2], size);
	return 0;
}

static int components(struct work *w, const struct tensor *t, int axis, struct components *c)
{
	enum component_of of = w->o->all ? COMPONENT_UNION : COMPONENT_VALUE;
	struct tensor turned = {0};
	int r;

	if (axis == 2)
		return component_find(t, 26, of, c, w->e);
	r = exchange(t, axis, &turned, w->e) || component_find(&turned, 26, of, c, w->e) ? -1 : 0;
	free(turned.data);
	return r;
}

/* ---- labels ---- */

static int by_value(const void *a, const void *b)
{
	int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;

	return p < q ? -1 : p > q;
}

static int list_labels(struct work *w)
{
	const struct components *side[2] = {&w->truth.c, &w->pred.c};
	const struct arg_ints *given = w->o->labels;
	size_t n = 0;

	w->label = mem_new((size_t)w->truth.c.n + w->pred.c.n + ARG_LIST, sizeof *w->label, "labels", w->e);
	if (!w->label)
		return -1;
	if (w->o->all)
		w->label[n++] = 1;
	else if (given && given->n)
		for (int i = 0; i < given->n; i++)
			w->label[n++] = given->v[i];
	else
		for (int k = 0; k < 2; k++)
			for (uint32_t i = 0; i < side[k]->n; i++)
				w->label[n++] = side[k]->c[i].value;
	if (!n)
		w->label[n++] = 1;
	qsort(w->label, n, sizeof *w->label, by_value);
	for (size_t i = 0; i < n; i++)
		if (!i || w->label[i] != w->label[i - 1])
			w->label[w->n++] = w->label[i];
	return 0;
}

/* Index of a label, or n where it is not scored. */
static size_t slot(const struct work *w, int64_t value)
{
	size_t lo = 0, hi = w->n;

	if (w->o->all)
		return 0;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (w->label[mid] < value)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < w->n && w->label[lo] == value ? lo : w->n;
}

/* ---- overlap, row by row ---- */

static void overlap(const struct work *w, struct score *s)
{
	const struct components *t = &w->truth.c, *p = &w->pred.c;

	for (int64_t r = 0; r < t->size[1] * t->size[2]; r++) {
		int64_t i = t->row[r], j = p->row[r];

		while (i < t->row[r + 1] && j < p->row[r + 1]) {
			const struct component_run *a = &t->run[i], *b = &p->run[j];
			int32_t lo = a->x0 > b->x0 ? a->x0 : b->x0, hi = a->x1 < b->x1 ? a->x1 : b->x1;

			if (lo < hi && (w->o->all || a->value == b->value)) {
				size_t k = slot(w, a->value);

				if (k < w->n)
					s[k].both += hi - lo;
			}
			if (a->x1 < b->x1)
				i++;
			else
				j++;
		}
	}
}

/* ---- diameters ---- */

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

static int diameters(const struct work *w, struct side *s)
{
	const struct components *c = &s->c;
	uint32_t groups = w->o->whole ? (uint32_t)w->n + 1 : c->n;
	uint32_t *group = w->o->whole ? mem_new(c->n, sizeof *group, "components", w->e) : NULL;
	struct component_line *line = NULL;
	size_t *first = NULL;
	char *speck = mem_zero(w->n, 1, "labels", w->e); /* a lesion of one voxel was measured: all others are the same, and not before it */
	int r = -1;

	if (!speck || (w->o->whole && !group)) {
		free(speck);
		free(group);
		return -1;
	}
	for (uint32_t i = 0; group && i < c->n; i++)
		group[i] = (uint32_t)slot(w, c->c[i].value);
	if (component_lines(c, group, groups, &line, &first, w->e))
		goto out;
	for (uint32_t g = 0; g < groups; g++) {
		size_t k = w->o->whole ? g : slot(w, c->c[g].value);
		double space = INFINITY, plane = INFINITY;
		struct diameter d;

		if (k == w->n)
			continue;
		if (!w->o->whole && c->c[g].voxels == 1 && speck[k])
			continue;
		if (!w->o->whole)
			bounds(&c->c[g], w->affine, &space, &plane);
		if (space <= s->d[k].longest && plane <= s->d[k].axial)
			continue;
		if (diameter_measure(line + first[g], first[g + 1] - first[g], w->affine, w->o->by, &d, w->e))
			goto out;
		speck[k] |= !w->o->whole && c->c[g].voxels == 1;
		longer(&s->d[k], &d);
	}
	r = 0;
out:
	free(first);
	free(line);
	free(group);
	free(speck);
	return r;
}

static int measure_side(const struct work *w, struct side *s)
{
	s->d = mem_zero(w->n, sizeof *s->d, "scores", w->e);
	s->voxels = mem_zero(w->n, 2 * sizeof *s->voxels, "scores", w->e);
	if (!s->d || !s->voxels)
		return -1;
	s->lesions = s->voxels + w->n;
	for (uint32_t i = 0; i < s->c.n; i++) {
		size_t k = slot(w, s->c.c[i].value);

		if (k < w->n) {
			s->voxels[k] += s->c.c[i].voxels;
			s->lesions[k]++;
		}
	}
	return diameters(w, s);
}

/* ---- numbers ---- */

static double relative(double p, double t, int one)
{
	return t > 0 ? (p - t) / t : one && p == 0 ? 0 : NAN;
}

static void fill(const struct work *w, struct score *s, const struct diameter *t, const struct diameter *p)
{
	const double *a = w->affine;
	double voxel = fabs(a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) + a[2] * (a[4] * a[9] - a[5] * a[8])) / 1000;
	int one = w->o->empty == SCORE_ONE;
	double sum = (double)(s->truth + s->pred), *v = s->v;

	v[SCORE_DICE] = sum > 0 ? 2 * (double)s->both / sum : one ? 1 : NAN;
	v[SCORE_IOU] = sum > 0 ? (double)s->both / (sum - (double)s->both) : one ? 1 : NAN;
	if (!s->truth && w->o->empty == SCORE_MONAI)
		v[SCORE_DICE] = v[SCORE_IOU] = NAN;
	v[SCORE_TRUTH_ML] = voxel * (double)s->truth;
	v[SCORE_PRED_ML] = voxel * (double)s->pred;
	v[SCORE_VOLUME_BIAS] = relative((double)s->pred, (double)s->truth, one);
	v[SCORE_VOLUME_ERROR] = fabs(v[SCORE_VOLUME_BIAS]);
	v[SCORE_TRUTH_3D] = t->longest;
	v[SCORE_PRED_3D] = p->longest;
	v[SCORE_ERROR_3D] = fabs(relative(p->longest, t->longest, one));
	v[SCORE_CLIPPED_3D] = v[SCORE_ERROR_3D] > 1 ? 1 : v[SCORE_ERROR_3D];
	v[SCORE_TRUTH_AXIAL] = t->axial;
	v[SCORE_PRED_AXIAL] = p->axial;
	v[SCORE_ERROR_AXIAL] = fabs(relative(p->axial, t->axial, one));
	v[SCORE_CLIPPED_AXIAL] = v[SCORE_ERROR_AXIAL] > 1 ? 1 : v[SCORE_ERROR_AXIAL];
}

static void side_free(struct side *s)
{
	component_free(&s->c);
	free(s->d);
	free(s->voxels);
}

static int score(struct work *w, const struct tensor *truth, const struct tensor *pred, struct score **out)
{
	int axis = long_axis(w->affine);

	if (components(w, truth, axis, &w->truth.c) || components(w, pred, axis, &w->pred.c))
		return -1;
	for (int i = 0; i < 3 && axis != 2; i++) {
		double k = w->affine[4 * i + axis];

		w->affine[4 * i + axis] = w->affine[4 * i + 2];
		w->affine[4 * i + 2] = k;
	}
	if (list_labels(w) || measure_side(w, &w->truth) || measure_side(w, &w->pred))
		return -1;
	*out = mem_zero(w->n, sizeof **out, "scores", w->e);
	if (!*out)
		return -1;
	overlap(w, *out);
	for (size_t i = 0; i < w->n; i++) {
		struct score *s = &(*out)[i];

		s->label = w->label[i];
		s->truth = w->truth.voxels[i];
		s->pred = w->pred.voxels[i];
		s->truth_lesions = w->truth.lesions[i];
		s->pred_lesions = w->pred.lesions[i];
		fill(w, s, &w->truth.d[i], &w->pred.d[i]);
	}
	return 0;
}

int score_case(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o, struct score **out,
               size_t *n, struct err *e)
{
	struct work w = {.o = o, .e = e};
	int r;

	memcpy(w.affine, affine, sizeof w.affine);
	*out = NULL;
	if (truth->rank != 3 || pred->rank != 3 || memcmp(truth->shape, pred->shape, 3 * sizeof *truth->shape))
		return err_set(e, NULL, "'%s' and '%s' are on different grids", truth->name, pred->name);
	r = score(&w, truth, pred, out);
	*n = w.n;
	side_free(&w.truth);
	side_free(&w.pred);
	free(w.label);
	return r;
}
