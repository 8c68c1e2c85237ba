/* Copies and products of elements: slices of a concatenation, dropout, gates, the nearest labels. Shapes as in kernels/backend.h. */
#include "kernels/gpu/columns.h"
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/philox.h"

enum { AT_ONCE = 4 }; /* pieces of x that are read before the first is used */

/* Bytes an element: reads x once (and y, where it is added to), writes y. */
COLUMN_KERNEL(slice_spots, (struct columns r, void *y, int64_t ypitch, const void *x, int64_t xpitch, int add), (r, y, ypitch, x, xpitch, add),
	r.chunks)
{
	TEAM_FOR(t, r.chunks)
		LANE_FOR(l, 0, r.lanes)
			SPOTS_FOR(s, &r, t, l, AT_ONCE) {
				struct piece e[AT_ONCE], old[AT_ONCE];

				SPOTS_EACH(k, &r, AT_ONCE) {
					e[k] = spot_take(&r, &s, k, x, xpitch);
					old[k] = add ? spot_take(&r, &s, k, y, ypitch) : piece_none();
				}
				SPOTS_THERE(k, &r, &s, AT_ONCE) {
					const struct spot at = spot_at(&r, &s, k);
					float v[WIDE];

					piece_open(e[k], v);
					spot_keep(&r, &at, y, ypitch, add, old[k], v);
				}
			}
}

/* The same where pieces go as they lie, added to nothing: the fewer registers, the more teams side by side. */
SIDE_KERNEL(slice_pieces, (struct columns r, void *y, int64_t ypitch, const void *x, int64_t xpitch), (r, y, ypitch, x, xpitch), r.chunks, 0, 6)
{
	r.whole = 1;
	TEAM_FOR(t, r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			struct spot s = spot_of(&r, t, l);

			SPOTS_FULL(s, &r, AT_ONCE) {
				struct piece e[AT_ONCE];

				UNROLLED for (int k = 0; k < AT_ONCE; k++)
					e[k] = spot_ahead(&r, &s, k, x, xpitch);
				UNROLLED for (int k = 0; k < AT_ONCE; k++)
					put_piece(y, spot_begin(&r, &s, k, ypitch), e[k]);
			}
			SPOTS_REST(s, &r)
				put_piece(y, spot_begin(&r, &s, 0, ypitch), spot_take(&r, &s, 0, x, xpitch));
		}
}

int G(slice)(void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add)
{
	const struct columns r = columns_map(vox, c, x, xpitch, y, ypitch);

	return r.whole && !add ? G(slice_pieces)(r, y, ypitch, x, xpitch) : slice_spots(r, y, ypitch, x, xpitch, add);
}

/* Factors of WIDE elements from element `at` on, a multiple of 4: four share the four words of one block. */
DEVICE void drop_factors(const struct draws *d, int64_t at, float f[WIDE])
{
	UNROLLED for (int b = 0; b < WIDE / 4; b++) {
		uint32_t w[4];

		philox(d, (uint32_t)(at / 4) + (uint32_t)b, w);
		UNROLLED for (int i = 0; i < 4; i++)
			f[b * 4 + i] = drop_factor(d, w[i]);
	}
}

/* Factors of a spot. Voxels of a span share their draws, a channel each: those of a span begin at a multiple of 4; span 0: every element has its
   own. */
DEVICE void spot_factors(const struct columns *r, const struct draws *d, int64_t span, const struct spot *s, float f[WIDE])
{
	const int64_t each = span ? (r->c + 3) / 4 * 4 : r->c;
	int64_t vox = s->v, c = s->c;

	if (r->whole && (!span || r->c % WIDE == 0)) {
		drop_factors(d, (span ? vox / span : vox) * each + c, f);
		return;
	}
	EACH(j) {
		f[j] = j < s->n ? drop_at(d, (span ? vox / span : vox) * each + c) : 0;
		if (++c == r->c)
			c = 0, vox++;
	}
}

#define DROP_ARGS (r, g, x, xpitch, y, ypitch, add)
#define DROP_CASE(which, SET, least) \
	COLUMN_CASE(drop, which, SET, least, (struct columns r, struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add), \
		DROP_ARGS, r.chunks)

DEVICE void drop_text(struct columns r, struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add)
{
	TEAM_FOR(t, r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			const struct draws d = draws_of(&g);

			SPOTS_FOR(s, &r, t, l, AT_ONCE) {
				struct piece e[AT_ONCE];

				SPOTS_EACH(k, &r, AT_ONCE)
					e[k] = spot_take(&r, &s, k, x, xpitch);
				SPOTS_THERE(k, &r, &s, AT_ONCE) {
					const struct spot at = spot_at(&r, &s, k);
					float v[WIDE], f[WIDE];

					piece_open(e[k], v);
					spot_factors(&r, &d, g.span, &at, f);
					EACH(j)
						v[j] = g.alpha ? drop_alpha_of(&g, v[j], f[j] > 0) : v[j] * f[j];
					spot_add(&r, &at, y, ypitch, add, v);
				}
			}
		}
}

DROP_CASE(plain, (r.whole = 1, g.span = 0, g.alpha = K_ALPHA_NONE, add = 0), 3)
DROP_CASE(whole, r.whole = 1, 1)
DROP_CASE(apart, r.whole = 0, 1)

int G(drop)(struct k_drop g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add)
{
	const struct columns r = columns_map(vox, c, x, xpitch, y, ypitch);

	if (!r.whole)
		return G(drop_apart) DROP_ARGS;
	return !g.span && !g.alpha && !add ? G(drop_plain) DROP_ARGS : G(drop_whole) DROP_ARGS;
}

COLUMN_KERNEL(gate_spots, (struct columns r, const void *x, int64_t xpitch, const void *g, void *y, int64_t ypitch), (r, x, xpitch, g, y, ypitch),
	r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			int64_t vox = s.v, c = s.c;
			float v[WIDE];

			spot_get(&r, &s, x, xpitch, v);
			EACH(j) {
				v[j] *= j < s.n ? get(g, vox) : 0;
				if (++c == r.c)
					c = 0, vox++;
			}
			spot_put(&r, &s, y, ypitch, v);
		}
}

int G(gate)(const void *x, int64_t xpitch, const void *g, void *y, int64_t ypitch, int64_t vox, int64_t c)
{
	return gate_spots(columns_map(vox, c, x, xpitch, y, ypitch), x, xpitch, g, y, ypitch);
}

/* A group of lanes to a voxel. Bytes an element: reads dy and x once (and dx, where it is added to), writes dx. */
KERNEL(gate_back_rows, (int w, int whole, const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *g, void *dx, void *dgate,
	int add, int gate_add, int64_t vox, int64_t c), (w, whole, dy, ypitch, x, xpitch, g, dx, dgate, add, gate_add, vox, c), items(vox * w))
{
	const int64_t parts = (c + WIDE - 1) / WIDE;

	GROUP_FOR(v, vox, w) {
		const float own = get(g, v);
		float sum = 0;

		MEMBER_FOR(k, 0, parts, w) {
			const int n = part_of(c, k);
			float d[WIDE], u[WIDE], old[WIDE] = {0};

			get_some(dy, v * ypitch + k * WIDE, n, whole, d);
			get_some(x, v * xpitch + k * WIDE, n, whole, u);
			if (add)
				get_some(dx, v * c + k * WIDE, n, whole, old);
			EACH(j)
				sum += d[j] * u[j], d[j] = d[j] * own + old[j];
			put_some(dx, v * c + k * WIDE, n, whole, d);
		}
		sum = group_sum(sum, w);
		if (FIRST_OF_GROUP(w))
			put(dgate, v, gate_add ? get(dgate, v) + sum : sum);
	}
}

int G(gate_back)(const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *g, void *dx, void *dgate, int add, int gate_add,
	int64_t vox, int64_t c)
{
	const int whole = wide_rows(dy, c) && wide_rows(x, c) && wide_rows(dx, c) && ypitch % WIDE == 0 && xpitch % WIDE == 0;

	return G(gate_back_rows)(group_of(c), whole, dy, ypitch, x, xpitch, g, dx, dgate, add, gate_add, vox, c);
}

/* Patch merging: a lane's `step` channels are WIDE that can be read at once, or one. */
KERNEL(merge_parts, (struct k_merge g, int step, const void *x, void *y), (g, step, x, y),
	items(g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step))
{
	const uint32_t half[2] = {(uint32_t)g.size[1] / 2, (uint32_t)g.size[2] / 2}, pieces = (uint32_t)(g.c / step);
	const int bits_of_part = g.parts == 8 ? 3 : 2;
	uint64_t order = 0; /* a byte a part: what is indexed at run time a lane would have in memory */

	UNROLLED for (int i = 0; i < 8; i++)
		order |= (uint64_t)g.order[i] << 8 * i;
	ITEM_FOR(i, g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step) {
		const int64_t k = i % pieces * step, part = i / pieces & (g.parts - 1), v = i / pieces >> bits_of_part;
		const int64_t w = v % half[1], h = v / half[1] % half[0], nd = v / half[1] / half[0];
		const int bits = (int)(order >> 8 * part & 255);
		float u[WIDE];

		/* n and d together: every n has a whole number of blocks along d */
		get_some(x, (((g.parts / 4 * nd + (bits >> 2)) * g.size[1] + 2 * h + (bits >> 1 & 1)) * g.size[2] + 2 * w + (bits & 1)) * g.c + k, step, 1, u);
		put_some(y, i * step, step, 1, u);
	}
}

int G(merge)(struct k_merge g, const void *x, void *y)
{
	return G(merge_parts)(g, wide_rows(x, g.c) && wide_rows(y, g.c) ? WIDE : 1, x, y);
}

/* A voxel's gradient: of all parts that took it. */
KERNEL(merge_parts_back, (struct k_merge g, int step, const void *dy, void *dx, int add), (g, step, dy, dx, add),
	items(g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step))
{
	const uint32_t size[2] = {(uint32_t)g.size[1], (uint32_t)g.size[2]}, pieces = (uint32_t)(g.c / step);
	const int deep = g.parts == 8; /* a block's slices less one */

	ITEM_FOR(i, g.n * g.c * g.size[0] * g.size[1] * g.size[2] / step) {
		const int64_t k = i % pieces * step, v = i / pieces, w = v % size[1], h = v / size[1] % size[0], nd = v / size[1] / size[0];
		const int64_t block = ((nd >> deep) * (size[0] / 2) + h / 2) * (size[1] / 2) + w / 2;
		const int own = (int)(4 * (nd & deep) + 2 * (h & 1) + (w & 1));
		float sum[WIDE] = {0}, u[WIDE];

		if (add)
			get_some(dx, i * step, step, 1, sum);
		for (int part = 0; part < g.parts; part++) {
			if (g.order[part] != own)
				continue;
			get_some(dy, (block * g.parts + part) * g.c + k, step, 1, u);
			EACH(j)
				sum[j] += u[j];
		}
		put_some(dx, i * step, step, 1, sum);
	}
}

int G(merge_back)(struct k_merge g, const void *dy, void *dx, int add)
{
	return G(merge_parts_back)(g, wide_rows(dy, g.c) && wide_rows(dx, g.c) ? WIDE : 1, dy, dx, add);
}

/* y dense: the elements of a spot are neighbours there. */
COLUMN_KERNEL(to_floats_spots, (struct columns r, float *y, const void *x, int64_t xpitch), (r, y, x, xpitch), r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			float v[WIDE], *to = y + s.v * r.c + s.c;

			spot_get(&r, &s, x, xpitch, v);
			for (int k = 0; k < WIDE && r.whole; k += 4)
				put_floats(to + k, v + k);
			EACH(j)
				if (!r.whole && j < s.n)
					to[j] = v[j];
		}
}

/* Dense values: four elements to a lane, so that lanes side by side write 16 bytes side by side. */
KERNEL(to_floats_fours, (float *y, const void *x, int64_t fours), (y, x, fours), (fours + AT_ONCE * TEAM - 1) / (AT_ONCE * TEAM))
{
	TEAM_FOR(t, (fours + AT_ONCE * TEAM - 1) / (AT_ONCE * TEAM))
		LANE_FOR(l, 0, TEAM) {
			const int64_t first = t * AT_ONCE * TEAM + l;
			float v[AT_ONCE][4];

			UNROLLED for (int k = 0; k < AT_ONCE; k++)
				get_four(x, (first + k * TEAM < fours ? first + k * TEAM : 0) * 4, v[k]);
			UNROLLED for (int k = 0; k < AT_ONCE; k++)
				if (first + k * TEAM < fours)
					put_floats(y + (first + k * TEAM) * 4, v[k]);
		}
}

int G(to_floats)(float *y, const void *x, int64_t xpitch, int64_t vox, int64_t c)
{
	struct columns r = columns_map(vox, c, x, xpitch, NULL, c);

	if (xpitch == c && vox * c % 4 == 0 && (uintptr_t)x % 16 == 0 && (uintptr_t)y % 16 == 0)
		return G(to_floats_fours)(y, x, vox * c / 4);
	r.whole = r.whole && columns_floats(&r, y);
	return to_floats_spots(r, y, x, xpitch);
}

COLUMN_KERNEL(from_floats_spots, (struct columns r, void *y, int64_t ypitch, const float *x, int add), (r, y, ypitch, x, add), r.chunks)
{
	TEAM_FOR(t, r.chunks)
		SPOT_FOR(s, &r, t) {
			const float *from = x + s.v * r.c + s.c;
			float v[WIDE] = {0};

			for (int k = 0; k < WIDE && r.whole; k += 4)
				get_floats(from + k, v + k);
			EACH(j)
				if (!r.whole && j < s.n)
					v[j] = from[j];
			spot_add(&r, &s, y, ypitch, add, v);
		}
}

int G(from_floats)(void *y, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add)
{
	struct columns r = columns_map(vox, c, NULL, c, y, ypitch);

	r.whole = r.whole && columns_floats(&r, x);
	return from_floats_spots(r, y, ypitch, x, add);
}
