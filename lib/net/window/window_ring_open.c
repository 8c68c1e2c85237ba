/* Memory of accumulators and of all that goes with them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/run/device.h"
#include "lib/net/window/window_run.h"

enum { PIECE = 4 << 20 };      /* bytes of accumulators that are gone through at once: they stay in the processor's cache */
enum { ON_DEVICE = 64 << 20 }; /* where that does not matter: what windows leave behind when they move on */

size_t window_room(void)
{
	const size_t most = mem_available() / 8;

	return most > WINDOW_ROOM ? most : WINDOW_ROOM;
}

/* Are sums of weights kept? */
static int keeps(const struct window_opts *o, const struct k_backend *k)
{
	return o->refine > 0 || !device_is_host(k);
}

size_t window_memory(const struct window_opts *o, const struct k_backend *k, int64_t sums, const int64_t size[3], const int64_t roi[3])
{
	const int64_t deep = o->refine > 0 ? window_refine_depth(roi) : roi[0], floats = sums + keeps(o, k);
	const double n = (double)sizeof(float) * (double)floats * (double)size[2] * (double)size[1] * (double)(deep < size[0] ? deep : size[0]);

	if (!device_is_host(k))
		return (size_t)fmin(n + 2 * fmin(n, ON_DEVICE), (double)(SIZE_MAX / 2));
	return n > (double)o->room ? 0 : n < (double)(SIZE_MAX / 2) ? (size_t)n : SIZE_MAX / 2;
}

/* What is host memory, of n floats, moved to the device; NULL and an error, also where there is none. */
static float *moved(const struct window_ring *r, float *from, int64_t n, struct err *e)
{
	const size_t bytes = sizeof *from * (size_t)n;
	float *to;

	if (!from || device_is_host(r->k))
		return from;
	to = r->k->alloc(bytes, e);
	if (to && r->k->copy(to, from, bytes, K_TO_DEVICE, e)) {
		r->k->release(to);
		to = NULL;
	}
	free(from);
	return to;
}

static int weights(struct window_ring *r, struct err *e)
{
	const struct window_opts *o = r->o;
	const int64_t *roi = r->roi;

	r->rows = moved(r, window_weight_rows(roi, o->mode, o->sigma, &r->weight, e), roi[0] + roi[1] + roi[2], e);
	if (!r->rows)
		return -1;
	r->weight.row[0] = r->rows;
	r->weight.row[1] = r->rows + roi[0];
	r->weight.row[2] = r->weight.row[1] + roi[1];
	return 0;
}

/* Sums of weighted logits, then of weights: in memory, or where they are many in a file. */
static int accumulators(struct window_ring *r, struct err *e)
{
	size_t *n = &r->bytes;

	if (mem_mul(n, (size_t)r->depth, (size_t)r->plane) || mem_mul(n, *n, (size_t)(r->sums + r->kept)) || mem_mul(n, *n, sizeof(float)))
		return err_set(e, NULL, "the accumulators of a slab do not fit in memory");
	if (!device_is_host(r->k))
		r->acc = r->k->alloc(*n, e);
	else if (*n <= r->o->room)
		r->acc = mem_map(*n, "accumulators", e);
	else if (!spool_open(&r->spool, e)) {
		r->acc = spool_map(&r->spool, *n, e);
		r->mapped = r->acc != NULL;
	}
	if (!r->acc || (!device_is_host(r->k) && r->k->zero(r->acc, *n, e)))
		return -1;
	if (r->kept)
		r->sum = r->acc + r->depth * r->plane * r->sums;
	return 0;
}

/* Where a host's voxels that are handed on are made: of scores not more than PIECE at once, of many classes that is less than a slice. */
static int open_made(struct window_ring *r, struct err *e)
{
	const int64_t few = PIECE / (int64_t)sizeof(float) / (r->classes + 1) + 1, rows = (few + r->size[2] - 1) / r->size[2] * r->size[2];

	if (!r->o->decide || r->head.w)
		r->part = rows < r->part ? rows : r->part;
	r->made = mem_new((size_t)r->part, r->each, "finished voxels", e);
	if (r->made && r->head.w && !(r->logits = mem_new((size_t)r->part, sizeof(float) * (size_t)r->classes, "logits", e)))
		return -1;
	if (!r->made || r->kept || (r->o->decide && !r->head.w))
		return r->made ? 0 : -1;
	r->sum = mem_new((size_t)r->some, sizeof *r->sum * (size_t)r->plane, "sums of weights", e);
	return r->sum ? 0 : -1;
}

/* The last operation's weights as k_head has them */
static int open_head(struct window_ring *r, const struct net_head *h, struct err *e)
{
	const int64_t pitch = k_head_pitch(r->classes);
	float *w = h->features ? mem_zero((size_t)(h->features + 1), sizeof *w * (size_t)pitch, "weights", e) : NULL;

	if (!w)
		return h->features ? -1 : 0;
	for (int64_t k = 0; k < r->classes; k++) {
		for (int64_t c = 0; c < h->features; c++)
			w[c * pitch + k] = h->w[k * h->features + c];
		w[h->features * pitch + k] = h->b ? h->b[k] : 0;
	}
	r->head = (struct k_head){h->features, r->classes, w};
	return 0;
}

static int open_unsure(struct window_ring *r, const struct window_grid *g, struct err *e)
{
	const size_t n = (size_t)(r->depth * r->blocks);
	const struct k_apart none = {.spread = K_SPREAD((double)r->near * r->near)};
	float *w = window_wholes(g, r->o->mode, r->o->sigma, &r->wholes, e);

	/* Marked is where the decision may change, and where windows are compared; before it is known where that is, nearly all. */
	r->unsure = (struct k_unsure){12 * r->near, r->o->soft && (r->classes == 1 || r->o->each) ? 0.5f : 0, r->o->each, r->k->alloc(n, e)};
	r->whole = moved(r, w, r->wholes * (g->size[0] + g->size[1] + g->size[2]), e);
	r->apart = r->k->alloc(sizeof none, e);
	return !r->whole || !r->unsure.block || !r->apart || r->k->zero(r->unsure.block, n, e) ||
	       r->k->copy(r->apart, &none, sizeof none, K_TO_DEVICE, e) ? -1 : 0;
}

static int open_back(struct window_ring *r, struct err *e)
{
	const size_t n = (size_t)(r->some * r->plane) * r->each;

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

int window_ring_open(struct window_ring *r, const struct window_opts *o, const struct k_backend *k, const struct window_grid *g,
                     const struct window_predictor *p, int64_t depth, window_sink *sink, void *sink_arg, struct err *e)
{
	const int64_t classes = p->classes, given = p->head.features ? p->head.features : classes,
	              sums = o->decide && !p->head.features ? o->decide->k : given;

	*r = (struct window_ring){.o = o, .k = k, .classes = classes, .given = given, .sums = sums, .depth = depth,
	                          .plane = g->size[1] * g->size[2], .sink = sink, .sink_arg = sink_arg,
	                          .each = o->decide ? 1 : sizeof(float) * (size_t)classes, .kept = keeps(o, k),
	                          .near = !o->soft ? 1 : classes > 1 && !o->each ? 0.46f : 0.23f,
	                          .blocks = g->size[1] * ((g->size[2] + K_BLOCK - 1) / K_BLOCK), .spool.fd = -1};
	memcpy(r->size, g->size, sizeof r->size);
	memcpy(r->roi, g->roi, sizeof r->roi);
	r->some = (device_is_host(k) ? PIECE : ON_DEVICE) / (int64_t)sizeof(float) / r->plane / (sums + 1);
	r->some = r->some < 1 ? 1 : r->some < depth ? r->some : depth;
	r->part = r->some * r->plane;
	if (open_head(r, &p->head, e) || accumulators(r, e) || weights(r, e) || (o->refine > 0 && open_unsure(r, g, e)))
		return -1;
	return device_is_host(k) ? open_made(r, e) : open_back(r, e);
}

void window_ring_close(struct window_ring *r)
{
	if (!r->k)
		return;
	if (!device_is_host(r->k)) {
		r->k->release(r->acc);
		close_back(r);
	} else if (r->mapped)
		spool_unmap(r->acc, r->bytes);
	else
		mem_unmap(r->acc, r->bytes);
	spool_close(&r->spool);
	r->k->release(r->rows);
	r->k->release(r->unsure.block);
	r->k->release(r->whole);
	r->k->release(r->apart);
	free((float *)r->head.w);
	free(r->logits);
	free(r->made);
	free(r->kept ? NULL : r->sum);
	free(r->came);
}
