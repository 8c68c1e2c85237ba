#include "lib/net/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/progress.h"
#include "lib/net/device.h"
#include "lib/net/window_run.h"

/* Accumulators are a ring of `depth` slices: slice z lies at z % depth. What lies below all windows that are still to be blended is handed on;
   so, with windows that come by rising z, one window's depth is enough, and what a batch spans. With a coarse grid, whose windows run ahead, it
   takes two. */
struct run {
	const struct window_opts *o;
	const struct k_backend *k;
	const struct window_predictor *p;
	int models;
	struct window_grid grid;
	struct window_feed feed;
	int64_t depth, plane, done; /* done: slices handed on */
	int64_t span;               /* most that the windows of a batch begin apart in z */
	int64_t floor;              /* no window to come begins below this slice */
	float *weight, *acc, *sum;  /* on the device */
	uint8_t *sure;              /* with `refine`: of k_doubt, */
	int64_t mask;               /* and how many voxels that were handed on are no background */
	float *host;                /* staging; NULL where the device's memory is the host's */
	int64_t *queue, queued;     /* windows to be run at once */
	int64_t decided;            /* windows that were run or left out */
	struct window_stats stats;
	window_sink *sink;
	void *sink_arg;
};

static float *device_floats(const struct k_backend *k, int64_t a, int64_t b, int64_t c, const char *what, struct err *e)
{
	size_t n;

	if (mem_mul(&n, (size_t)a, (size_t)b) || mem_mul(&n, n, (size_t)c) || mem_mul(&n, n, sizeof(float))) {
		err_set(e, NULL, "%s do not fit in memory", what);
		return NULL;
	}
	return k->alloc(n, e);
}

/* The importance map, moved to the device. */
static int weights(struct run *r, struct err *e)
{
	float *w = window_weights(r->grid.roi, r->o->mode, r->o->sigma, e);
	size_t bytes = sizeof *w * (size_t)(r->grid.roi[0] * r->grid.roi[1] * r->grid.roi[2]);
	int bad;

	if (!w)
		return -1;
	r->weight = r->k->alloc(bytes, e);
	bad = !r->weight || r->k->copy(r->weight, w, bytes, K_TO_DEVICE, e);
	free(w);
	return bad ? -1 : 0;
}

static int open_sure(struct run *r, struct err *e)
{
	const size_t n = (size_t)(r->depth * r->grid.size[1] * ((r->grid.size[2] + K_SURE - 1) / K_SURE));

	r->sure = r->k->alloc(n, e);
	return !r->sure || r->k->zero(r->sure, n, e) ? -1 : 0;
}

static int begin(struct run *r, const struct tensor *image, struct err *e)
{
	const struct window_grid *g = &r->grid;
	int64_t deep;

	for (int64_t i = r->o->batch - 1; i < g->total; i++) {
		int64_t apart = g->at[i].start[0] - g->at[i - r->o->batch + 1].start[0];

		r->span = apart > r->span ? apart : r->span;
	}
	if (g->total < r->o->batch)
		r->span = g->size[0];
	deep = r->o->refine > 0 ? 2 * g->roi[0] : g->roi[0] + r->span;
	r->depth = deep < g->size[0] ? deep : g->size[0];
	r->plane = g->size[1] * g->size[2];
	r->queue = mem_new((size_t)r->o->batch, sizeof *r->queue, "a batch of windows", e);
	r->acc = r->queue ? device_floats(r->k, r->depth, r->plane, r->p->classes, "the accumulators of a slab", e) : NULL;
	r->sum = r->acc ? device_floats(r->k, r->depth, r->plane, 1, "the weights of a slab", e) : NULL;
	if (!r->sum || weights(r, e) || window_feed_open(&r->feed, r->k, r->o->pipe, image, r->depth, e))
		return -1;
	if (!device_is_host(r->k) && !(r->host = mem_new((size_t)(r->depth * r->plane * r->p->classes), sizeof(float), "a slab", e)))
		return -1;
	if (r->o->refine > 0 && open_sure(r, e))
		return -1;
	return r->k->zero(r->acc, sizeof(float) * (size_t)(r->depth * r->plane * r->p->classes), e) ||
	       r->k->zero(r->sum, sizeof(float) * (size_t)(r->depth * r->plane), e) ? -1 : 0;
}

static void end(struct run *r)
{
	r->k->release(r->acc);
	r->k->release(r->sum);
	r->k->release(r->weight);
	r->k->release(r->sure);
	window_feed_close(&r->feed);
	free(r->host);
	free(r->queue);
	window_grid_free(&r->grid);
}

/* -- slices that are finished ------------------------------------------------- */
/* What the sum of a single class's weighted logits or probabilities is compared with, times the sum of weights. */
static float middle(const struct run *r)
{
	return r->o->soft ? 0.5f : 0;
}

/* Note what of n voxels, which are finished, is no background. */
static int count(struct run *r, const float *acc, const float *sum, int64_t n, struct err *e)
{
	int64_t more;

	if (!(r->o->refine > 0))
		return 0;
	if (r->k->window_count(acc, sum, n, r->p->classes, middle(r), &more, e))
		return -1;
	r->mask += more;
	return 0;
}

/* Hand on n slices that lie together in the ring, and clear them. */
static int hand_on(struct run *r, int64_t n, struct err *e)
{
	int64_t at = r->done % r->depth * r->plane, vox = n * r->plane, k = r->p->classes;
	const float never = r->o->soft ? 0 : WINDOW_NEVER, none[2] = {k == 1 ? never : r->o->soft ? 1 : 0, never};
	size_t bytes = sizeof(float) * (size_t)(vox * k);
	float *acc = r->acc + at * k, *sum = r->sum + at;

	if (count(r, acc, sum, vox, e) || r->k->window_divide(acc, sum, vox, k, none, e) || (r->host && r->k->copy(r->host, acc, bytes, K_TO_HOST, e)))
		return -1;
	if (r->sink(r->sink_arg, r->done, n, r->host ? r->host : acc, e))
		return -1;
	r->done += n;
	return r->k->zero(acc, bytes, e) || r->k->zero(sum, sizeof(float) * (size_t)vox, e) ? -1 : 0;
}

/* Hand on all slices below z. */
static int flush(struct run *r, int64_t z, struct err *e)
{
	while (r->done < z) {
		int64_t to_end = r->depth - r->done % r->depth, n = z - r->done < to_end ? z - r->done : to_end;

		if (hand_on(r, n, e))
			return -1;
	}
	return 0;
}

/* -- windows -------------------------------------------------------------------- */
static int gather(const struct run *r, int64_t i, int flip, float *x, struct err *e)
{
	const struct window_grid *g = &r->grid;
	const int64_t *at = g->at[i].start;
	const struct k_gather w = {.c = r->p->channels, .size = {r->feed.room, g->size[1], g->size[2]}, .roi = {g->roi[0], g->roi[1], g->roi[2]},
	                           .start = {at[0] - r->feed.first, at[1], at[2]}, .flip = flip, .pad = r->o->padding, .fill = r->o->fill};

	return r->k->window_gather(&w, r->feed.slab, x, e);
}

static int blend(struct run *r, int64_t i, int flip, const float *logits, struct err *e)
{
	const struct window_grid *g = &r->grid;
	struct k_blend w = {.k = r->p->classes, .slab = {r->depth, g->size[1], g->size[2]}, .flip = flip, .soft = r->o->soft, .sure = r->sure};

	memcpy(w.roi, g->roi, sizeof w.roi);
	memcpy(w.start, g->at[i].start, sizeof w.start);
	if (flush(r, r->floor, e))
		return -1;
	if (w.start[0] > 0)
		w.start[0] %= r->depth;
	if (r->k->window_blend(&w, logits, r->weight, r->acc, r->sum, e))
		return -1;
	if (w.start[0] <= 0)
		return 0;
	w.start[0] -= r->depth; /* the part that goes round the ring's end */
	return r->k->window_blend(&w, logits, r->weight, r->acc, r->sum, e);
}

/* The queue through one predictor, turned as flip says. */
static int predict(struct run *r, const struct window_predictor *p, int flip, struct err *e)
{
	const int64_t vox = r->grid.roi[0] * r->grid.roi[1] * r->grid.roi[2];
	float *x = p->input(p->arg, r->queued, r->grid.roi, e);
	const float *y;
	double begun;

	if (!x)
		return -1;
	for (int64_t j = 0; j < r->queued; j++)
		if (gather(r, r->queue[j], flip, x + j * vox * p->channels, e))
			return -1;
	begun = progress_now();
	y = p->run(p->arg, e);
	r->stats.network += progress_now() - begun;
	if (!y)
		return -1;
	for (int64_t j = 0; j < r->queued; j++)
		if (blend(r, r->queue[j], flip, y + j * vox * p->classes, e))
			return -1;
	return 0;
}

static int drain(struct run *r, struct err *e)
{
	const struct window_place *at = r->grid.at;
	const int64_t floor = r->floor;

	if (!r->queued)
		return 0;
	for (int64_t j = 0; j < r->queued; j++)
		r->floor = at[r->queue[j]].start[0] < r->floor ? at[r->queue[j]].start[0] : r->floor;
	for (int m = 0; m < r->models; m++)
		for (int flip = 0; flip < 8; flip++)
			if (!(flip & ~r->o->mirror) && predict(r, &r->p[m], flip, e))
				return -1;
	r->floor = floor;
	r->stats.run += r->queued;
	r->decided += r->queued;
	r->queued = 0;
	if (r->o->tick)
		r->o->tick(r->o->tick_arg, r->decided, r->grid.total);
	return 0;
}

/* Have what window i and all still to come need of the image. */
static int hold(struct run *r, int64_t i, struct err *e)
{
	const struct window_place *at = r->grid.at;
	int64_t lo = at[r->queued ? r->queue[0] : i].start[0];

	return window_feed_hold(&r->feed, lo < r->floor ? lo : r->floor, at[i].start[0] + r->grid.roi[0], e);
}

/* Window i is to be run, if it has anything in it. */
static int put(struct run *r, int64_t i, struct err *e)
{
	const struct window_place *at = r->grid.at;
	struct tensor part;
	int64_t first;

	if (r->queued && r->floor == INT64_MAX && at[i].start[0] - at[r->queue[0]].start[0] > r->span && drain(r, e))
		return -1;
	if (hold(r, i, e))
		return -1;
	first = window_feed_look(&r->feed, &part);
	if (!window_wanted(r->o, &part, first, r->grid.size[0], at[i].start, r->grid.roi)) {
		r->decided++;
		return 0;
	}
	r->queue[r->queued++] = i;
	return r->queued == r->o->batch ? drain(r, e) : 0;
}

static int all_windows(struct run *r, struct err *e)
{
	r->floor = INT64_MAX;
	for (int64_t i = 0; i < r->grid.total; i++)
		if (put(r, i, e))
			return -1;
	return drain(r, e);
}

/* -- a coarse grid first --------------------------------------------------------- */
/* Could window i still change much of a mask of so many voxels? */
static int worth(const struct run *r, int64_t i, int64_t mask, int *yes, struct err *e)
{
	const struct window_grid *g = &r->grid;
	const double p = r->o->refine;
	struct k_doubt d = {.k = r->p->classes, .slab = {r->depth, g->size[1], g->size[2]}, .middle = middle(r), .sure = r->sure};
	double doubt;

	memcpy(d.roi, g->roi, sizeof d.roi);
	memcpy(d.start, g->at[i].start, sizeof d.start);
	d.times = (float)(r->models << __builtin_popcount((unsigned)r->o->mirror));
	d.lead = (float)(!r->o->soft ? log(p / (1 - p)) : d.k > 1 ? 2 * p - 1 : p - 0.5);
	if (r->k->window_doubt(&d, r->weight, r->acc, r->sum, &doubt, e))
		return -1;
	*yes = doubt > r->o->gain * (double)mask;
	return 0;
}

/* The windows lo to hi - 1 of one z that are not coarse: those that, one after the other, are worth it. */
static int layer(struct run *r, int64_t lo, int64_t hi, struct err *e)
{
	int64_t mask;

	if (r->k->window_count(r->acc, r->sum, r->depth * r->plane, r->p->classes, middle(r), &mask, e))
		return -1;
	mask += r->mask;
	for (int64_t i = lo; i < hi; i++) {
		int yes = 0;

		if (r->grid.at[i].coarse)
			continue;
		if (worth(r, i, mask, &yes, e) || (yes && put(r, i, e)))
			return -1;
		r->decided += !yes;
	}
	return drain(r, e);
}

static int refined(struct run *r, struct err *e)
{
	const struct window_grid *g = &r->grid;
	int64_t ahead = 0, lo = 0, hi;

	for (; lo < g->total; lo = hi) {
		const int64_t z = g->at[lo].start[0];

		for (hi = lo; hi < g->total && g->at[hi].start[0] == z; hi++)
			continue;
		r->floor = z;
		if (flush(r, z, e))
			return -1;
		for (; ahead < g->total && g->at[ahead].start[0] < z + g->roi[0]; ahead++)
			if (g->at[ahead].coarse && put(r, ahead, e))
				return -1;
		if (drain(r, e) || layer(r, lo, hi, e))
			return -1;
	}
	return 0;
}

/* -- checks ------------------------------------------------------------------------ */
static int check_padding(const struct window_opts *o, const struct window_grid *g, struct err *e)
{
	static const char *const axes[] = {"z", "y", "x"};

	for (int i = 0; i < 3; i++) {
		const int64_t more = g->roi[i] > g->size[i] ? g->roi[i] - g->size[i] : 0, pad = more - more / 2;

		if (o->padding == K_PAD_REFLECT ? pad && pad >= g->size[i] : o->padding == K_PAD_CIRCULAR && pad > g->size[i])
			return err_set(e, NULL, "the %s axis has %lld voxels: too few to pad it with %lld of its own", axes[i], (long long)g->size[i], (long long)pad);
	}
	return 0;
}

int window_run(const struct window_opts *o, const struct k_backend *k, const struct window_predictor *p, int models, const struct tensor *image,
               window_sink *sink, void *sink_arg, struct err *e)
{
	struct run r = {.o = o, .k = k, .p = p, .models = models, .sink = sink, .sink_arg = sink_arg};
	const int64_t *size = image->shape + 1;
	const double begun = progress_now();
	int64_t roi[3];
	int bad;

	for (int i = 0; i < 3; i++)
		roi[i] = o->roi[i] ? o->roi[i] : size[i];
	if (window_grid_make(&r.grid, o->grid, size, roi, o->overlap, e))
		return -1;
	bad = check_padding(o, &r.grid, e) || begin(&r, image, e) || (o->refine > 0 ? refined : all_windows)(&r, e) || flush(&r, size[0], e);
	if (o->stats) {
		o->stats->run += r.stats.run;
		o->stats->total += r.grid.total;
		o->stats->network += r.stats.network;
		o->stats->seconds += progress_now() - begun;
	}
	end(&r);
	return bad ? -1 : 0;
}
