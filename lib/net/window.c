#include "lib/net/window.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

/* Accumulators are a ring of `depth` slices: slice z lies at z % depth. One window's depth is enough, since windows come by rising z and slices below
   the current window's first one are handed on. */
struct run {
	const struct window_opts *o;
	const struct k_backend *k;
	const struct window_predictor *p;
	struct window_grid grid;
	int64_t depth, plane, done; /* done: slices handed on */
	const float *image;         /* on the device */
	float *weight, *acc, *sum;  /* on the device */
	float *host;                /* staging; NULL where the device's memory is the host's */
	window_sink *sink;
	void *sink_arg;
};

static int on_host(const struct k_backend *k)
{
	return !strcmp(k->name, "cpu");
}

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

static int upload(struct run *r, const float *image, struct err *e)
{
	size_t bytes = sizeof *image * (size_t)(r->p->channels * r->grid.size[0] * r->plane);
	float *d;

	if (on_host(r->k)) {
		r->image = image;
		return 0;
	}
	d = r->k->alloc(bytes, e);
	r->image = d;
	return d ? r->k->copy(d, image, bytes, K_TO_DEVICE, e) : -1;
}

static int begin(struct run *r, const float *image, struct err *e)
{
	const struct window_grid *g = &r->grid;

	r->depth = g->roi[0] < g->size[0] ? g->roi[0] : g->size[0];
	r->plane = g->size[1] * g->size[2];
	r->acc = device_floats(r->k, r->depth, r->plane, r->p->classes, "the accumulators of a slab", e);
	r->sum = r->acc ? device_floats(r->k, r->depth, r->plane, 1, "the weights of a slab", e) : NULL;
	if (!r->sum || weights(r, e) || upload(r, image, e))
		return -1;
	if (!on_host(r->k) && !(r->host = mem_new((size_t)(r->depth * r->plane * r->p->classes), sizeof(float), "a slab", e)))
		return -1;
	return r->k->zero(r->acc, sizeof(float) * (size_t)(r->depth * r->plane * r->p->classes), e) ||
	       r->k->zero(r->sum, sizeof(float) * (size_t)(r->depth * r->plane), e) ? -1 : 0;
}

static void end(struct run *r, const float *image)
{
	r->k->release(r->acc);
	r->k->release(r->sum);
	r->k->release(r->weight);
	if (r->image != image)
		r->k->release((void *)r->image);
	free(r->host);
	window_grid_free(&r->grid);
}

/* Hand on n slices that lie together in the ring, and clear them. */
static int hand_on(struct run *r, int64_t n, struct err *e)
{
	int64_t at = r->done % r->depth * r->plane, vox = n * r->plane, k = r->p->classes;
	size_t bytes = sizeof(float) * (size_t)(vox * k);
	float *acc = r->acc + at * k, *sum = r->sum + at;

	if (r->k->window_divide(acc, sum, vox, k, e) || (r->host && r->k->copy(r->host, acc, bytes, K_TO_HOST, e)))
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

static int gather(const struct run *r, int64_t i, float *x, struct err *e)
{
	const struct window_grid *g = &r->grid;
	struct k_gather w = {.c = r->p->channels, .fill = r->o->fill};

	memcpy(w.size, g->size, sizeof w.size);
	memcpy(w.roi, g->roi, sizeof w.roi);
	window_start(g, i, w.start);
	return r->k->window_gather(&w, r->image, x, e);
}

static int blend(struct run *r, int64_t i, const float *logits, struct err *e)
{
	const struct window_grid *g = &r->grid;
	struct k_blend w = {.k = r->p->classes, .slab = {r->depth, g->size[1], g->size[2]}};

	memcpy(w.roi, g->roi, sizeof w.roi);
	window_start(g, i, w.start);
	if (w.start[0] > r->done && flush(r, w.start[0], e))
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

/* n windows from i on. */
static int predict(struct run *r, int64_t i, int64_t n, struct err *e)
{
	const int64_t vox = r->grid.roi[0] * r->grid.roi[1] * r->grid.roi[2];
	float *x = r->p->input(r->p->arg, n, r->grid.roi, e);
	const float *y;

	if (!x)
		return -1;
	for (int64_t j = 0; j < n; j++)
		if (gather(r, i + j, x + j * vox * r->p->channels, e))
			return -1;
	y = r->p->run(r->p->arg, e);
	if (!y)
		return -1;
	for (int64_t j = 0; j < n; j++)
		if (blend(r, i + j, y + j * vox * r->p->classes, e))
			return -1;
	return 0;
}

static int all_windows(struct run *r, struct err *e)
{
	const int64_t total = r->grid.total, batch = r->o->batch;

	for (int64_t i = 0; i < total; i += batch) {
		int64_t n = total - i < batch ? total - i : batch;

		if (predict(r, i, n, e))
			return -1;
		if (r->o->tick)
			r->o->tick(r->o->tick_arg, i + n, total);
	}
	return flush(r, r->grid.size[0], e);
}

int window_run(const struct window_opts *o, const struct k_backend *k, const struct window_predictor *p, const float *image,
               const int64_t size[3], window_sink *sink, void *sink_arg, struct err *e)
{
	struct run r = {.o = o, .k = k, .p = p, .sink = sink, .sink_arg = sink_arg};
	int64_t roi[3];
	int bad;

	for (int i = 0; i < 3; i++)
		roi[i] = o->roi[i] ? o->roi[i] : size[i];
	if (window_grid_make(&r.grid, size, roi, o->overlap, e))
		return -1;
	bad = begin(&r, image, e) || all_windows(&r, e);
	end(&r, image);
	return bad ? -1 : 0;
}
