#include "lib/net/window/window.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/progress.h"
#include "lib/net/window/window_run.h"

/* Slices that windows still to come, and those of a batch, reach: with a coarse grid, whose windows run ahead, it takes more. */
static int64_t depth(struct window_job *r)
{
	const struct window_grid *g = &r->grid;
	int64_t deep;

	for (int64_t i = r->o->batch - 1; i < g->total; i++) {
		int64_t apart = g->at[i].start[0] - g->at[i - r->o->batch + 1].start[0];

		r->span = apart > r->span ? apart : r->span;
	}
	if (g->total < r->o->batch)
		r->span = g->size[0];
	deep = r->o->refine > 0 ? window_refine_depth(g->roi) : g->roi[0] + r->span;
	return deep < g->size[0] ? deep : g->size[0];
}

static int begin(struct window_job *r, const struct tensor *image, window_sink *sink, void *sink_arg, struct err *e)
{
	const int64_t deep = depth(r);

	for (int i = 0; i < 4 && r->k->mark_new; i++)
		if (!(r->timed[i / 2][i % 2] = r->k->mark_new(e)))
			return -1;
	r->queue = mem_new((size_t)r->o->batch, sizeof *r->queue, "a batch of windows", e);
	return !r->queue || window_ring_open(&r->ring, r->o, r->k, &r->grid, r->p, deep, sink, sink_arg, e) ||
	       window_feed_open(&r->feed, r->k, r->o->pipe, image, deep, e) ? -1 : 0;
}

static void end(struct window_job *r)
{
	for (int i = 0; i < 4 && r->k->mark_free; i++)
		r->k->mark_free(r->timed[i / 2][i % 2]);
	window_ring_close(&r->ring);
	window_feed_close(&r->feed);
	free(r->queue);
	window_grid_free(&r->grid);
}

/* -- windows -------------------------------------------------------------------- */
static int gather(const struct window_job *r, int64_t i, int flip, float *x, struct err *e)
{
	const struct window_grid *g = &r->grid;
	const int64_t *at = g->at[i].start;
	const struct k_gather w = {.c = r->p->channels, .size = {r->feed.room, g->size[1], g->size[2]}, .roi = {g->roi[0], g->roi[1], g->roi[2]},
	                           .start = {at[0] - r->feed.first, at[1], at[2]}, .flip = flip, .pad = r->o->padding, .fill = r->o->fill};

	return r->k->window_gather(&w, r->feed.slab, x, e);
}

/* What a prediction has taken, if there was one since that pair of marks was free */
static int settle(struct window_job *r, int turn, struct err *e)
{
	double more;

	if (!r->k->between)
		return 0;
	if (r->k->between(r->timed[turn][0], r->timed[turn][1], &more, e))
		return -1;
	r->stats.network += more;
	return 0;
}

/* Windows that are predicted: turned as flip says; seconds that went into what was made of them */
struct taking { struct window_job *r; int flip; double taken; };

/* Slices z to z + n - 1 of window i of the queue. On a device that goes on by itself the first that comes is behind the whole prediction. */
static int take(void *arg, int64_t i, int64_t z, int64_t n, const float *logits, struct err *e)
{
	struct taking *t = arg;
	struct window_job *r = t->r;
	const double begun = progress_now();

	if (!i && !z && r->k->mark && r->k->mark(r->timed[r->turn][1], K_COMPUTE, e))
		return -1;
	if (window_ring_blend(&r->ring, r->grid.at[r->queue[i]].start, t->flip, z, n, logits, e))
		return -1;
	t->taken += progress_now() - begun;
	return 0;
}

/* What was gathered through a network, and the time it takes: on a device that goes on by itself, when the last prediction but one is over. */
static int network(struct window_job *r, const struct window_predictor *p, int flip, struct err *e)
{
	struct k_mark *const *timed = r->timed[r->turn ^= 1];
	struct taking t = {r, flip, 0};
	const double begun = progress_now();

	if (r->k->mark && (settle(r, r->turn, e) || r->k->mark(timed[0], K_COMPUTE, e)))
		return -1;
	if (p->run(p->arg, take, &t, e))
		return -1;
	if (!r->k->mark)
		r->stats.network += progress_now() - begun - t.taken;
	return 0;
}

/* The queue through one predictor, turned as flip says. */
static int predict(struct window_job *r, const struct window_predictor *p, int flip, struct err *e)
{
	const int64_t vox = r->grid.roi[0] * r->grid.roi[1] * r->grid.roi[2];
	float *x = p->input(p->arg, r->queued, r->grid.roi, e);

	if (!x)
		return -1;
	for (int64_t j = 0; j < r->queued; j++)
		if (gather(r, r->queue[j], flip, x + j * vox * p->channels, e))
			return -1;
	return window_feed_used(&r->feed, e) ? -1 : network(r, p, flip, e);
}

int window_drain(struct window_job *r, struct err *e)
{
	const struct window_place *at = r->grid.at;
	const int64_t floor = r->floor;

	if (!r->queued)
		return 0;
	for (int64_t j = 0; j < r->queued; j++)
		r->floor = at[r->queue[j]].start[0] < r->floor ? at[r->queue[j]].start[0] : r->floor;
	if (window_ring_flush(&r->ring, r->floor, e))
		return -1;
	for (int m = 0; m < r->models; m++)
		for (int flip = 0; flip < 8; flip++)
			if (!(flip & ~r->o->mirror) && predict(r, &r->p[m], flip, e))
				return -1;
	r->floor = floor;
	r->stats.run += r->queued;
	r->decided += r->queued;
	r->queued = 0;
	if (r->o->tick && r->o->tick(r->o->tick_arg, r->decided, r->grid.total))
		return err_set(e, NULL, "ended after window %lld of %lld", (long long)r->decided, (long long)r->grid.total);
	return 0;
}

/* Have what window i and all still to come need of the image. */
static int hold(struct window_job *r, int64_t i, struct err *e)
{
	const struct window_place *at = r->grid.at;
	int64_t lo = at[r->queued ? r->queue[0] : i].start[0];

	return window_feed_hold(&r->feed, lo < r->floor ? lo : r->floor, at[i].start[0] + r->grid.roi[0], e);
}

/* Window i is to be run, if it has anything in it. */
int window_put(struct window_job *r, int64_t i, struct err *e)
{
	const struct window_place *at = r->grid.at;
	struct tensor part;
	int64_t first;

	if (r->queued && r->floor == INT64_MAX && at[i].start[0] - at[r->queue[0]].start[0] > r->span && window_drain(r, e))
		return -1;
	if (hold(r, i, e))
		return -1;
	first = window_feed_look(&r->feed, &part);
	if (!window_wanted(r->o, &part, first, r->grid.size[0], at[i].start, r->grid.roi)) {
		r->decided++;
		return 0;
	}
	r->queue[r->queued++] = i;
	return r->queued == r->o->batch ? window_drain(r, e) : 0;
}

static int all_windows(struct window_job *r, struct err *e)
{
	r->floor = INT64_MAX;
	for (int64_t i = 0; i < r->grid.total; i++)
		if (window_put(r, i, e))
			return -1;
	return window_drain(r, e);
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
	struct window_job r = {.o = o, .k = k, .p = p, .models = models};
	const int64_t *size = image->shape + 1;
	const double begun = progress_now();
	int64_t roi[3];
	int bad;

	for (int i = 0; i < 3; i++)
		roi[i] = o->roi[i] ? o->roi[i] : size[i];
	if (window_grid_make(&r.grid, o->grid, size, roi, o->overlap, e))
		return -1;
	bad = check_padding(o, &r.grid, e) || begin(&r, image, sink, sink_arg, e) || (o->refine > 0 ? window_refined : all_windows)(&r, e) ||
	      window_ring_flush(&r.ring, size[0], e) || settle(&r, 0, e) || settle(&r, 1, e);
	if (bad && k->lost && k->lost(e))
		err_prefix(e, "window %lld of %lld, or before", (long long)(r.decided < r.grid.total ? r.decided + 1 : r.grid.total), (long long)r.grid.total);
	if (o->stats) {
		o->stats->run += r.stats.run;
		o->stats->total += r.grid.total;
		o->stats->network += r.stats.network;
		o->stats->seconds += progress_now() - begun;
	}
	end(&r);
	return bad ? -1 : 0;
}
