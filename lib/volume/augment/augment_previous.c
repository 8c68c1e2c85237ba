/* Changes to the labels that the stage before found (tensor `previous`), so that a network does not rely on them: nnU-Net's for cascades,
   batchgeneratorsv2's ApplyRandomBinaryOperatorTransform and RemoveRandomConnectedComponentFromOneHotEncodingTransform. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/augment/augment_parts.h"
#include "lib/volume/component/component.h"

enum { LABELS = 256, CONNECTIVITY = 26 };
enum operation { DILATE, ERODE, CLOSE, OPEN };

/* -- balls -- */

/* to[i] = min over |k| <= most, inside the n lines, of from[i + k] + k^2, line by line of `run` values. */
static void spread(const uint16_t *from, uint16_t *to, int64_t n, int64_t run, int64_t most)
{
	for (int64_t i = 0; i < n; i++) {
		uint16_t *out = to + i * run;

		memcpy(out, from + i * run, (size_t)run * sizeof *out);
		for (int64_t k = i < most ? -i : -most; k <= most && i + k < n; k++) {
			const uint16_t *in = from + (i + k) * run;
			const uint16_t far = (uint16_t)(k * k);

			for (int64_t x = 0; x < run; x++) {
				const uint16_t d = (uint16_t)(in[x] + far);

				out[x] = d < out[x] ? d : out[x];
			}
		}
	}
}

/* Squares of the distances to the nearest 1 of a row; beyond `most` the next square. */
static void row_distances(const uint8_t *v, uint16_t *to, int64_t n, int64_t most)
{
	int64_t d = most + 1;

	for (int64_t x = 0; x < n; x++) {
		d = v[x] ? 0 : d > most ? most + 1 : d + 1;
		to[x] = (uint16_t)(d * d);
	}
	d = most + 1;
	for (int64_t x = n - 1; x >= 0; x--) {
		d = v[x] ? 0 : d > most ? most + 1 : d + 1;
		to[x] = d * d < to[x] ? (uint16_t)(d * d) : to[x];
	}
}

/* v: 1 where a voxel that is 1 lies within the radius; `near`: two volumes. What lies outside counts as 0. */
static void dilate(uint8_t *v, const int64_t size[3], double radius, uint16_t *near)
{
	const int64_t most = (int64_t)radius, slice = size[0] * size[1], n = slice * size[2];
	uint16_t *a = near, *b = near + n;

	for (int64_t i = 0; i < n; i += size[0])
		row_distances(v + i, a + i, size[0], most);
	for (int64_t z = 0; z < size[2]; z++)
		spread(a + z * slice, b + z * slice, size[1], size[0], most);
	spread(b, a, size[2], slice, most);
	for (int64_t i = 0; i < n; i++)
		v[i] = (double)a[i] <= radius * radius;
}

static void operate(uint8_t *v, const int64_t size[3], enum operation which, double radius, uint16_t *near)
{
	/* eroding is dilating what is not there */
	static const struct { int n, inverted[2]; } steps[] = {[DILATE] = {1, {0}}, [ERODE] = {1, {1}}, [CLOSE] = {2, {0, 1}}, [OPEN] = {2, {1, 0}}};
	const int64_t n = size[0] * size[1] * size[2];

	for (int s = 0; s < steps[which].n; s++) {
		const uint8_t inverted = (uint8_t)steps[which].inverted[s];

		for (int64_t i = 0; i < n && inverted; i++)
			v[i] = !v[i];
		dilate(v, size, radius, near);
		for (int64_t i = 0; i < n && inverted; i++)
			v[i] = !v[i];
	}
}

int augment_ball(uint8_t *label, const int64_t size[3], uint8_t of, const double *v, struct err *e)
{
	const int64_t n = size[0] * size[1] * size[2];
	uint8_t *is = mem_new((size_t)n, 1, "a label", e);
	uint16_t *near = is ? mem_new(2 * (size_t)n, sizeof *near, "a label's distances", e) : NULL;

	if (near) {
		for (int64_t i = 0; i < n; i++)
			is[i] = label[i] == of;
		operate(is, size, (enum operation)v[0], v[1], near);
		for (int64_t i = 0; i < n; i++)
			label[i] = is[i] ? of : label[i] == of ? 0 : label[i];
	}
	free(is);
	free(near);
	return near ? 0 : -1;
}

/* -- components -- */

static void clear(uint8_t *label, const int64_t size[3], const struct components *c, uint32_t gone)
{
	for (int64_t r = 0; r < size[1] * size[2]; r++)
		for (int64_t k = c->row[r]; k < c->row[r + 1]; k++)
			if (c->run[k].of == gone)
				memset(label + r * size[0] + c->run[k].x0, 0, (size_t)(c->run[k].x1 - c->run[k].x0));
}

int augment_remove(uint8_t *label, const int64_t size[3], uint8_t of, const double *v, struct err *e)
{
	const double most = v[0] * (double)(size[0] * size[1] * size[2]);
	const struct tensor t = {.name = (char *)"previous", .dtype = DT_U8, .rank = 3, .shape = {size[2], size[1], size[0]},
	                         .size = (size_t)(size[0] * size[1] * size[2]), .data = label};
	struct components c = {0};
	int64_t small = 0, chosen;
	int r = component_find(&t, CONNECTIVITY, COMPONENT_VALUE, &c, e);

	for (uint32_t i = 0; i < c.n; i++)
		small += c.c[i].value == of && (double)c.c[i].voxels < most;
	chosen = (int64_t)(v[1] * (double)small);
	for (uint32_t i = 0; i < c.n && small; i++)
		if (c.c[i].value == of && (double)c.c[i].voxels < most && !chosen--)
			clear(label, size, &c, i);
	component_free(&c);
	return r;
}

/* -- all labels there are, in an order that is drawn -- */

static int list(const uint8_t *v, int64_t n, uint8_t label[LABELS])
{
	uint8_t there[LABELS] = {0};
	int k = 0;

	for (int64_t i = 0; i < n; i++)
		there[v[i]] = 1;
	for (int l = 1; l < LABELS; l++)
		if (there[l])
			label[k++] = (uint8_t)l;
	return k;
}

static void shuffle(uint8_t *label, int n, const struct augment *a, uint64_t index, int t)
{
	struct rng r;

	rng_init(&r, a->seed, RNG_AUGMENT, index);
	rng_block(&r, (uint32_t)t << 24 | 8); /* of the frame's blocks the second half */
	for (int i = n - 1; i > 0; i--) {
		const int k = (int)rng_below(&r, (uint64_t)i + 1);
		const uint8_t was = label[i];

		label[i] = label[k];
		label[k] = was;
	}
}

/* The labels as bytes, in the frame. */
static uint8_t *bytes(struct frame *f, struct err *e)
{
	const struct tensor *t = frame_labels(f, "previous", e);
	struct tensor *to;
	int64_t shape[3], other;
	uint8_t *v;

	if (!t || t->dtype == DT_U8)
		return t ? t->data : NULL;
	v = mem_new((size_t)tensor_count(t), 1, "labels", e);
	other = v ? tensor_to_u8(t, LABELS - 1, v) : -1;
	if (other >= 0) {
		err_set(e, NULL, "tensor 'previous': label %.0f (expected 0 to %d)", tensor_value(t, other), LABELS - 1);
		free(v);
		return NULL;
	}
	memcpy(shape, t->shape, sizeof shape);
	to = v ? frame_adopt(f, "previous", DT_U8, 3, shape, v, e) : NULL;
	return to ? to->data : NULL;
}

int augment_previous(const struct augment *a, struct frame *f, const struct grid *g, uint64_t index, struct err *e)
{
	uint8_t *v = frame_find(f, "previous") ? bytes(f, e) : NULL;

	if (frame_find(f, "previous") && !v)
		return -1;
	for (int t = 0; t < AUGMENT_COUNT && v; t++) {
		uint8_t label[LABELS];
		int n = augment_table[t].relabel && !isnan(a->v[t][0]) ? list(v, geo_voxels(g), label) : 0;

		shuffle(label, n, a, index, t);
		for (int i = 0; i < n; i++) {
			struct augment_draw d;

			augment_draw(a, g->size, index, label[i], &d);
			if (d.on[t] && augment_table[t].relabel(v, g->size, label[i], d.v[t], e))
				return -1;
		}
	}
	return 0;
}
