#include "lib/volume/augment.h"

#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/rng.h"
#include "lib/stream/history.h"

void augment_draw(const struct augment *a, uint64_t index, struct augment_draw *d)
{
	struct rng r;
	double scale, shift;

	rng_init(&r, a->seed, RNG_AUGMENT, index);
	for (int i = 0; i < 3; i++)
		d->flip[i] = (rng_uniform(&r) < a->flip_prob) & a->flip[i];
	scale = rng_uniform(&r) < a->scale_prob ? a->scale : 0;
	d->scale = 1 + scale * rng_range(&r, -1, 1);
	shift = rng_uniform(&r) < a->shift_prob ? a->shift : 0;
	d->shift = shift * rng_range(&r, -1, 1);
}

static void swap(char *a, char *b, size_t n)
{
	char t[4096];

	for (size_t k; n; n -= k, a += k, b += k) {
		k = n < sizeof t ? n : sizeof t;
		memcpy(t, a, k);
		memcpy(a, b, k);
		memcpy(b, t, k);
	}
}

/* Reverse n blocks of `size` bytes. */
static void reverse(char *p, int64_t n, size_t size)
{
	for (int64_t i = 0, j = n - 1; i < j; i++, j--)
		swap(p + (size_t)i * size, p + (size_t)j * size, size);
}

#define REVERSE(type) \
	for (int64_t i = 0, j = n - 1; i < j; i++, j--) { \
		type t = ((type *)p)[i]; \
		((type *)p)[i] = ((type *)p)[j]; \
		((type *)p)[j] = t; \
	} \
	break

/* Reverse a row of n elements: the x axis, where a swap of blocks is slow. */
static void reverse_row(void *p, int64_t n, size_t size)
{
	switch (size) {
	case 1: REVERSE(uint8_t);
	case 2: REVERSE(uint16_t);
	case 4: REVERSE(uint32_t);
	default: REVERSE(uint64_t);
	}
}

static void flip_tensor(struct tensor *t, const struct grid *g, const int flip[3])
{
	size_t size = dtype_size(t->dtype), row = (size_t)g->size[0] * size, slice = row * (size_t)g->size[1], volume = slice * (size_t)g->size[2];

	for (char *v = t->data; v < (char *)t->data + t->size; v += volume) {
		if (flip[2])
			reverse(v, g->size[2], slice);
		for (char *z = v; flip[1] && z < v + volume; z += slice)
			reverse(z, g->size[1], row);
		for (char *y = v; flip[0] && y < v + volume; y += row)
			reverse_row(y, g->size[0], size);
	}
}

int augment_flip(struct frame *f, const int flip[3], struct err *e)
{
	struct grid g;

	if (frame_grid(f, &g, e))
		return -1;
	for (int i = 0; i < f->n; i++)
		if (tensor_on_grid(&f->t[i], &g))
			flip_tensor(&f->t[i], &g, flip);
	for (int c = 0; c < 3; c++)
		for (int r = 0; r < 3 && flip[c]; r++) {
			g.affine[4 * r + 3] += g.affine[4 * r + c] * (double)(g.size[c] - 1);
			g.affine[4 * r + c] = g.affine[4 * r + c] == 0 ? 0 : -g.affine[4 * r + c];
		}
	return frame_set_affine(f, g.affine, e);
}

static int change_image(struct frame *f, const struct augment_draw *d, struct err *e)
{
	struct tensor *t = frame_need(f, "image", e);
	float *v, scale = (float)d->scale, shift = (float)d->shift;

	if (!t)
		return -1;
	if (t->dtype != DT_F32) {
		v = tensor_to_f32(t, e);
		t = v ? frame_adopt(f, "image", DT_F32, t->rank, (int64_t[FRAME_RANK]){t->shape[0], t->shape[1], t->shape[2], t->shape[3]}, v, e) : NULL;
		if (!t)
			return -1;
	}
	v = t->data;
	for (int64_t i = 0, n = tensor_count(t); i < n; i++)
		v[i] = v[i] * scale + shift;
	return 0;
}

static json_t *history_args(const struct augment *a)
{
	char flip[4] = "";

	for (int i = 0, n = 0; i < 3; i++)
		if (a->flip[i])
			flip[n++] = "xyz"[i];
	return json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:I}", "flip", flip, "flip-prob", a->flip_prob, "scale", a->scale, "prob-scale", a->scale_prob,
	                 "shift", a->shift, "prob-shift", a->shift_prob, "seed", (json_int_t)a->seed);
}

int augment_frame(const struct augment *a, struct frame *f, uint64_t ordinal, struct err *e)
{
	const char *patch = frame_meta(f, "patch");
	struct augment_draw d;
	struct grid g;
	int64_t index = (int64_t)ordinal;
	int flips;

	if (frame_grid(f, &g, e))
		return -1;
	if (patch && arg_int(patch, 0, INT64_MAX, &index, e))
		return err_prefix(e, "metadata patch");
	augment_draw(a, (uint64_t)index, &d);
	flips = d.flip[0] | d.flip[1] | d.flip[2];
	if (flips && augment_flip(f, d.flip, e))
		return -1;
	if ((d.scale != 1 || d.shift != 0) && change_image(f, &d, e))
		return -1;
	return history_push(f, "nii-augment", history_args(a), flips ? json_pack("{s:[i,i,i]}", "flip", d.flip[0], d.flip[1], d.flip[2]) : NULL,
	                    flips ? &g : NULL, e);
}
