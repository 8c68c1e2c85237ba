#include <stdlib.h>
#include <string.h>

#include "lib/base/clones.h"
#include "lib/base/mem.h"
#include "lib/volume/augment/augment_math.h"
#include "lib/volume/augment/augment_parts.h"
#include "lib/volume/crop/box.h"

/* A row is made in blocks: places in the source, then values from there, then their mean. Loading cannot be made vectors of, the rest is. */
enum { BLOCK = AUGMENT_ROW };

struct source { const void *v; int32_t n[3]; float fill; size_t bytes; /* of a value */ };

struct places { float at[3][BLOCK]; };

/* Of voxels x0 to x0 + n - 1 of a row whose voxel 0 is at `first`. */
CLONES static void find_places(const float first[3], const float step[3], const float bend[9], const float *moved, int64_t x0, int n,
                               struct places *p)
{
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < n; k++)
			p->at[i][k] = first[i] + (float)((int)x0 + k) * step[i];
	for (int i = 0; moved && i < 3; i++)
		for (int k = 0; k < n; k++)
			p->at[i][k] += bend[3 * i] * moved[k] + bend[3 * i + 1] * moved[n + k] + bend[3 * i + 2] * moved[2 * n + k];
}

/* -- linear -- */

/* The voxel before each place and the way to it; whether both it and the next are in the source on all axes. A place on a voxel of z has no use for
   the next slice. */
struct cells { int32_t at[3][BLOCK], inside[BLOCK], first[BLOCK], next[BLOCK]; float w[3][BLOCK]; };

/* Non-zero: all places of the block are inside. */
CLONES static int find_cells(const struct places *p, const struct source *s, int n, struct cells *c)
{
	int32_t slice = s->n[0] * s->n[1], all = 1;

	for (int k = 0; k < n; k++)
		c->inside[k] = 1;
	for (int i = 0; i < 3; i++) {
		float most = (float)s->n[i] + 1;
		int32_t last = s->n[i] - 2;

		for (int k = 0; k < n; k++) {
			float x = p->at[i][k];
			int32_t at;

			x = x > -2 ? x : -2;
			x = x < most ? x : most;
			at = (int32_t)x;
			at -= (float)at > x;
			c->at[i][k] = at;
			c->w[i][k] = x - (float)at;
			c->inside[k] &= (at >= 0) & (at <= last + (i == 2 && c->w[i][k] == 0));
		}
	}
	for (int k = 0; k < n; k++) {
		c->first[k] = c->at[2][k] * slice + c->at[1][k] * s->n[0] + c->at[0][k];
		c->next[k] = c->w[2][k] == 0 ? 0 : slice;
		all &= c->inside[k];
	}
	return all;
}

static float fetch(const struct source *s, int32_t x, int32_t y, int32_t z)
{
	int in = x >= 0 && y >= 0 && z >= 0 && x < s->n[0] && y < s->n[1] && z < s->n[2];

	return in ? ((const float *)s->v)[((int64_t)z * s->n[1] + y) * s->n[0] + x] : s->fill;
}

static void load_border(const struct source *s, const struct cells *c, int k, float v[8][BLOCK])
{
	int32_t x = c->at[0][k], y = c->at[1][k], z = c->at[2][k], z1 = z + (c->next[k] != 0);
	int out = x < -1 || y < -1 || z < -1 || x >= s->n[0] || y >= s->n[1] || z >= s->n[2];

	for (int i = 0; i < 8; i++)
		v[i][k] = out ? s->fill : fetch(s, x + (i & 1), y + (i >> 1 & 1), i & 4 ? z1 : z);
}

static inline void load_inside(const struct source *s, const struct cells *c, int k, float v[8][BLOCK])
{
	const float *p = (const float *)s->v + c->first[k], *q = p + c->next[k];
	int32_t nx = s->n[0];

	v[0][k] = p[0], v[1][k] = p[1], v[2][k] = p[nx], v[3][k] = p[nx + 1];
	v[4][k] = q[0], v[5][k] = q[1], v[6][k] = q[nx], v[7][k] = q[nx + 1];
}

CLONES static void mix(float v[8][BLOCK], const struct cells *c, int n, float *out)
{
	for (int k = 0; k < n; k++) {
		float x = c->w[0][k], y = c->w[1][k], z = c->w[2][k];
		float a = v[0][k] + x * (v[1][k] - v[0][k]), b = v[2][k] + x * (v[3][k] - v[2][k]);
		float d = v[4][k] + x * (v[5][k] - v[4][k]), e = v[6][k] + x * (v[7][k] - v[6][k]);

		a += y * (b - a);
		d += y * (e - d);
		out[k] = a + z * (d - a);
	}
}

static void linear(const struct source *s, const struct places *p, int n, void *out)
{
	struct cells c;
	float v[8][BLOCK];

	if (find_cells(p, s, n, &c))
		for (int k = 0; k < n; k++)
			load_inside(s, &c, k, v);
	else
		for (int k = 0; k < n; k++)
			if (c.inside[k])
				load_inside(s, &c, k, v);
			else
				load_border(s, &c, k, v);
	mix(v, &c, n, out);
}

/* -- nearest: halves to the even voxel -- */

CLONES static void find_nearest(const struct places *p, const struct source *s, int n, int32_t at[BLOCK])
{
	int32_t near[3][BLOCK], inside[BLOCK];

	for (int k = 0; k < n; k++)
		inside[k] = 1;
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < n; k++) {
			float x = p->at[i][k], most = (float)s->n[i] + 1;

			x = x > -2 ? x : -2;
			x = x < most ? x : most;
			near[i][k] = (int32_t)math_round(x);
			inside[k] &= (near[i][k] >= 0) & (near[i][k] < s->n[i]);
		}
	for (int k = 0; k < n; k++)
		at[k] = inside[k] ? (near[2][k] * s->n[1] + near[1][k]) * s->n[0] + near[0][k] : -1;
}

#define TAKE(type) \
	do { \
		const type *in = s->v; \
		type *to = out; \
\
		for (int k = 0; k < n; k++) \
			to[k] = at[k] < 0 ? 0 : in[at[k]]; \
	} while (0)

static void nearest(const struct source *s, const struct places *p, int n, void *out)
{
	int32_t at[BLOCK];

	find_nearest(p, s, n, at);
	switch (s->bytes) {
	case 1: TAKE(uint8_t); break;
	case 2: TAKE(uint16_t); break;
	case 4: TAKE(uint32_t); break;
	default: TAKE(uint64_t); break;
	}
}

/* -- a tensor -- */

/* As box.h has it. */
static float fill_of(const struct augment_warp *w, enum geo_role role, int64_t plane)
{
	return role == ROLE_IMAGE ? w->fill : role != ROLE_PROB ? 0 : (float)(plane ? w->prob.other : w->prob.first);
}

typedef void block_fn(const struct source *s, const struct places *p, int n, void *out);

static void warp_row(const struct augment_warp *w, const struct source *s, int64_t z, int64_t y, int64_t nx, block_fn *fn, char *out)
{
	float first[3], step[3], bend[9], moved[3 * BLOCK];
	struct places p;

	for (int i = 0; i < 3; i++) {
		first[i] = (float)(w->origin[i] + w->m[3 * i + 1] * (double)y + w->m[3 * i + 2] * (double)z);
		step[i] = (float)w->m[3 * i];
	}
	for (int i = 0; i < 9; i++)
		bend[i] = (float)w->bend[i];
	for (int64_t x = 0; x < nx; x += BLOCK) {
		int n = (int)(nx - x < BLOCK ? nx - x : BLOCK);

		if (w->field.p)
			augment_elastic_row(&w->field, z, y, x, n, moved);
		find_places(first, step, bend, w->field.p ? moved : NULL, x, n, &p);
		fn(s, &p, n, out + (size_t)x * s->bytes);
	}
}

static void *warp_tensor(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype *type, void *arg,
                         struct err *e)
{
	const struct augment_warp *w = arg;
	int floats = role != ROLE_LABEL && role != ROLE_INT, convert = floats && t->dtype != DT_F32;
	float *copy = convert ? tensor_to_f32(t, e) : NULL;
	int64_t nx = to->size[0], ny = to->size[1], nz = to->size[2], slices = geo_planes(t) * nz;
	char *data = NULL;
	size_t bytes;

	*type = floats ? DT_F32 : *type;
	bytes = dtype_size(*type);
	if (!convert || copy)
		data = mem_new((size_t)(slices * ny * nx), bytes, t->name, e);
	if (data) {
#pragma omp parallel for schedule(static)
		for (int64_t k = 0; k < slices * ny; k++) {
			int64_t z = k / ny, plane = z / nz;
			const struct source s = {(copy ? (const char *)copy : (const char *)t->data) + (size_t)(plane * geo_voxels(from)) * bytes,
			                         {(int32_t)from->size[0], (int32_t)from->size[1], (int32_t)from->size[2]}, fill_of(w, role, plane), bytes};

			warp_row(w, &s, z % nz, k % ny, nx, floats ? linear : nearest, data + (size_t)(k * nx) * bytes);
		}
	}
	free(copy);
	return data;
}

int augment_warp(struct frame *f, struct grid *g, const int64_t size[3], struct augment_warp *w, struct err *e)
{
	struct grid to = *g;

	if (g->size[0] > GEO_MOST || g->size[1] > GEO_MOST || g->size[2] > GEO_MOST || (double)g->size[0] * (double)g->size[1] * (double)g->size[2] > 1e9)
		return err_set(e, NULL, "a patch of %lldx%lldx%lld voxels is too large to be warped", (long long)g->size[0], (long long)g->size[1],
		               (long long)g->size[2]);
	w->prob = box_scores(f);
	memcpy(to.size, size, sizeof to.size);
	for (int r = 0; r < 3; r++) {
		const double *row = g->affine + 4 * r;

		for (int c = 0; c < 3; c++)
			to.affine[4 * r + c] = row[0] * w->m[c] + row[1] * w->m[3 + c] + row[2] * w->m[6 + c];
		to.affine[4 * r + 3] = row[0] * w->origin[0] + row[1] * w->origin[1] + row[2] * w->origin[2] + row[3];
	}
	if (geo_regrid(f, g, &to, warp_tensor, w, e))
		return -1;
	*g = to;
	return 0;
}
