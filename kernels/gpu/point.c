/* Convolutions of 1x1x1 to few channels (a network's last), of which a product in cuBLASLt takes several times as long as x takes to be read. A group
   of lanes has a voxel, 16 bytes of x a lane, and AT_ONCE voxels under way. Bytes: forward and for the weights reads x once, back writes it once. */
#include "kernels/gpu/columns.h"
#include "kernels/gpu/few.h"

enum { AT_ONCE = 4 };

/* Groups of `lanes` lanes, as many of a warp as 1 << shift: they have neighbouring voxels, AT_ONCE times. */
struct point { struct gpu_narrow g; int lanes, shift; int64_t vox, groups; };

static inline struct point point_of(const struct gpu_narrow *g)
{
	struct point p = {*g, group_of(g->ic), 0, few_voxels(g), 0};

	while (p.lanes << p.shift < WARP)
		p.shift++;
	p.groups = (p.vox + ((int64_t)AT_ONCE << p.shift) - 1) / ((int64_t)AT_ONCE << p.shift) << p.shift;
	return p;
}

/* A group's voxels: the first, or of none the last there is; how many there are from that on, and from one of them to the next */
struct voxels { int64_t at; int left, step; };

DEVICE struct voxels voxels_of(const struct point *p, int64_t group)
{
	const int64_t first = ((group >> p->shift) * AT_ONCE << p->shift) + (group & ((1 << p->shift) - 1)), left = p->vox - first;
	const int most = AT_ONCE << p->shift;

	return (struct voxels){left > 0 ? first : p->vox - 1, left < 0 ? 0 : left < most ? (int)left : most, 1 << p->shift};
}

/* Is there voxel k? And where in a value it begins, from the first on; of one that is not there, where the first does */
DEVICE int voxel_there(const struct voxels *v, int k)
{
	return k * v->step < v->left;
}

DEVICE int voxel_from(const struct voxels *v, int k, int64_t pitch)
{
	return voxel_there(v, k) ? k * v->step * (int)pitch : 0;
}

/* Sums of a group's lanes, known to all of them */
DEVICE void group_sums(float *sum, const int many, int lanes)
{
#ifdef __CUDACC__
	UNROLLED_BY(1) for (int o = lanes / 2; o; o /= 2)
		UNROLLED for (int k = 0; k < many; k++)
			sum[k] += __shfl_xor_sync(~0u, sum[k], o); /* a warp's groups come together: there is a whole number of warps */
#else
	UNROLLED for (int k = 0; k < many; k++)
		sum[k] = group_sum(sum[k], lanes);
#endif
}

/* y[v][to] = w[to][c] x[v][c] + bias, of a group's voxels */
DEVICE void point_make(const struct point *p, int64_t r, const void *x, const void *w, const float *bias, void *y, const int many, const int pairs)
{
	const struct voxels v = voxels_of(p, r);
	float sum[AT_ONCE * GPU_FEW] = {0};

	MEMBER_FOR(i, 0, p->g.ic / WIDE, p->lanes) {
		struct piece e[AT_ONCE];

		UNROLLED for (int k = 0; k < AT_ONCE; k++)
			e[k] = get_piece(x, v.at * p->g.xp + i * WIDE + voxel_from(&v, k, p->g.xp));
		UNROLLED for (int to = 0; to < many; to++) {
			float own[WIDE], u[WIDE];

			get_wide(w, to * p->g.ic + i * WIDE, own);
			UNROLLED for (int k = 0; k < AT_ONCE; k++) {
				piece_open(e[k], u);
				EACH(j)
					sum[k * many + to] += u[j] * own[j];
			}
		}
	}
	group_sums(sum, AT_ONCE * many, p->lanes);
	if (!FIRST_OF_GROUP(p->lanes))
		return;
	UNROLLED for (int k = 0; k < AT_ONCE * many; k++)
		sum[k] += bias ? bias[k % many] : 0;
	UNROLLED for (int k = 0; k < AT_ONCE; k++)
		if (voxel_there(&v, k))
			few_put(y, v.at * p->g.yp + voxel_from(&v, k, p->g.yp), pairs, sum + k * many, many);
}

#define POINT_CASE(many, pairs) \
	KERNEL(point_##many##_##pairs, (struct point p, const void *x, const void *w, const float *bias, void *y), (p, x, w, bias, y), \
		items(p.groups * p.lanes)) \
	{ \
		GROUP_FOR(r, p.groups, p.lanes) \
			point_make(&p, r, x, w, bias, y, many, pairs); \
	}

FEW_CASES(POINT_CASE)

int G(point)(struct gpu_narrow g, const void *x, const void *w, const float *bias, void *y)
{
	return FEW_CALL(point, g.oc, few_paired(y, g.yp), (point_of(&g), x, w, bias, y));
}

/* dx[v][c] = (or with `add` +=) w[to][c] dy[v][to], of a group's voxels */
DEVICE void point_spread(const struct point *p, int64_t r, const void *dy, const void *w, void *dx, int add, const int many, const int pairs)
{
	const struct voxels v = voxels_of(p, r);

	MEMBER_FOR(i, 0, p->g.ic / WIDE, p->lanes) {
		const int64_t to = v.at * p->g.xp + i * WIDE;
		float d[AT_ONCE * GPU_FEW], sum[AT_ONCE][WIDE], own[WIDE];
		struct piece old[AT_ONCE];

		UNROLLED for (int k = 0; k < AT_ONCE; k++) {
			few_get(dy, v.at * p->g.yp + voxel_from(&v, k, p->g.yp), pairs, d + k * many, many);
			old[k] = add && voxel_there(&v, k) ? get_piece(dx, to + voxel_from(&v, k, p->g.xp)) : piece_none();
		}
		UNROLLED for (int k = 0; k < AT_ONCE; k++)
			piece_open(old[k], sum[k]);
		UNROLLED for (int c = 0; c < many; c++) {
			get_wide(w, c * p->g.ic + i * WIDE, own);
			UNROLLED for (int k = 0; k < AT_ONCE; k++)
				EACH(j)
					sum[k][j] += d[k * many + c] * own[j];
		}
		UNROLLED for (int k = 0; k < AT_ONCE; k++)
			if (voxel_there(&v, k))
				put_wide(dx, to + voxel_from(&v, k, p->g.xp), sum[k]);
	}
}

#define BACK_CASE(many, pairs) \
	KERNEL(point_back_##many##_##pairs, (struct point p, const void *dy, const void *w, void *dx, int add), (p, dy, w, dx, add), \
		items(p.groups * p.lanes)) \
	{ \
		GROUP_FOR(r, p.groups, p.lanes) \
			point_spread(&p, r, dy, w, dx, add, many, pairs); \
	}

FEW_CASES(BACK_CASE)

int G(point_back)(struct gpu_narrow g, const void *dy, const void *w, void *dx, int add)
{
	return FEW_CALL(point_back, g.oc, few_paired(dy, g.yp), (point_of(&g), dy, w, dx, add));
}

/* -- the weights' gradient: sums of x over voxels, each times one or two of dy -- */
enum { TWO = 2 };

DEVICE void point_add(struct piece e, const float d[2], float a[WIDE], float b[WIDE], const int two)
{
	float u[WIDE];

	piece_open(e, u);
	EACH(j) {
		a[j] += u[j] * d[0];
		b[j] += two ? u[j] * d[1] : 0;
	}
}

/* part [TWO][c][chunk] of chunk t; two: also of the next of dy */
DEVICE void point_chunk(const struct columns *r, int64_t t, const void *x, int64_t xp, const void *dy, int64_t yp, double *part, const int two)
{
	COLUMN_ROOM(room);

	LANE_FOR(l, 0, r->lanes) {
		float a[WIDE] = {0}, b[WIDE] = {0}, d[AT_ONCE][2];
		struct spot s = spot_of(r, t, l);
		struct piece e[AT_ONCE];

		SPOTS_FULL(s, r, AT_ONCE) {
			UNROLLED for (int k = 0; k < AT_ONCE; k++) {
				e[k] = spot_ahead(r, &s, k, x, xp);
				d[k][0] = get(dy, (s.v + k * r->per) * yp), d[k][1] = two ? get(dy, (s.v + k * r->per) * yp + 1) : 0;
			}
			UNROLLED for (int k = 0; k < AT_ONCE; k++)
				point_add(e[k], d[k], a, b, two);
		}
		SPOTS_REST(s, r) {
			d[0][0] = get(dy, s.v * yp), d[0][1] = two ? get(dy, s.v * yp + 1) : 0;
			point_add(spot_take(r, &s, 0, x, xp), d[0], a, b, two);
		}
		column_keep(r, t, l, 0, TWO, a, room, part);
		if (two)
			column_keep(r, t, l, 1, TWO, b, room, part);
	}
	column_settle(r, t, 1 + two, TWO, room, part);
}

#define SUMS_CASE(two) \
	SIDE_KERNEL(point_sums_##two, (struct columns r, const void *x, int64_t xp, const void *dy, int64_t yp, double *part), (r, x, xp, dy, yp, part), \
		r.chunks, 0, 3) \
	{ \
		r.whole = 1; \
		TEAM_FOR(t, r.chunks) \
			point_chunk(&r, t, x, xp, dy, yp, part, two); \
	}

SUMS_CASE(0)
SUMS_CASE(1)

/* dw [many][c] +=; a team a weight */
KERNEL(point_fold, (int64_t chunks, int64_t c, int many, const double *part, float *dw), (chunks, c, many, part, dw), many * c)
{
	TEAM_FOR(t, many * c) {
		double sum = 0;

		LANE_FOR(i, 0, chunks)
			sum += part[t * chunks + i];
		sum = team_sum(sum);
		if (FIRST_LANE)
			dw[t] += (float)sum;
	}
}

size_t G(point_weights_bytes)(struct gpu_narrow g)
{
	const struct columns r = columns_of(1, few_voxels(&g), g.ic);

	return sizeof(double) * (size_t)columns_parts(&r, TWO);
}

int G(point_weights)(struct gpu_narrow g, const void *x, const void *dy, float *dw, void *scratch)
{
	const struct columns r = columns_of(1, few_voxels(&g), g.ic);
	double *part = (double *)scratch;
	int bad = 0;

	for (int to = 0; to < g.oc && !bad; to += TWO) {
		const int many = g.oc - to < TWO ? 1 : TWO;
		const void *from = (const char *)dy + to * (16 / WIDE);

		bad = many == TWO ? G(point_sums_1)(r, x, g.xp, from, g.yp, part) : G(point_sums_0)(r, x, g.xp, from, g.yp, part);
		bad = bad ? bad : G(point_fold)(r.chunks, g.ic, many, part, dw + to * g.ic);
	}
	return bad;
}
