#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/window_run.h"
#include "lib/stream/values.h"

int window_on_host(const struct k_backend *k)
{
	return !strcmp(k->name, "cpu");
}

static int64_t plane(const struct tensor *t)
{
	return t->shape[2] * t->shape[3];
}

int window_feed_open(struct window_feed *f, const struct k_backend *k, const struct tensor *image, struct err *e)
{
	(void)e;
	*f = (struct window_feed){.k = k, .image = image};
	if (image->dtype != DT_F32 || !window_on_host(k))
		return 0;
	f->slab = image->data;
	f->n = f->held = image->shape[1];
	f->whole = 1;
	return 0;
}

void window_feed_close(struct window_feed *f)
{
	if (!f->whole && f->slab)
		f->k->release(f->slab);
	f->slab = NULL;
}

static float *slice(const struct window_feed *f, int64_t c, int64_t z)
{
	return f->slab + (c * f->n + z - f->first) * plane(f->image);
}

/* Slices lo to hi - 1 of every channel, from the image. */
static int load(struct window_feed *f, int64_t lo, int64_t hi, struct err *e)
{
	const struct tensor *t = f->image;
	const int64_t n = plane(t), all = (hi - lo) * t->shape[0];
	float *row = NULL;
	int bad = 0;

	if (window_on_host(f->k)) {
#pragma omp parallel for schedule(static)
		for (int64_t i = 0; i < all; i++) {
			int64_t c = i / (hi - lo), z = lo + i % (hi - lo);

			tensor_load_f32(t, (c * t->shape[1] + z) * n, n, slice(f, c, z));
		}
		return 0;
	}
	row = mem_new((size_t)n, sizeof *row, "a slice", e);
	for (int64_t i = 0; row && i < all && !bad; i++) {
		int64_t c = i / (hi - lo), z = lo + i % (hi - lo);

		tensor_load_f32(t, (c * t->shape[1] + z) * n, n, row);
		bad = f->k->copy(slice(f, c, z), row, (size_t)n * sizeof *row, K_TO_DEVICE, e);
	}
	free(row);
	return row ? bad : -1;
}

/* Let the slab begin at slice lo; what it holds of the new range moves down, slice by slice. */
static int move(struct window_feed *f, int64_t lo, struct err *e)
{
	const int64_t end = f->first + f->held, n = plane(f->image);
	const int64_t kept = lo >= f->first && lo < end ? end - lo : 0;

	for (int64_t c = 0; c < f->image->shape[0] && lo > f->first; c++)
		for (int64_t i = 0; i < kept; i++)
			if (f->k->copy(f->slab + (c * f->n + i) * n, slice(f, c, lo + i), (size_t)n * sizeof(float), K_ON_DEVICE, e))
				return -1;
	f->first = lo;
	f->held = kept;
	return 0;
}

static int grow(struct window_feed *f, int64_t n, struct err *e)
{
	size_t bytes;

	if (mem_mul(&bytes, (size_t)(f->image->shape[0] * n), (size_t)plane(f->image)) || mem_mul(&bytes, bytes, sizeof(float)))
		return err_set(e, NULL, "a slab of the image does not fit in memory");
	f->k->release(f->slab);
	f->slab = f->k->alloc(bytes, e);
	f->n = f->slab ? n : 0;
	f->held = 0;
	return f->slab ? 0 : -1;
}

int window_feed_hold(struct window_feed *f, int64_t lo, int64_t hi, struct err *e)
{
	const int64_t size = f->image->shape[1];

	if (f->whole)
		return 0;
	lo = lo < 0 ? 0 : lo;
	hi = hi > size ? size : hi;
	if (hi - lo > f->n && grow(f, hi - lo, e))
		return -1;
	if (lo >= f->first && hi <= f->first + f->held)
		return 0;
	if ((lo < f->first || hi > f->first + f->n) && move(f, lo, e))
		return -1;
	if (!f->held)
		f->first = lo;
	if (load(f, f->first + f->held, hi, e))
		return -1;
	f->held = hi - f->first;
	return 0;
}
