/* Labels by the linear shares of every label: eight voxels around, of which most are the same. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/resample/interp_axis.h"

static const double TIE = 1e-6, HALF = 0.5 - 1e-6; /* weights are float32 */

struct row {
	int64_t z, y; /* which it is; -1: none */
	int64_t *v;   /* [nx + 1]: a row of one voxel has a second */
	int flat;     /* all the same */
};

struct cache { struct row row[2][2]; }; /* by z & 1, y & 1 */

#define WIDEN(type) \
	do { \
		const type *in = (const type *)t->data + first; \
\
		for (int64_t i = 0; i < n; i++) \
			v[i] = (int64_t)in[i]; \
	} while (0)

static void widen(const struct tensor *t, int64_t first, int64_t n, int64_t *v)
{
	switch (t->dtype) {
	case DT_BOOL:
	case DT_U8: WIDEN(uint8_t); break;
	case DT_I8: WIDEN(int8_t); break;
	case DT_U16: WIDEN(uint16_t); break;
	case DT_I16: WIDEN(int16_t); break;
	case DT_U32: WIDEN(uint32_t); break;
	case DT_I32: WIDEN(int32_t); break;
	default: WIDEN(int64_t); break;
	}
}

#define NARROW(type) \
	do { \
		type *out = (type *)dst; \
\
		for (int64_t i = 0; i < n; i++) \
			out[i] = (type)v[i]; \
	} while (0)

static void narrow(const int64_t *v, int64_t n, char *dst, size_t size)
{
	switch (size) {
	case 1: NARROW(uint8_t); break;
	case 2: NARROW(uint16_t); break;
	case 4: NARROW(uint32_t); break;
	default: NARROW(uint64_t); break;
	}
}

static const struct row *source_row(const struct tensor *t, int64_t z, int64_t y, const struct axis a[3], struct cache *c)
{
	struct row *r = &c->row[z & 1][y & 1];
	int64_t nx = a[0].from;

	if (r->z == z && r->y == y)
		return r;
	r->z = z;
	r->y = y;
	widen(t, (z * a[1].from + y) * nx, nx, r->v);
	r->v[nx] = r->v[nx - 1];
	r->flat = 1;
	for (int64_t i = 1; i < nx && r->flat; i++)
		r->flat = r->v[i] == r->v[0];
	return r;
}

/* The label with half or more, of two the larger number. */
static int64_t half(const int64_t *label, const double *share, int n)
{
	int64_t best = 0;
	int found = 0;

	for (int j = 0; j < n; j++)
		if (share[j] >= HALF && (!found || label[j] > best)) {
			best = label[j];
			found = 1;
		}
	return best;
}

/* The label with most; of several that of the nearest voxel, halfway the one farther on, if it is one of them, else the smallest number. */
static int64_t most(const int64_t *label, const double *share, int n, const int64_t v[8], const double w[8])
{
	double top = 0;
	int near = 0, best = -1;

	for (int i = 1; i < 8; i++)
		near = w[i] > w[near] - TIE ? i : near;
	for (int j = 0; j < n; j++)
		top = share[j] > top ? share[j] : top;
	for (int j = 0; j < n; j++) {
		if (share[j] < top - TIE)
			continue;
		if (label[j] == v[near])
			return label[j];
		best = best < 0 || label[j] < label[best] ? j : best;
	}
	return label[best];
}

int64_t interp_vote(const int64_t v[8], const double w[8], enum interp_label how)
{
	int64_t label[8];
	double share[8];
	int n = 0;

	for (int i = 0; i < 8; i++) {
		int j = 0;

		while (j < n && label[j] != v[i])
			j++;
		if (j == n) {
			label[n] = v[i];
			share[n++] = 0;
		}
		share[j] += w[i];
	}
	return how == INTERP_LABEL_LINEAR ? half(label, share, n) : most(label, share, n, v, w);
}

/* One row of the result from four of the source; wy, wz: parts of the second and the last two. */
static void make_row(const struct row *const r[4], const struct axis *x, double wy, double wz, enum interp_label how, int64_t *out)
{
	const double part[4] = {(1 - wz) * (1 - wy), (1 - wz) * wy, wz * (1 - wy), wz * wy};
	int flat = 1;

	for (int k = 0; k < 4; k++)
		flat &= r[k]->flat && r[k]->v[0] == r[0]->v[0];
	for (int64_t i = 0; i < x->n; i++) {
		int64_t at = x->at[i], v[8], differ = 0;
		double w[8];

		if (flat) {
			out[i] = r[0]->v[0];
			continue;
		}
		for (int k = 0; k < 4; k++) {
			v[2 * k] = r[k]->v[at];
			v[2 * k + 1] = r[k]->v[at + 1];
			w[2 * k] = part[k] * (1 - (double)x->w[i]);
			w[2 * k + 1] = part[k] * (double)x->w[i];
			differ |= (v[2 * k] ^ v[0]) | (v[2 * k + 1] ^ v[0]);
		}
		out[i] = differ ? interp_vote(v, w, how) : v[0];
	}
}

static void make_slice(const struct tensor *t, int64_t z, const struct axis a[3], enum interp_label how, struct cache *c, int64_t *line, char *dst)
{
	size_t size = dtype_size(t->dtype);

	for (int64_t y = 0; y < a[1].n; y++) {
		int64_t z0 = a[2].at[z], z1 = z0 + (a[2].from > 1), y0 = a[1].at[y], y1 = y0 + (a[1].from > 1);
		const struct row *const r[4] = {source_row(t, z0, y0, a, c), source_row(t, z0, y1, a, c), source_row(t, z1, y0, a, c),
		                                source_row(t, z1, y1, a, c)};

		make_row(r, &a[0], (double)a[1].w[y], (double)a[2].w[z], how, line);
		narrow(line, a[0].n, dst + (size_t)(y * a[0].n) * size, size);
	}
}

int interp_labels(const struct tensor *t, char *dst, const struct axis a[3], enum interp_label how, struct err *e)
{
	size_t slice = (size_t)(a[0].n * a[1].n) * dtype_size(t->dtype), room = (size_t)(4 * (a[0].from + 1) + a[0].n);
	int failed = 0;

#pragma omp parallel reduction(| : failed)
	{
		struct err mine;
		int64_t *block = mem_new(room, sizeof *block, "rows", &mine);
		struct cache c;

		failed = !block;
		for (int k = 0; block && k < 4; k++)
			c.row[k >> 1][k & 1] = (struct row){-1, -1, block + k * (a[0].from + 1), 0};
#pragma omp for schedule(static)
		for (int64_t z = 0; z < a[2].n; z++)
			if (!failed)
				make_slice(t, z, a, how, &c, block + 4 * (a[0].from + 1), dst + (size_t)z * slice);
		free(block);
	}
	return failed ? err_set(e, NULL, "not enough memory for rows") : 0;
}
