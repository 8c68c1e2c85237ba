#include "lib/volume/score/lesion.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

void lesion_overlaps(const struct components *t, const struct components *p, enum component_of of, lesion_overlap_fn *fn, void *arg)
{
	for (int64_t r = 0; r < t->size[1] * t->size[2]; r++) {
		int64_t i = t->row[r], j = p->row[r];

		while (i < t->row[r + 1] && j < p->row[r + 1]) {
			const struct component_run *a = &t->run[i], *b = &p->run[j];
			int32_t lo = a->x0 > b->x0 ? a->x0 : b->x0, hi = a->x1 < b->x1 ? a->x1 : b->x1;

			if (lo < hi && (of == COMPONENT_UNION || a->value == b->value))
				fn(i, j, hi - lo, arg);
			if (a->x1 < b->x1)
				i++;
			else
				j++;
		}
	}
}

struct pair { uint32_t truth, pred; int64_t both; double iou; };

struct work {
	const struct components *truth, *pred;
	struct pair *p;
	size_t n;
	int failed;
};

static void add(int64_t i, int64_t j, int64_t voxels, void *arg)
{
	struct work *w = arg;
	uint32_t t = w->truth->run[i].of, p = w->pred->run[j].of;

	if (w->n && w->p[w->n - 1].truth == t && w->p[w->n - 1].pred == p) {
		w->p[w->n - 1].both += voxels;
		return;
	}
	w->failed |= mem_more(&w->p, w->n, sizeof *w->p, "pairs", NULL);
	if (w->failed)
		return;
	w->p[w->n++] = (struct pair){t, p, voxels, 0};
}

static int by_index(const void *a, const void *b)
{
	const struct pair *p = a, *q = b;

	if (p->truth != q->truth)
		return p->truth < q->truth ? -1 : 1;
	return p->pred < q->pred ? -1 : p->pred > q->pred;
}

static int by_iou(const void *a, const void *b)
{
	const struct pair *p = a, *q = b;

	if (p->iou != q->iou)
		return p->iou > q->iou ? -1 : 1;
	return by_index(a, b);
}

/* Every pair once, with its IoU. */
static void sum_up(struct work *w)
{
	size_t n = 0;

	if (w->n)
		qsort(w->p, w->n, sizeof *w->p, by_index);
	for (size_t i = 0; i < w->n; i++)
		if (n && !by_index(&w->p[n - 1], &w->p[i]))
			w->p[n - 1].both += w->p[i].both;
		else
			w->p[n++] = w->p[i];
	w->n = n;
	for (size_t i = 0; i < n; i++) {
		struct pair *p = &w->p[i];

		p->iou = (double)p->both / (double)(w->truth->c[p->truth].voxels + w->pred->c[p->pred].voxels - p->both);
	}
}

int lesion_find(const struct components *truth, const struct components *pred, enum component_of of, double least, struct lesion_match *m,
                struct err *e)
{
	struct work w = {.truth = truth, .pred = pred};

	m->pred = mem_new(truth->n, sizeof *m->pred, "lesions", e);
	m->truth = mem_new(pred->n, sizeof *m->truth, "lesions", e);
	m->both = mem_zero(truth->n, sizeof *m->both, "lesions", e);
	if (!m->pred || !m->truth || !m->both)
		return -1;
	memset(m->pred, 0xff, truth->n * sizeof *m->pred);
	memset(m->truth, 0xff, pred->n * sizeof *m->truth);
	lesion_overlaps(truth, pred, of, add, &w);
	if (w.failed) {
		free(w.p);
		return err_set(e, NULL, "not enough memory for lesions (%zu pairs)", w.n);
	}
	sum_up(&w);
	if (w.n)
		qsort(w.p, w.n, sizeof *w.p, by_iou);
	for (size_t i = 0; i < w.n && w.p[i].iou >= least; i++)
		if (m->pred[w.p[i].truth] == LESION_NONE && m->truth[w.p[i].pred] == LESION_NONE) {
			m->pred[w.p[i].truth] = w.p[i].pred;
			m->truth[w.p[i].pred] = w.p[i].truth;
			m->both[w.p[i].truth] = w.p[i].both;
		}
	free(w.p);
	return 0;
}

void lesion_free(struct lesion_match *m)
{
	free(m->pred);
	free(m->truth);
	free(m->both);
	memset(m, 0, sizeof *m);
}
