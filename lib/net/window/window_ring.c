/* Accumulators of slices that windows still reach: slice z lies at z % depth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/run/device.h"
#include "lib/net/window/window_run.h"

/* -- slices, as many at once as lie together ----------------------------------- */
/* Slices lo to lo + n - 1. */
struct piece {
	int64_t n;
	float *acc, *sum;
	struct k_unsure unsure;
};

/* The first of the slices lo to hi - 1, at most `most`. */
static struct piece piece(const struct window_ring *r, int64_t lo, int64_t hi, int64_t most)
{
	const int64_t at = lo % r->depth, n = hi - lo < r->depth - at ? hi - lo : r->depth - at;

	return (struct piece){n < most ? n : most, r->acc + at * r->plane * r->sums, r->kept ? r->sum + at * r->plane : NULL,
	                      {r->unsure.lead, r->unsure.middle, r->unsure.each, r->unsure.block ? r->unsure.block + at * r->blocks : NULL}};
}

/* In a file few stay in memory. */
static int64_t most(const struct window_ring *r)
{
	return r->mapped ? r->some : r->depth;
}

static void leave(const struct window_ring *r, float *acc, float *sum, int64_t vox)
{
	if (!r->mapped)
		return;
	spool_rest(acc, sizeof *acc * (size_t)(vox * r->sums));
	if (r->kept)
		spool_rest(sum, sizeof *sum * (size_t)vox);
}

/* Windows that end below z come. */
static void reach(struct window_ring *r, int64_t z)
{
	const int64_t end = z < r->size[0] ? z : r->size[0];

	r->ready = end > r->ready ? end : r->ready;
}

/* A window has come, of which sums are made later. */
static int note(struct window_ring *r, const int64_t start[3], struct err *e)
{
	if (r->kept)
		return 0;
	if (mem_more(&r->came, (size_t)r->n, sizeof *r->came, "windows", e))
		return -1;
	memcpy(r->came[r->n++], start, sizeof *r->came);
	return 0;
}

int window_ring_blend(struct window_ring *r, const int64_t start[3], int flip, int64_t z, int64_t n, const float *logits, struct err *e)
{
	const int64_t first = flip & 1 ? r->roi[0] - z - n : z, from = start[0] + first, end = from + n < r->size[0] ? from + n : r->size[0];
	struct k_weight weight = r->weight;

	if (!z && note(r, start, e))
		return -1;
	reach(r, end);
	weight.row[0] += first;
	for (int64_t at = from < 0 ? 0 : from; at < end;) {
		const struct piece p = piece(r, at, end, most(r));
		const struct k_blend w = {.k = r->given, .margin = r->sums < r->given, .roi = {n, r->roi[1], r->roi[2]}, .slab = {p.n, r->size[1], r->size[2]},
		                          .start = {from - at, start[1], start[2]}, .weight = weight, .flip = flip, .soft = r->o->soft,
		                          .each = r->o->each, .unsure = p.unsure};

		if (r->apart && r->k->window_spread(&w, r->near, logits, p.acc, p.sum, r->apart, e))
			return -1;
		if (r->k->window_blend(&w, logits, p.acc, p.sum, e))
			return -1;
		leave(r, p.acc, p.sum, p.n * r->plane);
		at += p.n;
	}
	if (z + n == r->roi[0] && r->apart && device_is_host(r->k) && r->apart->weights > 0)
		r->unsure.lead = fmaxf(r->near, 3 * r->apart->spread);
	return 0;
}

/* -- the decision so far -------------------------------------------------------- */
/* Add to *mask how many of the voxels are no background. */
static int count(const struct window_ring *r, const float *acc, const float *sum, int64_t vox, int64_t *mask, struct err *e)
{
	int64_t more;

	if (r->k->window_count(&r->unsure, acc, sum, vox, r->sums, &more, e))
		return -1;
	*mask += more;
	return 0;
}

int window_ring_count(const struct window_ring *r, int64_t *mask, struct err *e)
{
	*mask = r->mask;
	for (int64_t z = r->done; z < r->ready;) {
		const struct piece p = piece(r, z, r->ready, most(r));

		if (count(r, p.acc, p.sum, p.n * r->plane, mask, e))
			return -1;
		leave(r, p.acc, p.sum, p.n * r->plane);
		z += p.n;
	}
	return 0;
}

/* Doubts that are asked for together */
enum { DOUBTS = 128 };
struct doubts { struct window_ring *r; int64_t n, of[DOUBTS]; struct piece q[DOUBTS]; struct k_doubt g[DOUBTS]; double *voxels; };

/* Those that were asked for are known. */
static int know(struct doubts *d, struct err *e)
{
	double more[DOUBTS];

	if (d->r->k->window_doubt(d->g, d->n, more, e))
		return -1;
	for (int64_t i = 0; i < d->n; i++) {
		d->voxels[d->of[i]] += more[i];
		leave(d->r, d->q[i].acc, d->q[i].sum, d->q[i].n * d->r->plane);
	}
	d->n = 0;
	return 0;
}

/* The window at start, of which piece q of the ring from slice z on is looked at */
static struct k_doubt doubt_of(const struct window_ring *r, const int64_t start[3], double times, int64_t z, const struct piece *q)
{
	const int64_t line = r->size[0] + r->size[1] + r->size[2];
	struct k_doubt d = {.k = r->sums, .roi = {r->roi[0], r->roi[1], r->roi[2]}, .slab = {q->n, r->size[1], r->size[2]},
	                    .start = {start[0] - z, start[1], start[2]}, .weight = r->weight, .times = (float)times, .apart = r->apart,
	                    .wholes = r->wholes, .unsure = q->unsure, .acc = q->acc, .sum = q->sum};

	for (int l = 0; l < r->wholes; l++) {
		d.whole[l][0] = r->whole + l * line + z;
		d.whole[l][1] = r->whole + l * line + r->size[0];
		d.whole[l][2] = r->whole + l * line + r->size[0] + r->size[1];
	}
	return d;
}

int window_ring_doubt(struct window_ring *r, const struct window_place *at, const int64_t *which, int64_t n, double times, double *voxels,
                      struct err *e)
{
	struct doubts d = {.r = r, .voxels = voxels};

	for (int64_t j = 0; j < n; j++) {
		const int64_t *start = at[which[j]].start, end = start[0] + r->roi[0] < r->size[0] ? start[0] + r->roi[0] : r->size[0];

		voxels[which[j]] = 0;
		reach(r, end);
		for (int64_t z = start[0] < 0 ? 0 : start[0]; z < end;) {
			const struct piece q = piece(r, z, end, most(r));

			d.of[d.n] = which[j], d.q[d.n] = q;
			d.g[d.n++] = doubt_of(r, start, times, z, &q);
			if ((d.n == DOUBTS || r->mapped) && know(&d, e))
				return -1;
			z += q.n;
		}
	}
	return know(&d, e);
}

/* -- slices that are finished ---------------------------------------------------- */
/* Of one slice or several. */
struct part {
	int64_t vox;
	float *acc, *sum;
};

/* The n slices that come next, and the windows that came to them. */
static struct k_cover cover(const struct window_ring *r, int64_t n)
{
	return (struct k_cover){.roi = {r->roi[0], r->roi[1], r->roi[2]}, .slab = {n, r->size[1], r->size[2]}, .first = r->done, .weight = r->weight,
	                        .start = (const int64_t (*)[3])r->came, .n = r->n};
}

/* Sums of logits where features were added up; such parts are of whole rows */
static int expand(const struct window_ring *r, struct part *p, struct k_cover *c, struct err *e)
{
	if (!r->head.w)
		return 0;
	if (r->k->window_head(&r->head, p->acc, p->sum, p->vox, r->logits, e))
		return -1;
	p->acc = r->logits;
	c->slab[0] = 1;
	c->slab[1] = p->vox / r->size[2];
	return 0;
}

/* What is handed on: labels (of whole slices, or rows) or scores. */
static int make(const struct window_ring *r, void *to, const struct part *p, struct err *e)
{
	struct k_cover c = cover(r, p->vox / r->plane);
	struct part of = *p;
	const int64_t k = r->classes;
	const float never = r->o->soft ? 0 : WINDOW_NEVER, none[2] = {k == 1 || r->o->each ? never : r->o->soft ? 1 : 0, never};

	if (expand(r, &of, &c, e))
		return -1;
	return r->o->decide ? r->k->window_decide(r->o->decide, &c, of.acc, of.sum, to, e)
	                    : r->k->window_divide(to, of.acc, of.sum, of.vox, k, none, e);
}

/* What is on its way back, once it is there */
static int deliver(const struct window_ring *r, struct window_back *b, struct err *e)
{
	const int64_t n = b->vox;

	b->vox = 0;
	return n && (r->k->await(b->there, e) || r->sink(r->sink_arg, b->first, n, b->host, e)) ? -1 : 0;
}

/* On its way, in the place of what was sent the last time but one; the accumulators are free for other slices at once. */
static int send_back(struct window_ring *r, int64_t v, const struct part *p, struct err *e)
{
	const struct k_backend *k = r->k;
	struct window_back *b = &r->back[r->turn ^= 1];
	const size_t n = (size_t)p->vox * r->each;

	if (deliver(r, b, e) || make(r, b->slab, p, e) || k->mark(b->made, K_COMPUTE, e) || k->follow(K_OUT, b->made, e) ||
	    k->queue(K_OUT, b->host, b->slab, n, K_TO_HOST, e) || k->mark(b->there, K_OUT, e))
		return -1;
	b->first = v;
	b->vox = p->vox;
	return 0;
}

/* Let what was handed on be 0 again, if other slices will come in its place; in a file it is not written to, but forgotten. */
static int clear(const struct window_ring *r, int64_t v, const struct part *p, struct err *e)
{
	const size_t sum = sizeof(float) * (size_t)p->vox, acc = sum * (size_t)r->sums;

	if (v / r->plane + r->depth >= r->size[0])
		return 0;
	if (!r->mapped)
		return r->k->zero(p->acc, acc, e) || (r->kept && r->k->zero(p->sum, sum, e)) ? -1 : 0;
	spool_zero(&r->spool, (char *)p->acc - (char *)r->acc, p->acc, acc);
	if (r->kept)
		spool_zero(&r->spool, (char *)p->sum - (char *)r->acc, p->sum, sum);
	return 0;
}

/* The voxels from v on. */
static int hand_on(struct window_ring *r, int64_t v, const struct part *p, struct err *e)
{
	if (r->o->refine > 0 && count(r, p->acc, p->sum, p->vox, &r->mask, e))
		return -1;
	if (!r->made ? send_back(r, v, p, e) : make(r, r->made, p, e) || r->sink(r->sink_arg, v, p->vox, r->made, e))
		return -1;
	if (clear(r, v, p, e))
		return -1;
	leave(r, p->acc, p->sum, p->vox);
	return 0;
}

/* Sums that were not kept, of the slices that come next; labels want few of them. */
static int sum_up(struct window_ring *r, int64_t n, struct err *e)
{
	const struct k_cover c = cover(r, n);

	return r->sum && !r->kept ? r->k->window_sum(&c, r->sum, e) : 0;
}

/* Windows that end below what is still to come are of no use any more. */
static void forget(struct window_ring *r)
{
	int64_t n = 0;

	for (int64_t i = 0; i < r->n; i++)
		if (r->came[i][0] + r->roi[0] > r->done)
			memmove(r->came[n++], r->came[i], sizeof *r->came);
	r->n = n;
}

static int hand_on_all(struct window_ring *r, const struct piece *p, struct err *e)
{
	const int64_t all = p->n * r->plane;
	float *sums = r->kept ? p->sum : r->sum;

	if (sum_up(r, p->n, e))
		return -1;
	for (int64_t i = 0; i < all; i += r->part) {
		const struct part part = {all - i < r->part ? all - i : r->part, p->acc + i * r->sums, sums ? sums + i : NULL};

		if (hand_on(r, r->done * r->plane + i, &part, e))
			return -1;
	}
	if (p->unsure.block && r->k->zero(p->unsure.block, (size_t)(p->n * r->blocks), e))
		return -1;
	r->done += p->n;
	return 0;
}

int window_ring_flush(struct window_ring *r, int64_t z, struct err *e)
{
	const int64_t end = z < r->size[0] ? z : r->size[0];

	reach(r, end);
	while (r->done < end) {
		const struct piece p = piece(r, r->done, end, r->some);

		if (hand_on_all(r, &p, e))
			return -1;
	}
	forget(r);
	if (end < r->size[0])
		return 0;
	return deliver(r, &r->back[r->turn ^ 1], e) || deliver(r, &r->back[r->turn], e) ? -1 : 0;
}
