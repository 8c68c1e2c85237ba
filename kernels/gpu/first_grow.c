/* The other way than first.c: from a small end of many channels to a large one of so few that all taps of all of them are one operand's columns. A
   transposed convolution's forward, or a data's gradient. A team has a block of cells, of as many voxels of the large end as a step has, and of every
   small voxel that one of them counts the products with each tap, by tensor cores, floats in its memory; a voxel of the large end is the sum of those
   that are its own, in their order. Bytes: reads the small end about twice, from the second cache, and writes the large one once. */
#include "kernels/gpu/narrow.h"
#include "kernels/gpu/tile.h"

/* Cells of a team; channels of x that are summed at a time */
enum { CELLS_D = 4, CELLS_H = 4, CELLS_W = 8, GROW_CHANNELS = 32 };

/* back: small voxels before a cell that count for it, too; about: small voxels of a team along every axis; own: voxels of the large end. columns: of
   what is kept of a small voxel, their pitch */
struct grow {
	int n, a, b, sp, lp, depth, columns;
	int small[3], large[3], kernel[3], stride[3], pad[3], back[3], about[3], own[3];
	uint32_t blocks[3];
};

static inline struct grow grow_of(const struct gpu_narrow *n, const struct gpu_direct *d)
{
	const int cells[3] = {CELLS_D, CELLS_H, CELLS_W};
	struct grow g;

	g.n = n->n, g.a = (int)d->a, g.b = (int)d->b, g.sp = (int)d->sp, g.lp = (int)d->lp;
	g.depth = first_depth(d->taps * d->b), g.columns = g.depth + 8;
	for (int i = 0; i < 3; i++) {
		g.small[i] = (int)d->small[i], g.large[i] = (int)d->large[i], g.kernel[i] = (int)d->kernel[i];
		g.stride[i] = (int)d->stride[i], g.pad[i] = (int)d->pad[i], g.back[i] = (g.kernel[i] - 1) / g.stride[i];
		g.about[i] = cells[i] + g.back[i], g.own[i] = cells[i] * g.stride[i];
		g.blocks[i] = (uint32_t)((g.large[i] + g.pad[i] + g.own[i] - 1) / g.own[i]);
	}
	return g;
}

static inline int64_t grow_bytes(const struct grow *g)
{
	return (int64_t)((g->about[0] * g->about[1] * g->about[2] + TILE - 1) / TILE * TILE) * g->columns * (int64_t)sizeof(float);
}

int G(grow_fits)(struct gpu_narrow n, struct gpu_direct d)
{
	const struct grow g = grow_of(&n, &d);

	return grow_bytes(&g) <= MOST_ROOM;
}

#ifdef K_HALF

enum { MOST_COLUMNS = FIRST_DEPTH / 8 };

/* The small voxel i of those that a team needs, and 32 of its channels are at first[]; NULL: it is outside */
DEVICE const word *grow_voxel(const struct grow *g, const word *x, int n, const int first[3], int i)
{
	const uint32_t row = (uint32_t)i / (uint32_t)g->about[2], plane = row / (uint32_t)g->about[1];
	const int d = first[0] + (int)plane, h = first[1] + (int)row - (int)plane * g->about[1], w = first[2] + i - (int)row * g->about[2];
	const int in = within(d, g->small[0]) && within(h, g->small[1]) && within(w, g->small[2]) && (int)plane < g->about[0];

	return in ? x + (int64_t)(((n * g->small[0] + d) * g->small[1] + h) * g->small[2] + w) * g->sp : NULL;
}

/* Word i of the four */
DEVICE uint32_t quad_word(quad q, int i)
{
	return i == 0 ? q.x : i == 1 ? q.y : i == 2 ? q.z : q.w;
}

/* Products of 16 small voxels with all taps to the team's memory. A lane reads 16 bytes of a voxel: of the 32 channels that are summed at once those
   of a quad are neighbours, the first four of the first product, the others of the second (grow_words packs weights so). */
DEVICE void grow_sum(const struct grow *g, const word *const from[TILE_ROWS], const word *packed, float *to, const int tiles)
{
	struct tile s[MOST_COLUMNS];

	UNROLLED for (int t = 0; t < tiles; t++)
		TILE_EACH(e)
			s[t].v[e] = 0;
	for (int c = 0; c < g->a; c += GROW_CHANNELS, packed += 2 * tiles * NARROW_TILE) {
		quad in[TILE_ROWS][QUADS];

		ROWS_EACH(r)
			QUADS_EACH(q) {
				const quad none = {0, 0, 0, 0};

				in[r][quad_at(q)] = from[r] ? get_quad(from[r] + c + 8 * q) : none;
			}
		UNROLLED for (int i = 0; i < 2; i++) {
			struct left a;

			LEFT_EACH(p)
				left_put_two(&a, p, quad_word(in[left_slot(p)][quad_at(left_column(p) % 8 / 2)], 2 * i + left_column(p) / 8));
			UNROLLED for (int t = 0; t < tiles; t++) {
				const struct right w = right_of(packed + (i * tiles + t) * NARROW_TILE);

				tile_add_right(&s[t], &a, &w);
			}
		}
	}
	UNROLLED for (int t = 0; t < tiles; t++)
		TILE_EACH(e)
			to[tile_row(tile_slot(e)) * g->columns + 8 * t + tile_column(e)] = s[t].v[e];
}

/* Voxel i of the team's large ones: of every channel the sum of what small voxels have for it; tap t of the one at s is at s stride - pad + t. */
DEVICE void grow_put(const struct grow *g, int n, const int cell[3], int i, const float *sums, const float *bias, word *y, int add)
{
	const uint32_t row = (uint32_t)i / (uint32_t)g->own[2], plane = row / (uint32_t)g->own[1];
	const int own[3] = {(int)plane, (int)(row - plane * (uint32_t)g->own[1]), i - (int)row * g->own[2]};
	int at[3], small[3], first[3], in = 1;

	UNROLLED for (int k = 0; k < 3; k++) {
		small[k] = (int)((uint32_t)own[k] / (uint32_t)g->stride[k]);
		first[k] = own[k] - small[k] * g->stride[k];
		at[k] = cell[k] * g->stride[k] + own[k] - g->pad[k];
		in &= within(at[k], g->large[k]);
		small[k] += g->back[k];
	}
	if (!in)
		return;
	y += (int64_t)(((n * g->large[0] + at[0]) * g->large[1] + at[1]) * g->large[2] + at[2]) * g->lp;
	for (int c = 0; c < g->b; c++) {
		float sum = (bias ? bias[c] : 0) + (add ? get(y, c) : 0);

		for (int td = first[0], d = small[0]; td < g->kernel[0]; td += g->stride[0], d--)
			for (int th = first[1], h = small[1]; th < g->kernel[1]; th += g->stride[1], h--)
				for (int tw = first[2], w = small[2]; tw < g->kernel[2]; tw += g->stride[2], w--) {
					const int tap = (td * g->kernel[1] + th) * g->kernel[2] + tw;

					sum += sums[((d * g->about[1] + h) * g->about[2] + w) * g->columns + tap * g->b + c];
				}
		put(y, c, sum);
	}
}

DEVICE void grow_team(const struct grow *g, int64_t team, const word *x, const word *packed, const float *bias, word *y, int add, float *room,
	const int tiles)
{
	const int many = g->about[0] * g->about[1] * g->about[2];
	uint32_t i = (uint32_t)team;
	int cell[3], first[3];

	cell[2] = (int)(i % g->blocks[2]) * CELLS_W, i /= g->blocks[2];
	cell[1] = (int)(i % g->blocks[1]) * CELLS_H, i /= g->blocks[1];
	cell[0] = (int)(i % g->blocks[0]) * CELLS_D, i /= g->blocks[0];
	UNROLLED for (int k = 0; k < 3; k++)
		first[k] = cell[k] - g->back[k];
	WARP_FOR(w)
		for (int v = w * TILE; v < many; v += WARPS * TILE) {
			const word *from[TILE_ROWS];

			ROWS_EACH(r)
				from[r] = grow_voxel(g, x, (int)i, first, v + tile_row(r));
			grow_sum(g, from, packed, room + v * g->columns, tiles);
		}
	team_sync();
	LANE_FOR(v, 0, g->own[0] * g->own[1] * g->own[2])
		grow_put(g, (int)i, cell, (int)v, room, bias, y, add);
}

#define GROW_CASE(depth) \
	SIDE_KERNEL(grow_##depth, (struct grow g, int64_t teams, size_t bytes, const word *x, const word *packed, const float *bias, word *y, int add), \
		(g, teams, bytes, x, packed, bias, y, add), teams, bytes, 3) \
	{ \
		(void)bytes; \
		TEAM_FOR(team, teams) { \
			TEAM_ROOM(room); \
			grow_team(&g, team, x, packed, bias, y, add, (float *)room, depth / 8); \
		} \
	}

GROW_CASE(16)
GROW_CASE(32)
GROW_CASE(64)

int G(grow)(struct gpu_narrow n, struct gpu_direct d, const void *from, const void *weights, const float *bias, void *to, int add)
{
	const struct grow g = grow_of(&n, &d);
	const int64_t teams = (int64_t)g.n * g.blocks[0] * g.blocks[1] * g.blocks[2];
	const size_t bytes = (size_t)grow_bytes(&g);
	const word *x = (const word *)from, *packed = (const word *)weights;
	word *y = (word *)to;

	return g.depth == 16 ? G(grow_16)(g, teams, bytes, x, packed, bias, y, add) : g.depth == 32 ? G(grow_32)(g, teams, bytes, x, packed, bias, y, add)
		: G(grow_64)(g, teams, bytes, x, packed, bias, y, add);
}

#else

/* Of floats there are no such products. */
int G(grow)(struct gpu_narrow n, struct gpu_direct d, const void *x, const void *packed, const float *bias, void *y, int add)
{
	(void)n, (void)d, (void)x, (void)packed, (void)bias, (void)y, (void)add;
	return -1;
}

#endif

/* An element of what is packed to a lane: [a / 32][2][depth / 8] right operands. w [a][b][taps]; columns: [taps][b] */
KERNEL(grow_words, (int a, int b, int taps, int depth, const float *w, void *to), (a, b, taps, depth, w, to), items((int64_t)a * depth))
{
	ITEM_FOR(i, (int64_t)a * depth) {
		const int k = (int)i % depth, c = (int)i / depth, own = c % 8, row = c % GROW_CHANNELS / 8 * 2 + own % 2 + own / 2 % 2 * 8;
		const int64_t at = (int64_t)((c / GROW_CHANNELS * 2 + own / 4) * (depth / 8) + k / 8) * NARROW_TILE + right_at(row, k % 8);

		put(to, at, k < taps * b ? w[(c * b + k % b) * taps + k / b] : 0);
	}
}

int G(grow_pack)(int64_t a, int64_t b, int64_t taps, const float *w, void *to)
{
	return G(grow_words)((int)a, (int)b, (int)taps, first_depth(taps * b), w, to);
}
