#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/stream/history.h"
#include "lib/volume/augment/augment_parts.h"
#include "lib/volume/crop/box.h"
#include "lib/volume/geometry/orient.h"

/* -- flips in place -- */

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

/* -- matrices -- */

static void multiply(const double a[9], const double b[9], double out[9])
{
	double m[9];

	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 3; c++)
			m[3 * r + c] = a[3 * r] * b[c] + a[3 * r + 1] * b[3 + c] + a[3 * r + 2] * b[6 + c];
	memcpy(out, m, sizeof m);
}

static void turn_matrix(int axis, double degrees, double m[9])
{
	int a = (axis + 1) % 3, b = (axis + 2) % 3;
	double t = degrees * 3.14159265358979323846 / 180;

	memset(m, 0, 9 * sizeof *m);
	m[4 * axis] = 1;
	m[4 * a] = m[4 * b] = cos(t);
	m[3 * a + b] = -sin(t);
	m[3 * b + a] = sin(t);
}

void augment_matrix(const struct augment_draw *d, double m[9])
{
	static const double unit[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
	double one[9];

	memcpy(m, unit, sizeof unit);
	for (int i = 0; d->on[AUGMENT_ROTATE] && i < 3; i++) {
		turn_matrix(i, d->v[AUGMENT_ROTATE][i], one);
		multiply(m, one, m);
	}
	for (int i = AUGMENT_VALUES - 1; d->on[AUGMENT_SHEAR] && i >= 0; i--) {
		memcpy(one, unit, sizeof unit);
		one[3 * augment_shears[i][0] + augment_shears[i][1]] = d->v[AUGMENT_SHEAR][i];
		multiply(m, one, m);
	}
	for (int i = 0; d->on[AUGMENT_SPATIAL_SCALE] && i < 9; i++)
		m[i] *= d->v[AUGMENT_SPATIAL_SCALE][i % 3];
}

/* -- turns and flips: quarters about x, then y, then z; then flips -- */

static struct orient then(struct orient a, const struct orient *b)
{
	struct orient o;

	for (int i = 0; i < 3; i++) {
		o.axis[i] = a.axis[b->axis[i]];
		o.flip[i] = a.flip[b->axis[i]] ^ b->flip[i];
	}
	return o;
}

static struct orient find_orient(const struct augment_draw *d)
{
	struct orient o = {{0, 1, 2}, {0}}, flips = o;

	for (int i = 0; d->on[AUGMENT_TURN] && i < 3; i++) {
		struct orient quarter = {{0, 1, 2}, {0}};

		quarter.axis[(i + 1) % 3] = (i + 2) % 3;
		quarter.axis[(i + 2) % 3] = (i + 1) % 3;
		quarter.flip[(i + 2) % 3] = 1;
		for (int k = (int)d->v[AUGMENT_TURN][i]; k; k--)
			o = then(o, &quarter);
	}
	for (int i = 0; i < 3; i++)
		flips.flip[i] = d->on[AUGMENT_FLIP] && d->v[AUGMENT_FLIP][i] != 0;
	return then(o, &flips);
}

static int turns(const struct orient *o)
{
	return o->axis[0] != 0 || o->axis[1] != 1;
}

/* -- the two ways -- */

/* First voxel of the middle of an axis, negative where it is shorter than what is wanted: nnU-Net's. */
static int64_t cut_start(int64_t length, int64_t size)
{
	return length / 2 - size / 2;
}

static int is_warped(const struct augment_draw *d)
{
	return d->on[AUGMENT_ROTATE] || d->on[AUGMENT_SPATIAL_SCALE] || d->on[AUGMENT_SHEAR] || d->on[AUGMENT_TRANSLATE] || d->on[AUGMENT_ELASTIC];
}

/* Middle on middle; but voxel on voxel along the flat axis, or slices would mix. */
static int warp(struct frame *f, struct grid *g, const int64_t size[3], const struct augment *a, const struct augment_draw *d, uint64_t index,
                const struct orient *o, struct err *e)
{
	struct augment_warp w = {.fill = (float)a->fill};
	double back[9] = {0};
	int r, flat = augment_flat_axis(a, size);

	for (int i = 0; i < 3; i++)
		back[3 * o->axis[i] + i] = o->flip[i] ? -1 : 1;
	augment_matrix(d, w.bend);
	multiply(w.bend, back, w.m);
	for (int i = 0; i < 3; i++) {
		w.origin[i] = i == flat ? (double)cut_start(g->size[i], size[i]) + (double)(size[i] - 1) / 2 : (double)(g->size[i] - 1) / 2;
		w.origin[i] += d->on[AUGMENT_TRANSLATE] ? d->v[AUGMENT_TRANSLATE][i] : 0;
		for (int c = 0; c < 3; c++)
			w.origin[i] -= w.m[3 * i + c] * (double)(size[c] - 1) / 2;
	}
	if (d->on[AUGMENT_ELASTIC] && augment_elastic_make(&w.field, size, a, flat, d->v[AUGMENT_ELASTIC][0], index, e))
		return -1;
	r = augment_warp(f, g, size, &w, e);
	free(w.field.p);
	return r;
}

static json_t *undo_json(const struct box *box, const struct orient *o)
{
	json_t *undo = box ? box_json(box) : json_object();

	json_object_set_new(undo, "flip", json_pack("[i,i,i]", o->flip[0], o->flip[1], o->flip[2]));
	if (turns(o))
		json_object_set_new(undo, "axis", json_pack("[i,i,i]", o->axis[0], o->axis[1], o->axis[2]));
	return undo;
}

int augment_move(struct frame *f, struct grid *g, const struct augment *a, const struct augment_draw *d, uint64_t index, struct augment_moved *m,
                 struct err *e)
{
	const struct orient o = find_orient(d);
	const int64_t *size = a->size[0] ? a->size : g->size;
	struct box box;
	int cut = 0;

	*m = (struct augment_moved){0};
	if (is_warped(d)) {
		m->moved = 1;
		return warp(f, g, size, a, d, index, &o, e);
	}
	for (int i = 0; i < 3; i++) {
		box.lo[i] = cut_start(g->size[i], size[i]);
		box.hi[i] = box.lo[i] + size[i];
		cut |= size[i] != g->size[i];
	}
	if (cut && box_cut(f, g, &box, a->fill, e))
		return -1;
	if (turns(&o) ? orient_frame(f, g, &o, e) : !orient_is_nothing(&o) && augment_flip(f, o.flip, e))
		return -1;
	m->moved = cut || !orient_is_nothing(&o);
	if (m->moved)
		m->undo = undo_json(cut ? &box : NULL, &o);
	return 0;
}
