#include "lib/volume/score/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/recist/axial.h"
#include "lib/volume/score/score_parts.h"

static enum component_of of(const struct score_work *w)
{
	return w->o->all ? COMPONENT_UNION : COMPONENT_VALUE;
}

static int wanted(const struct score_work *w, enum score_group g)
{
	return w->o->columns->groups >> g & 1;
}

/* ---- labels ---- */

static int by_value(const void *a, const void *b)
{
	int64_t p = *(const int64_t *)a, q = *(const int64_t *)b;

	return p < q ? -1 : p > q;
}

/* In their order, each once: how many. */
static size_t distinct(int64_t *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof *v, by_value);
	for (size_t i = 0; i < n; i++)
		if (!kept || v[i] != v[kept - 1])
			v[kept++] = v[i];
	return kept;
}

/* A side's labels, behind the *n that are there. */
static int add_labels(struct score_work *w, const struct score_side *s, size_t *n)
{
	int64_t *own = w->label + *n;
	size_t some;

	for (uint32_t i = 0; i < s->c.n; i++)
		own[i] = s->c.c[i].value;
	some = distinct(own, s->c.n);
	if (some > SCORE_LABELS)
		return err_set(w->e, NULL, "'%s' is no mask: it has %zu labels, %lld to %lld, more than %d", s->name, some, (long long)own[0],
		               (long long)own[some - 1], SCORE_LABELS);
	*n += some;
	return 0;
}

static int list_labels(struct score_work *w)
{
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
	else if (add_labels(w, &w->truth, &n) || add_labels(w, &w->pred, &n))
		return -1;
	if (!n)
		w->label[n++] = 1;
	w->n = distinct(w->label, n);
	return 0;
}

size_t score_slot(const struct score_work *w, int64_t value)
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

/* Every value is one of o->allow. */
static int check_allowed(const struct score_work *w, const struct tensor *t)
{
	const struct arg_ints *allow = w->o->allow;

	for (int64_t i = 0, n = allow && allow->n ? tensor_count(t) : 0; i < n; i++) {
		int64_t v = (int64_t)tensor_value(t, i);
		int k = 0;

		while (v && k < allow->n && allow->v[k] != v)
			k++;
		if (v && k == allow->n)
			return err_set(w->e, NULL, "'%s' has label %lld at voxel %lld,%lld,%lld, which is none of --allow", t->name, (long long)v,
			               (long long)(i % t->shape[2]), (long long)(i / t->shape[2] % t->shape[1]), (long long)(i / t->shape[2] / t->shape[1]));
	}
	return 0;
}

/* ---- overlap and volumes ---- */

struct overlap { const struct score_work *w; struct score *s; };

static void count(int64_t i, int64_t j, int64_t voxels, void *arg)
{
	const struct overlap *o = arg;
	size_t k = score_slot(o->w, o->w->truth.c.run[i].value);

	(void)j;
	if (k < o->w->n)
		o->s[k].both += voxels;
}

static int count_side(const struct score_work *w, struct score_side *s)
{
	s->d = mem_zero(w->n, sizeof *s->d, "scores", w->e);
	s->voxels = mem_zero(w->n, 2 * sizeof *s->voxels, "scores", w->e);
	if (!s->d || !s->voxels)
		return -1;
	s->lesions = s->voxels + w->n;
	for (uint32_t i = 0; i < s->c.n; i++) {
		size_t k = score_slot(w, s->c.c[i].value);

		if (k < w->n) {
			s->voxels[k] += s->c.c[i].voxels;
			s->lesions[k]++;
		}
	}
	return 0;
}

static double share(int64_t a, int64_t b, double none)
{
	return b ? (double)a / (double)b : none;
}

static double relative(double p, double t, int one)
{
	return t > 0 ? (p - t) / t : one && p == 0 ? 0 : NAN;
}

static void fill(const struct score_work *w, struct score *s, const struct diameter *t, const struct diameter *p)
{
	int one = w->o->empty == SCORE_ONE;
	double voxel = geo_voxel_ml(w->affine), *v = s->v, none = one && !s->truth && !s->pred ? 1 : NAN;

	v[SCORE_DICE] = share(2 * s->both, s->truth + s->pred, none);
	v[SCORE_IOU] = share(s->both, s->truth + s->pred - s->both, none);
	if (!s->truth && w->o->empty == SCORE_MONAI)
		v[SCORE_DICE] = v[SCORE_IOU] = NAN;
	v[SCORE_SENSITIVITY] = share(s->both, s->truth, none);
	v[SCORE_PRECISION] = share(s->both, s->pred, none);
	v[SCORE_TRUTH_ML] = voxel * (double)s->truth;
	v[SCORE_PRED_ML] = voxel * (double)s->pred;
	v[SCORE_VOLUME_DIFF] = voxel * (double)(s->pred - s->truth);
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

/* ---- surfaces ---- */

/* The box of a label's components, of all with w->o->all. */
static void reach(const struct score_work *w, size_t k, const struct components *c, struct surface_pair *p)
{
	for (uint32_t i = 0; i < c->n; i++)
		for (int a = 0; a < 3 && score_slot(w, c->c[i].value) == k; a++) {
			p->lo[a] = c->c[i].lo[a] < p->lo[a] ? c->c[i].lo[a] : p->lo[a];
			p->hi[a] = c->c[i].hi[a] > p->hi[a] ? c->c[i].hi[a] : p->hi[a];
		}
}

static void put(const struct surface_distances *d, double *v)
{
	v[SCORE_HD] = d->hd;
	v[SCORE_HD95] = d->hd95;
	v[SCORE_ASSD] = d->assd;
	v[SCORE_MASD] = d->masd;
	memcpy(v + SCORE_NSD, d->nsd, sizeof d->nsd);
}

static int surfaces(const struct score_work *w, struct score *s)
{
	const struct score_columns *c = w->o->columns;
	struct grid g = {.size = {1, 1, 1}};
	struct surface_distances d;
	double apart, same;

	memcpy(g.affine, w->affine, sizeof g.affine);
	if (geo_check_right(&g, w->e))
		return err_prefix(w->e, "no distances of surfaces (leave them out with --metrics)");
	for (size_t k = 0; k < w->n; k++) {
		struct surface_pair p = {&w->truth.c, &w->pred.c, w->o->all ? NULL : &w->label[k], {INT32_MAX, INT32_MAX, INT32_MAX}, {0}, {0}};
		int empty = !s[k].truth + !s[k].pred;

		apart = empty == 1 ? INFINITY : w->o->empty == SCORE_ONE ? 0 : NAN;
		same = empty == 1 ? 0 : w->o->empty == SCORE_ONE ? 1 : NAN;
		d = (struct surface_distances){apart, apart, apart, apart, {same, same, same, same, same, same, same, same}};
		geo_spacing(&g, p.spacing);
		reach(w, k, p.truth, &p);
		reach(w, k, p.pred, &p);
		if (!empty && surface_compare(&p, w->o->surface, c->tolerance, c->tolerances, &d, w->e))
			return -1;
		put(&d, s[k].v);
	}
	return 0;
}

/* ---- a case ---- */

/* Both masks' components, at the same time. */
static int find_components(struct score_work *w, const struct tensor *const mask[2], int axis)
{
	struct components *c[2] = {&w->truth.c, &w->pred.c};
	struct err e[2];
	int failed[2];

#pragma omp parallel for
	for (int i = 0; i < 2; i++)
		failed[i] = axial_components(mask[i], axis, w->o->connectivity, of(w), c[i], &e[i]);
	for (int i = 0; i < 2; i++)
		if (failed[i])
			return err_set(w->e, NULL, "%s", e[i].text);
	return 0;
}

static void side_free(struct score_side *s)
{
	component_free(&s->c);
	free(s->d);
	free(s->each);
	free(s->voxels);
}

static int score(struct score_work *w, struct score_case *out)
{
	struct overlap o = {w, NULL};

	if (list_labels(w) || count_side(w, &w->truth) || count_side(w, &w->pred))
		return -1;
	if ((wanted(w, SCORE_OF_DIAMETER) || w->o->lesions) && (score_diameters(w, &w->truth) || score_diameters(w, &w->pred)))
		return -1;
	out->s = o.s = mem_zero(w->n, sizeof *out->s, "scores", w->e);
	if (!o.s)
		return -1;
	lesion_overlaps(&w->truth.c, &w->pred.c, of(w), count, &o);
	for (size_t i = 0; i < w->n; i++) {
		struct score *s = &o.s[i];

		s->label = w->label[i];
		s->truth = w->truth.voxels[i];
		s->pred = w->pred.voxels[i];
		s->truth_lesions = w->truth.lesions[i];
		s->pred_lesions = w->pred.lesions[i];
		fill(w, s, &w->truth.d[i], &w->pred.d[i]);
	}
	out->n = w->n;
	out->voxel_ml = geo_voxel_ml(w->affine);
	if (wanted(w, SCORE_OF_SURFACE) && surfaces(w, o.s))
		return -1;
	if ((wanted(w, SCORE_OF_LESION) || w->o->lesions) && score_match(w, o.s))
		return -1;
	return w->o->lesions ? score_list_lesions(w, out) : 0;
}

int score_labels(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o,
                 struct score_case *out, struct err *e)
{
	struct score_work w = {.o = o, .e = e, .truth.name = truth->name, .pred.name = pred->name};
	int axis = axial_axis(affine), r = -1;
	struct grid g = {.size = {1, 1, 1}};

	memset(out, 0, sizeof *out);
	memcpy(w.affine, affine, sizeof w.affine);
	axial_affine(w.affine, axis);
	memcpy(g.affine, affine, sizeof g.affine);
	if (geo_check_solid(&g, e))
		return err_set(e, NULL, "the affine is singular: no lengths in mm");
	if (!check_allowed(&w, truth) && !check_allowed(&w, pred) && !find_components(&w, (const struct tensor *const[]){truth, pred}, axis))
		r = score(&w, out);
	if (r)
		score_case_free(out);
	side_free(&w.truth);
	side_free(&w.pred);
	lesion_free(&w.match);
	free(w.label);
	return r;
}

/* A copy of t that is 0 where the truth is to be ignored; the caller frees its data. */
static int without(const struct tensor *t, const struct tensor *truth, int64_t ignore, struct tensor *copy, struct err *e)
{
	const size_t size = dtype_size(t->dtype);
	const int64_t n = tensor_count(t);
	char *to = mem_new((size_t)n, size, t->name, e);

	*copy = *t;
	copy->data = to;
	if (!to)
		return -1;
	memcpy(to, t->data, (size_t)n * size);
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < n; i++)
		if (tensor_value(truth, i) == (double)ignore)
			memset(to + (size_t)i * size, 0, size);
	return 0;
}

int score_masks(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o, struct score_case *out,
                struct err *e)
{
	struct tensor t = *truth, p = *pred;
	int r = 0;

	memset(out, 0, sizeof *out);
	if (truth->rank != 3 || pred->rank != 3 || memcmp(truth->shape, pred->shape, 3 * sizeof *truth->shape))
		return err_set(e, NULL, "'%s' and '%s' are on different grids", truth->name, pred->name);
	if (o->ignore) {
		t.data = p.data = NULL;
		r = without(truth, truth, o->ignore, &t, e) || without(pred, truth, o->ignore, &p, e);
	}
	r = r || (o->regions ? score_regions : score_labels)(&t, &p, affine, o, out, e);
	if (o->ignore) {
		free(t.data);
		free(p.data);
	}
	return r ? -1 : 0;
}

void score_case_free(struct score_case *c)
{
	free(c->s);
	free(c->lesion);
	memset(c, 0, sizeof *c);
}
