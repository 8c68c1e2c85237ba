#include "lib/volume/geometry/geo.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SHEAR = 1e-3; /* of a degree 0.06: what rounding in header fields makes is below it */
static const double FLAT = 1e-3;  /* volume between axes of length 1 */

enum { STEPS = 24 }; /* of Newton's iteration to the polar factor: the error halves down from 1 / FLAT, then squares */

void geo_spacing(const struct grid *g, double spacing[3])
{
	const double *a = g->affine;

	for (int i = 0; i < 3; i++)
		spacing[i] = sqrt(a[i] * a[i] + a[4 + i] * a[4 + i] + a[8 + i] * a[8 + i]);
}

static int check_length(const double s[3], struct err *e)
{
	for (int i = 0; i < 3; i++)
		if (!(s[i] > 0) || !isfinite(s[i]))
			return err_set(e, NULL, "affine: axis %c has no length", "xyz"[i]);
	return 0;
}

double geo_voxel_ml(const double a[16])
{
	return fabs(a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) + a[2] * (a[4] * a[9] - a[5] * a[8])) / 1000;
}

int geo_check_right(const struct grid *g, struct err *e)
{
	static const char *const names[3] = {"x and y", "x and z", "y and z"};
	const double *a = g->affine;
	double s[3];
	int pair = 0;

	geo_spacing(g, s);
	if (check_length(s, e))
		return -1;
	for (int i = 0; i < 3; i++)
		for (int k = i + 1; k < 3; k++, pair++) {
			double cosine = (a[i] * a[k] + a[4 + i] * a[4 + k] + a[8 + i] * a[8 + k]) / (s[i] * s[k]);

			if (fabs(cosine) > SHEAR)
				return err_set(e, NULL, "affine is sheared: axes %s are not at right angles (cosine %.4g)", names[pair], cosine);
		}
	return 0;
}

/* m's determinant; adj / that is m's inverse. */
static double adjugate(const double m[3][3], double adj[3][3])
{
	for (int j = 0; j < 3; j++)
		for (int r = 0; r < 3; r++) {
			int p = (j + 1) % 3, q = (j + 2) % 3, v = (r + 1) % 3, w = (r + 2) % 3;

			adj[j][r] = m[v][p] * m[w][q] - m[w][p] * m[v][q];
		}
	return m[0][0] * adj[0][0] + m[1][0] * adj[0][1] + m[2][0] * adj[0][2];
}

/* u: the axes of length 1, s: their lengths, adj: adjugate of u, whose determinant is *volume. 0, or -1 and an error. */
static int measure(const struct grid *g, double u[3][3], double s[3], double adj[3][3], double *volume, struct err *e)
{
	geo_spacing(g, s);
	if (check_length(s, e))
		return -1;
	for (int r = 0; r < 3; r++)
		for (int i = 0; i < 3; i++)
			u[r][i] = g->affine[4 * r + i] / s[i];
	*volume = adjugate(u, adj);
	if (!(fabs(*volume) >= FLAT))
		return err_set(e, NULL, "affine is singular: its axes lie in a plane (volume between them %.3g)", fabs(*volume));
	return 0;
}

int geo_check_solid(const struct grid *g, struct err *e)
{
	double u[3][3], s[3], adj[3][3], volume;

	return measure(g, u, s, adj, &volume, e);
}

int geo_directions(const struct grid *g, double u[3][3], struct err *e)
{
	double s[3], adj[3][3], volume;
	struct err unused;

	if (measure(g, u, s, adj, &volume, e))
		return -1;
	for (int step = geo_check_right(g, &unused) ? 0 : STEPS; step < STEPS; step++) {
		volume = adjugate(u, adj);
		for (int r = 0; r < 3; r++)
			for (int i = 0; i < 3; i++)
				u[r][i] = (u[r][i] + adj[i][r] / volume) / 2;
	}
	return 0;
}

int geo_between(const struct grid *g, const struct grid *to, double m[3][4], struct err *e)
{
	double u[3][3], s[3], adj[3][3], volume;

	if (geo_check_solid(to, e))
		return err_prefix(e, "the new grid");
	if (measure(g, u, s, adj, &volume, e))
		return err_prefix(e, "the old grid");
	for (int j = 0; j < 3; j++)
		for (int k = 0; k < 4; k++) {
			m[j][k] = 0;
			for (int r = 0; r < 3; r++)
				m[j][k] += adj[j][r] * (to->affine[4 * r + k] - (k == 3 ? g->affine[4 * r + 3] : 0)) / volume / s[j];
		}
	return 0;
}

void geo_move(struct grid *g, const int64_t lo[3])
{
	double *a = g->affine;

	for (int r = 0; r < 3; r++)
		a[4 * r + 3] += a[4 * r] * (double)lo[0] + a[4 * r + 1] * (double)lo[1] + a[4 * r + 2] * (double)lo[2];
}

int geo_same_size(const struct grid *a, const struct grid *b)
{
	return !memcmp(a->size, b->size, sizeof a->size);
}

int64_t geo_voxels(const struct grid *g)
{
	return g->size[0] * g->size[1] * g->size[2];
}

int geo_least_voxels(const struct grid *g, double mm3, int64_t *voxels, struct err *e)
{
	const double *a = g->affine;
	double one = fabs(a[0] * (a[5] * a[10] - a[6] * a[9]) - a[1] * (a[4] * a[10] - a[6] * a[8]) + a[2] * (a[4] * a[9] - a[5] * a[8]));
	double n = ceil(mm3 / one * (1 - 1e-6));

	if (!(one > 0) || !isfinite(one))
		return err_set(e, NULL, "affine: a voxel has no volume (%g mm3)", one);
	*voxels = n < 1e18 ? (int64_t)n : INT64_MAX;
	return 0;
}

int64_t geo_planes(const struct tensor *t)
{
	return t->rank == 4 ? t->shape[0] : 1;
}

int geo_plane(const struct tensor *t, int64_t c, struct tensor *one, struct err *e)
{
	const int64_t n = geo_planes(t);

	if (c < 0 || c >= n)
		return err_set(e, NULL, "'%s' has no channel %lld: it has %lld", t->name, (long long)c, (long long)n);
	*one = *t;
	one->rank = 3;
	memcpy(one->shape, t->shape + t->rank - 3, 3 * sizeof *t->shape);
	one->size = t->size / (size_t)n;
	one->data = t->data ? (char *)t->data + (size_t)c * one->size : NULL;
	return 0;
}

static const struct { const char *name; enum geo_role role; } named[] = {
	{"image", ROLE_IMAGE}, {"label", ROLE_LABEL}, {"pred", ROLE_LABEL}, {"previous", ROLE_LABEL}, {"prob", ROLE_PROB},
};

enum geo_role geo_role(const struct tensor *t, const struct grid *g)
{
	if ((t->rank != 3 && t->rank != 4) || !tensor_on_grid(t, g))
		return ROLE_PASS;
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		if (!strcmp(t->name, named[i].name))
			return named[i].role;
	return dtype_is_float(t->dtype) ? ROLE_FLOAT : ROLE_INT;
}

static int check(const struct tensor *t, enum geo_role role, struct err *e)
{
	if (role == ROLE_LABEL && (dtype_is_float(t->dtype) || t->rank != 3))
		return err_set(e, NULL, "tensor '%s' is %s with %d axes (expected integers [Z,Y,X])", t->name, dtype_name(t->dtype), t->rank);
	if (role == ROLE_PROB && !dtype_is_float(t->dtype))
		return err_set(e, NULL, "tensor '%s' is %s (expected floats)", t->name, dtype_name(t->dtype));
	return 0;
}

static int regrid_one(struct frame *f, struct tensor *t, const struct grid *from, const struct grid *to, geo_regrid_fn *fn, void *arg, struct err *e)
{
	enum geo_role role = geo_role(t, from);
	enum dtype type = t->dtype;
	int64_t shape[4] = {geo_planes(t), to->size[2], to->size[1], to->size[0]};
	char *name;
	void *data;
	int r;

	if (role == ROLE_PASS)
		return 0;
	if (check(t, role, e))
		return -1;
	data = fn(t, role, from, to, &type, arg, e);
	name = strdup(t->name); /* the frame frees its own while it replaces */
	r = data && name && frame_adopt(f, name, type, t->rank, shape + 4 - t->rank, data, e) ? 0 : -1;
	if (data && !name) {
		free(data);
		err_set(e, NULL, "not enough memory for a name");
	}
	free(name);
	return r;
}

static int later_one(struct tensor *t, const struct grid *from, const struct grid *to, geo_later_fn *fn, void *arg, struct err *e)
{
	enum geo_role role = geo_role(t, from);
	int64_t shape[4] = {geo_planes(t), to->size[2], to->size[1], to->size[0]};
	struct later *l;

	if (role == ROLE_PASS)
		return 0;
	l = check(t, role, e) ? NULL : fn(t, role, from, to, arg, e);
	return l ? tensor_later(t, t->dtype, t->rank, shape + 4 - t->rank, l, e) : -1;
}

int geo_regrid_later(struct frame *f, const struct grid *from, const struct grid *to, geo_later_fn *fn, void *arg, struct err *e)
{
	for (int i = 0; i < f->n; i++)
		if (later_one(&f->t[i], from, to, fn, arg, e))
			return -1;
	return frame_set_affine(f, to->affine, e);
}

int geo_regrid(struct frame *f, const struct grid *from, const struct grid *to, geo_regrid_fn *fn, void *arg, struct err *e)
{
	for (int i = 0; i < f->n; i++)
		if (regrid_one(f, &f->t[i], from, to, fn, arg, e))
			return -1;
	return frame_set_affine(f, to->affine, e);
}
