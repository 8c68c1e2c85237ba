#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/run/device.h"
#include "lib/net/window/window_run.h"
#include "lib/stream/values.h"

enum { CHUNK = 1 << 14, SOME = 8 };

static int64_t plane(const struct tensor *t)
{
	return t->shape[2] * t->shape[3];
}

static int open_ways(struct window_feed *f, struct err *e)
{
	for (int i = 0; i < 2; i++)
		if (!(f->way[i].row = f->k->host_alloc((size_t)plane(f->image) * sizeof(float), e)) || !(f->way[i].sent = f->k->mark_new(e)))
			return -1;
	return (f->arrived = f->k->mark_new(e)) && (f->used = f->k->mark_new(e)) ? 0 : -1;
}

static void close_ways(struct window_feed *f)
{
	for (int i = 0; i < 2; i++) {
		f->k->host_release(f->way[i].row);
		f->k->mark_free(f->way[i].sent);
	}
	f->k->mark_free(f->arrived);
	f->k->mark_free(f->used);
}

int window_feed_open(struct window_feed *f, const struct k_backend *k, struct window_pipe *pipe, const struct tensor *image, int64_t room,
                     struct err *e)
{
	size_t n;

	*f = (struct window_feed){.k = k, .pipe = pipe, .image = image, .room = image->shape[1]};
	if (!image->data && image->dtype != DT_F32 && !(f->raw = mem_new((size_t)plane(image), dtype_size(image->dtype), "a slice", e)))
		return -1;
	if (!device_is_host(k) && open_ways(f, e))
		return -1;
	if (image->data && image->dtype == DT_F32 && device_is_host(k)) {
		f->slab = image->data;
		f->whole = 1;
		return 0;
	}
	f->room = room;
	if (mem_mul(&n, (size_t)(image->shape[0] * room), (size_t)plane(image)) || mem_mul(&n, n, sizeof *f->slab))
		return err_set(e, NULL, "a slab of the image does not fit in memory");
	f->slab = k->alloc(n, e);
	return f->slab ? 0 : -1;
}

void window_feed_close(struct window_feed *f)
{
	if (!f->whole && f->slab)
		f->k->release(f->slab);
	if (f->k && !device_is_host(f->k))
		close_ways(f);
	free(f->raw);
	f->slab = NULL;
	f->raw = NULL;
}

static float *slice(const struct window_feed *f, int64_t c, int64_t z)
{
	return f->slab + (c * f->room + z - f->first) * plane(f->image);
}

/* -- slices that come ------------------------------------------------------------- */
/* Exponent all ones: infinite or not a number. */
static int odd(const float *v, int64_t n)
{
	uint32_t bad = 0;

	for (int64_t i = 0; i < n; i++) {
		uint32_t u;

		memcpy(&u, &v[i], sizeof u);
		bad |= (u & 0x7f800000u) == 0x7f800000u;
	}
	return bad;
}

static int not_finite(const struct window_feed *f, int64_t c, int64_t z, struct err *e)
{
	if (f->image->shape[0] == 1)
		return err_set(e, NULL, "the image has values that are not finite in slice %lld", (long long)z);
	return err_set(e, NULL, "the image has values that are not finite in slice %lld of channel %lld", (long long)z, (long long)c);
}

/* Slices z to z + m - 1 of channel c as floats into `to`, host memory; NULL: they are floats, and stay where they are. */
static int make(struct window_feed *f, int64_t c, int64_t z, int64_t m, float *to, struct err *e)
{
	const int64_t n = plane(f->image);
	struct tensor t = *f->image;
	int64_t first = (c * t.shape[1] + z) * n, worst = m;
	const size_t bytes = (size_t)(m * n) * dtype_size(t.dtype);
	char *mapped = t.data ? (char *)t.data + (size_t)first * dtype_size(t.dtype) : NULL;

	if (!mapped) {
		t.data = t.dtype == DT_F32 ? (void *)to : f->raw;
		first = 0;
		if (stream_flow(f->pipe->in, t.data, bytes, e))
			return window_broken(f->pipe);
	}
#pragma omp parallel for collapse(2) schedule(static) reduction(min:worst)
	for (int64_t j = 0; j < m; j++)
		for (int64_t i = 0; i < n; i += CHUNK) {
			const int64_t at = j * n + i, k = n - i < CHUNK ? n - i : CHUNK;
			const float *v = to ? to + at : (float *)t.data + first + at;

			if (to && t.data != to)
				tensor_load_f32(&t, first + at, k, to + at);
			if (dtype_is_float(t.dtype) && odd(v, k) && j < worst)
				worst = j;
		}
	if (to && f->pipe && mapped)
		stream_done(f->pipe->in, mapped, bytes);
	return worst < m ? not_finite(f, c, z + worst, e) : 0;
}

/* Slice z of channel c to the device, while it computes */
static int send(struct window_feed *f, int64_t c, int64_t z, struct err *e)
{
	const struct k_backend *k = f->k;
	struct window_way *w = &f->way[f->turn ^= 1];

	return k->await(w->sent, e) || make(f, c, z, 1, w->row, e) ||
	       k->queue(K_IN, slice(f, c, z), w->row, (size_t)plane(f->image) * sizeof(float), K_TO_DEVICE, e) || k->mark(w->sent, K_IN, e) ? -1 : 0;
}

/* SOME at once; on a device, and out of a pipe, one by one. */
static int load(struct window_feed *f, int64_t hi, struct err *e)
{
	for (int64_t m; f->end < hi; f->end += m) {
		m = !f->image->data || f->arrived ? 1 : hi - f->end < SOME ? hi - f->end : SOME;
		for (int64_t c = 0; c < f->image->shape[0]; c++) {
			if (f->arrived ? send(f, c, f->end, e) : make(f, c, f->end, m, f->whole ? NULL : slice(f, c, f->end), e))
				return -1;
		}
	}
	return 0;
}

/* -- slices that go ---------------------------------------------------------------- */
/* Let the slab begin at slice lo; what it holds from there on moves down, slice by slice; on a device beside what it computes. */
static int move(struct window_feed *f, int64_t lo, struct err *e)
{
	const int64_t n = plane(f->image);

	for (int64_t c = 0; c < f->image->shape[0]; c++)
		for (int64_t i = 0; i < f->end - lo; i++)
			if (f->arrived ? f->k->queue(K_IN, f->slab + (c * f->room + i) * n, slice(f, c, lo + i), (size_t)n * sizeof(float), K_ON_DEVICE, e)
			               : f->k->copy(f->slab + (c * f->room + i) * n, slice(f, c, lo + i), (size_t)n * sizeof(float), K_ON_DEVICE, e))
				return -1;
	f->first = lo;
	return 0;
}

/* Of a mapped file: pages that were read. */
static void leave(struct window_feed *f, int64_t lo)
{
	const struct tensor *t = f->image;

	for (int64_t c = 0; c < t->shape[0] && f->pipe; c++)
		stream_done(f->pipe->in, f->slab + (c * t->shape[1] + f->left) * plane(t), (size_t)((lo - f->left) * plane(t)) * sizeof(float));
	f->left = lo;
}

int window_feed_hold(struct window_feed *f, int64_t lo, int64_t hi, struct err *e)
{
	const int64_t size = f->image->shape[1];
	const struct k_backend *k = f->k;

	lo = lo < 0 ? 0 : lo;
	hi = hi > size ? size : hi;
	if (f->arrived && hi > f->end && k->follow(K_IN, f->used, e))
		return -1;
	if (f->whole) {
		if (lo > f->left)
			leave(f, lo);
	} else if (hi > f->first + f->room && move(f, lo, e))
		return -1;
	if (!f->arrived || hi <= f->end)
		return load(f, hi, e);
	return load(f, hi, e) || k->mark(f->arrived, K_IN, e) || k->follow(K_COMPUTE, f->arrived, e) ? -1 : 0;
}

int window_feed_used(struct window_feed *f, struct err *e)
{
	return f->used ? f->k->mark(f->used, K_COMPUTE, e) : 0;
}

int64_t window_feed_look(const struct window_feed *f, struct tensor *t)
{
	*t = *f->image;
	if (!device_is_host(f->k))
		return 0;
	*t = (struct tensor){.dtype = DT_F32, .rank = 4, .shape = {t->shape[0], f->room, t->shape[2], t->shape[3]}, .data = f->slab};
	return f->first;
}
