/* Accumulators of slices that windows still reach: slice z lies at z % depth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/run/device.h"
#include "lib/net/window/window_run.h"

enum { PIECE = 8 << 20 };   /* bytes of accumulators that are gone through at once: they stay in the processor's cache */
enum { ON_DEVICE = 64 << 20 }; /* where that does not matter: what windows leave behind when they move on */

size_t window_memory(const struct window_opts *o, const struct k_backend *k, int64_t classes, const int64_t size[3], const int64_t roi[3])
{
	const int64_t deep = o->refine > 0 ? 2 * roi[0] : roi[0];
	const double n = (double)sizeof(float) * (double)(classes + 1) * (double)size[2] * (double)size[1] * (double)(deep < size[0] ? deep : size[0]);

	if (!device_is_host(k))
		return (size_t)fmin(n + 2 * fmin(n, ON_DEVICE), (double)(SIZE_MAX / 2));
	return n > (double)o->room ? 0 : n < (double)(SIZE_MAX / 2) ? (size_t)n : SIZE_MAX / 2;
}

/* The importance map, moved to the device. */
static int weights(struct window_ring *r, struct err *e)
{
	float *w = window_weights(r->roi, r->o->mode, r->o->sigma, e);
	size_t bytes = sizeof *w * (size_t)(r->roi[0] * r->roi[1] * r->roi[2]);
	int bad;

	if (!w)
		return -1;
	if (device_is_host(r->k)) {
		r->weight = w;
		return 0;
	}
	r->weight = r->k->alloc(bytes, e);
	bad = !r->weight || r->k->copy(r->weight, w, bytes, K_TO_DEVICE, e);
	free(w);
	return bad ? -1 : 0;
}

/* Sums of weighted logits, then of weights: in memory, or where they are many in a file. */
static int sums(struct window_ring *r, struct err *e)
{
	size_t n;

	if (mem_mul(&n, (size_t)r->depth, (size_t)r->plane) || mem_mul(&n, n, (size_t)r->classes + 1) || mem_mul(&n, n, sizeof(float)))
		return err_set(e, NULL, "the accumulators of a slab do not fit in memory");
	if (device_is_host(r->k) && n > r->o->room) {
		if (spool_open(&r->spool, e) || !(r->acc = spool_map(&r->spool, n, e)))
			return -1;
		r->mapped = n;
	} else if (!(r->acc = r->k->alloc(n, e)))
		return -1;
	r->sum = r->acc + r->depth * r->plane * r->classes;
	return 0;
}

/* What the sum of a single class's weighted logits or probabilities is compared with, times the sum of weights. */
static float middle(const struct window_ring *r)
{
	return r->o->soft ? 0.5f : 0;
}

/* A lead by which windows are compared: where the best class leads by less. Of logits 1, and what that is in probabilities. */
static float near(const struct window_ring *r)
{
	return !r->o->soft ? 1 : r->classes > 1 ? 0.46f : 0.23f;
}

/* Of the mean of windows to come about that of those that came: they overlap one another and what came, so it is less than a single window's. */
static float spread(const struct window_ring *r)
{
	const double square = r->apart[1] > 0 ? r->apart[0] / r->apart[1] : (double)near(r) * near(r);

	return (float)(0.6 * sqrt(square)) + 1e-6f;
}

static int open_unsure(struct window_ring *r, const struct window_grid *g, struct err *e)
{
	const size_t n = (size_t)(r->depth * r->blocks);
	float *w = window_wholes(g, r->o->mode, r->o->sigma, &r->wholes, e);
	const size_t bytes = sizeof *w * (size_t)r->wholes * (size_t)(g->size[0] + g->size[1] + g->size[2]);
	int bad;

	/* Marked is where the decision may change, and where windows are compared; before it is known where that is, nearly all. */
	r->unsure = (struct k_unsure){12 * near(r), middle(r), r->k->alloc(n, e)};
	bad = !w || !r->unsure.block || r->k->zero(r->unsure.block, n, e) || !(r->whole = r->k->alloc(bytes, e)) ||
	      r->k->copy(r->whole, w, bytes, K_TO_DEVICE, e);
	free(w);
	return bad ? -1 : 0;
}

static int open_back(struct window_ring *r, struct err *e)
{
	const size_t n = sizeof(float) * (size_t)(r->some * r->plane * r->classes);

	for (struct window_back *b = r->back; b < r->back + 2; b++)
		if (!(b->slab = r->k->alloc(n, e)) || !(b->host = r->k->host_alloc(n, e)) || !(b->made = r->k->mark_new(e)) || !(b->there = r->k->mark_new(e)))
			return -1;
	return 0;
}

static void close_back(struct window_ring *r)
{
	for (struct window_back *b = r->back; b < r->back + 2; b++) {
		r->k->release(b->slab);
		r->k->host_release(b->host);
		r->k->mark_free(b->made);
		r->k->mark_free(b->there);
	}
}

int window_ring_open(struct window_ring *r, const struct window_opts *o, const struct k_backend *k, const struct window_grid *g, int64_t classes,
                     int64_t depth, window_sink *sink, void *sink_arg, struct err *e)
{
	*r = (struct window_ring){.o = o, .k = k, .classes = classes, .depth = depth, .plane = g->size[1] * g->size[2], .sink = sink,
	                          .sink_arg = sink_arg, .blocks = g->size[1] * ((g->size[2] + K_BLOCK - 1) / K_BLOCK), .spool.fd = -1};
	memcpy(r->size, g->size, sizeof r->size);
	memcpy(r->roi, g->roi, sizeof r->roi);
	r->some = (device_is_host(k) ? PIECE : ON_DEVICE) / (int64_t)sizeof(float) / r->plane / (classes + 1);
	r->some = r->some < 1 ? 1 : r->some < depth ? r->some : depth;
	if (sums(r, e) || weights(r, e) || (o->refine > 0 && open_unsure(r, g, e)))
		return -1;
	return device_is_host(k) ? 0 : open_back(r, e);
}

void window_ring_close(struct window_ring *r)
{
	if (!r->k)
		return;
	if (r->mapped)
		spool_unmap(r->acc, r->mapped);
	else
		r->k->release(r->acc);
	spool_close(&r->spool);
	r->k->release(r->weight);
	r->k->release(r->unsure.block);
	r->k->release(r->whole);
	if (!device_is_host(r->k))
		close_back(r);
}

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

	return (struct piece){n < most ? n : most, r->acc + at * r->plane * r->classes, r->sum + at * r->plane,
	                      {r->unsure.lead, r->unsure.middle, r->unsure.block ? r->unsure.block + at * r->blocks : NULL}};
}

/* In a file few stay in memory. */
static int64_t most(const struct window_ring *r)
{
	return r->mapped ? r->some : r->depth;
}

static size_t acc_bytes(const struct window_ring *r, const struct piece *p)
{
	return sizeof(float) * (size_t)(p->n * r->plane * r->classes);
}

static size_t sum_bytes(const struct window_ring *r, const struct piece *p)
{
	return sizeof(float) * (size_t)(p->n * r->plane);
}

static void leave(const struct window_ring *r, float *acc, float *sum, int64_t vox)
{
	if (!r->mapped)
		return;
	spool_rest(acc, sizeof *acc * (size_t)(vox * r->classes));
	spool_rest(sum, sizeof *sum * (size_t)vox);
}

/* Have cleared what windows that end below z come to. In a file that was done when what lay there was handed on: it need not be written any more. */
static int clear(struct window_ring *r, int64_t z, struct err *e)
{
	const int64_t end = z < r->size[0] ? z : r->size[0];

	while (r->ready < end) {
		const struct piece p = piece(r, r->ready, end, r->depth);

		if (!r->mapped && (r->k->zero(p.acc, acc_bytes(r, &p), e) || r->k->zero(p.sum, sum_bytes(r, &p), e)))
			return -1;
		if (p.unsure.block && r->k->zero(p.unsure.block, (size_t)(p.n * r->blocks), e))
			return -1;
		r->ready += p.n;
	}
	return 0;
}

/* Note how far a window is from what lies where it comes to. */
static int compare(struct window_ring *r, const struct k_blend *w, const float *logits, const float *weight, const struct piece *p,
                   struct err *e)
{
	double more[2];

	if (r->k->window_spread(w, near(r), logits, weight, p->acc, p->sum, more, e))
		return -1;
	r->apart[0] += more[0];
	r->apart[1] += more[1];
	return 0;
}

int window_ring_blend(struct window_ring *r, const int64_t start[3], int flip, int64_t z, int64_t n, const float *logits, struct err *e)
{
	const int64_t first = flip & 1 ? r->roi[0] - z - n : z, from = start[0] + first, end = from + n < r->size[0] ? from + n : r->size[0];
	const float *weight = r->weight + first * r->roi[1] * r->roi[2];

	if (clear(r, end, e))
		return -1;
	for (int64_t at = from < 0 ? 0 : from; at < end;) {
		const struct piece p = piece(r, at, end, most(r));
		const struct k_blend w = {.k = r->classes, .roi = {n, r->roi[1], r->roi[2]}, .slab = {p.n, r->size[1], r->size[2]},
		                          .start = {from - at, start[1], start[2]}, .flip = flip, .soft = r->o->soft, .unsure = p.unsure};

		if (p.unsure.block && compare(r, &w, logits, weight, &p, e))
			return -1;
		if (r->k->window_blend(&w, logits, weight, p.acc, p.sum, e))
			return -1;
		leave(r, p.acc, p.sum, p.n * r->plane);
		at += p.n;
	}
	if (z + n == r->roi[0] && r->apart[1] > 0)
		r->unsure.lead = fmaxf(near(r), 3 * spread(r));
	return 0;
}

/* -- the decision so far -------------------------------------------------------- */
/* Add to *mask how many of the voxels are no background. */
static int count(const struct window_ring *r, const float *acc, const float *sum, int64_t vox, int64_t *mask, struct err *e)
{
	int64_t more;

	if (r->k->window_count(acc, sum, vox, r->classes, middle(r), &more, e))
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

int window_ring_doubt(struct window_ring *r, const int64_t start[3], double times, double *doubt, struct err *e)
{
	const int64_t end = start[0] + r->roi[0] < r->size[0] ? start[0] + r->roi[0] : r->size[0], line = r->size[0] + r->size[1] + r->size[2];

	*doubt = 0;
	if (clear(r, end, e))
		return -1;
	for (int64_t z = start[0] < 0 ? 0 : start[0]; z < end;) {
		const struct piece q = piece(r, z, end, most(r));
		struct k_doubt d = {.k = r->classes, .roi = {r->roi[0], r->roi[1], r->roi[2]}, .slab = {q.n, r->size[1], r->size[2]},
		                    .start = {start[0] - z, start[1], start[2]}, .times = (float)times, .spread = spread(r), .wholes = r->wholes,
		                    .unsure = q.unsure};
		double more;

		for (int l = 0; l < r->wholes; l++) {
			d.whole[l][0] = r->whole + l * line + z;
			d.whole[l][1] = r->whole + l * line + r->size[0];
			d.whole[l][2] = r->whole + l * line + r->size[0] + r->size[1];
		}
		if (r->k->window_doubt(&d, r->weight, q.acc, q.sum, &more, e))
			return -1;
		*doubt += more;
		leave(r, q.acc, q.sum, q.n * r->plane);
		z += q.n;
	}
	return 0;
}

/* -- slices that are finished ---------------------------------------------------- */
/* Of one slice or several. */
struct part {
	int64_t vox;
	float *acc, *sum;
};

static int divide(const struct window_ring *r, float *acc, const struct part *p, struct err *e)
{
	const int64_t k = r->classes;
	const float never = r->o->soft ? 0 : WINDOW_NEVER, none[2] = {k == 1 ? never : r->o->soft ? 1 : 0, never};

	return r->k->window_divide(acc, p->sum, p->vox, k, none, e);
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
	const size_t n = sizeof(float) * (size_t)(p->vox * r->classes);

	if (deliver(r, b, e) || k->copy(b->slab, p->acc, n, K_ON_DEVICE, e) || divide(r, b->slab, p, e) || k->mark(b->made, K_COMPUTE, e) ||
	    k->follow(K_OUT, b->made, e) || k->queue(K_OUT, b->host, b->slab, n, K_TO_HOST, e) || k->mark(b->there, K_OUT, e))
		return -1;
	b->first = v;
	b->vox = p->vox;
	return 0;
}

/* The voxels from v on. */
static int hand_on(struct window_ring *r, int64_t v, const struct part *p, struct err *e)
{
	const size_t sum = sizeof(float) * (size_t)p->vox, acc = sum * (size_t)r->classes;

	if (r->o->refine > 0 && count(r, p->acc, p->sum, p->vox, &r->mask, e))
		return -1;
	if (r->back[0].slab ? send_back(r, v, p, e) : divide(r, p->acc, p, e) || r->sink(r->sink_arg, v, p->vox, p->acc, e))
		return -1;
	if (r->mapped) {
		spool_zero(&r->spool, (char *)p->acc - (char *)r->acc, p->acc, acc);
		spool_zero(&r->spool, (char *)p->sum - (char *)r->acc, p->sum, sum);
	}
	leave(r, p->acc, p->sum, p->vox);
	return 0;
}

/* In a file not more than PIECE at once: of many classes that is less than a slice. */
static int hand_on_all(struct window_ring *r, const struct piece *p, struct err *e)
{
	const int64_t all = p->n * r->plane, few = PIECE / (int64_t)sizeof(float) / (r->classes + 1) + 1, most = r->mapped ? few : all;

	for (int64_t i = 0; i < all; i += most) {
		const struct part part = {all - i < most ? all - i : most, p->acc + i * r->classes, p->sum + i};

		if (hand_on(r, r->done * r->plane + i, &part, e))
			return -1;
	}
	r->done += p->n;
	return 0;
}

int window_ring_flush(struct window_ring *r, int64_t z, struct err *e)
{
	const int64_t end = z < r->size[0] ? z : r->size[0];

	while (r->done < end) {
		const struct piece p = piece(r, r->done, end, r->some);

		if (clear(r, r->done + p.n, e) || hand_on_all(r, &p, e))
			return -1;
	}
	if (end < r->size[0])
		return 0;
	return deliver(r, &r->back[r->turn ^ 1], e) || deliver(r, &r->back[r->turn], e) ? -1 : 0;
}
