/* Convolutions of bf16 from very few channels, a network's first or the gradient of a transposed one's x: cuDNN takes about ten times as long as y
   takes to be written. Here the taps of a voxel are a row of a left operand of tile.h, which lanes read from what is about the block (first.h): with
   two accesses for two elements no more than ldmatrix would need to have them gathered before. Weights, packed, and the bias are in registers.
   Columns of a product are y's channels in such an order that a lane has neighbours of them, 16 bytes of 32 channels, and writes them as they are.
   Bytes: writes y, reads x a few times from the caches. */
#include "kernels/gpu/first.h"

enum { FIRST_DEEP = 8, FIRST_ENOUGH = 1056 }; /* planes of a block, or half of them, so that there are so many teams */

/* Tiles of 8 channels are taken in fours, a two and a one: of such a group a lane's two columns are 8, 4 or 2 neighbours. Tiles before the group of
   tile t, and in that group */
DEVICE int first_before(int t, int tiles)
{
	return t < tiles / 4 * 4 ? t / 4 * 4 : t < tiles / 2 * 2 ? tiles / 4 * 4 : tiles - 1;
}

DEVICE int first_group(int t, int tiles)
{
	return t < tiles / 4 * 4 ? 4 : t < tiles / 2 * 2 ? 2 : 1;
}

/* The channel that is column n of tile t */
DEVICE int first_channel(int t, int n, int tiles)
{
	const int before = first_before(t, tiles);

	return before * 8 + n / 2 * 2 * first_group(t, tiles) + (t - before) * 2 + n % 2;
}

#ifdef K_HALF

enum { MOST_OUT = 6, MOST_DEEP = FIRST_DEPTH / TILE };

/* What a lane keeps for all rows: weights, the bias, and where the taps of the row at hand are for its first voxel */
struct first_kept { struct right w[MOST_DEEP][MOST_OUT]; struct tile bias[MOST_OUT]; const word *tap[MOST_DEEP][LEFT_COLUMNS]; };

/* from: of the warp's first row */
DEVICE void first_keep(const struct first *f, const word *from, const word *packed, const float *bias, struct first_kept *k, const int deep,
	const int tiles)
{
	UNROLLED for (int t = 0; t < tiles; t++) {
		UNROLLED for (int i = 0; i < deep; i++)
			k->w[i][t] = right_of(packed + (i * tiles + t) * NARROW_TILE);
		TILE_EACH(e)
			k->bias[t].v[e] = bias ? bias[first_channel(t, tile_column(e), tiles)] : 0;
	}
	UNROLLED for (int i = 0; i < deep; i++)
		UNROLLED for (int j = 0; j < LEFT_COLUMNS; j++)
			k->tap[i][j] = from + left_row(0) * first_step(f) + f->at[i * TILE + left_own(j)];
}

/* A row's 16 voxels; and on to the one `plane` elements further */
DEVICE void first_sum(int step, int plane, struct first_kept *k, struct tile *s, const int deep, const int tiles)
{
	UNROLLED for (int t = 0; t < tiles; t++)
		s[t] = k->bias[t];
	UNROLLED for (int i = 0; i < deep; i++) {
		struct left a;

		LEFT_EACH(p) {
			const int on = (left_row(p) - left_row(0)) * step, j = left_pair(p);

			left_put_words(&a, p, k->tap[i][j][on], k->tap[i][j + 1][on]);
		}
		UNROLLED for (int t = 0; t < tiles; t++)
			tile_add_right(&s[t], &a, &k->w[i][t]);
		UNROLLED for (int j = 0; j < LEFT_COLUMNS; j++)
			k->tap[i][j] += plane;
	}
}

/* Neighbouring channels, those that a lane has of `many` tiles: what is in y is added to them. */
DEVICE void first_add(const word *y, float u[WIDE], const int many)
{
	float old[WIDE] = {0};

	if (many == 4)
		get_wide(y, 0, old);
	else if (many == 2)
		get_four(y, 0, old);
	else
		old[0] = get(y, 0), old[1] = get(y, 1);
	UNROLLED for (int i = 0; i < 2 * many; i++)
		u[i] += old[i];
}

/* Of a row of tiles from s on to y */
DEVICE void first_give(const struct tile *s, int two, word *y, int add, const int many)
{
	float u[WIDE] = {0};

	UNROLLED for (int i = 0; i < many; i++)
		u[2 * i] = s[i].v[two], u[2 * i + 1] = s[i].v[two + 1];
	if (add)
		first_add(y, u, many);
	if (many == 4)
		put_wide(y, 0, u);
	else if (many == 2)
		put_four(y, 0, u);
	else
		put_two(y, 0, u[0], u[1]);
}

/* y: of the row's first voxel; `left` of them are there */
DEVICE void first_put(const struct tile *s, word *y, int pitch, int left, int add, const int tiles)
{
	ROWS_EACH(slot) {
		const int v = tile_row(slot);

		if (v < left)
			QUADS_EACH(q)
				UNROLLED for (int t = 0; t < tiles; t += first_group(t, tiles))
					first_give(s + t, tile_two(slot, q), y + (v * pitch + first_channel(t, 2 * q, tiles)), add, first_group(t, tiles));
	}
}

/* Warp w: the rows of the same h of every plane */
DEVICE void first_warp(const struct gpu_narrow *g, const struct first *f, const struct block *b, int w, struct first_kept *k, word *y, int add,
	const int deep, const int tiles)
{
	const int planes = b->at[1] + w >= g->size[1] ? 0 : g->size[0] - b->at[0] < f->deep ? g->size[0] - b->at[0] : f->deep;
	const int step = first_step(f), plane = first_row(f, 1, 0), pitch = (int)g->yp, left = g->size[2] - b->at[2];
	const int64_t row = (int64_t)((b->n * g->size[0] + b->at[0]) * g->size[1] + b->at[1] + w) * g->size[2] + b->at[2];
	word *line = y + row * g->yp + b->oc;

	for (int d = 0; d < planes; d++) {
		struct tile s[MOST_OUT];

		first_sum(step, plane, k, s, deep, tiles);
		first_put(s, line, pitch, left, add, tiles);
		line += (int64_t)(g->size[1] * g->size[2]) * g->yp;
	}
}

DEVICE void first_team(const struct gpu_narrow *g, const struct first *f, int64_t team, const word *x, const word *packed, const float *bias, word *y,
	int add, quad *room, const int depth, const int tiles)
{
	const struct block b = first_block(g, f, team, g->oc / (8 * tiles));
	const word *about = (const word *)room, *own = packed + (int64_t)b.oc * depth;
	WARP_KEEPS(struct first_kept, kept);

	first_load(f, x, b.n, b.at, (word *)room);
	WARP_FOR(w)
		first_keep(f, about + first_row(f, 0, w), own, bias ? bias + b.oc : NULL, &kept[WARP_AT(w)], depth / TILE, tiles);
	team_sync();
	WARP_FOR(w)
		first_warp(g, f, &b, w, &kept[WARP_AT(w)], y, add, depth / TILE, tiles);
}

static inline int64_t first_teams(const struct gpu_narrow *g, int deep, int out)
{
	return (int64_t)g->n * ((g->size[0] + deep - 1) / deep) * ((g->size[1] + H - 1) / H) * ((g->size[2] + W - 1) / W) * (g->oc / out);
}

/* Planes of a block */
static int first_planes(const struct gpu_narrow *g, const struct gpu_direct *d, int out)
{
	int deep = FIRST_DEEP;

	while (deep > 1 && (first_bytes(d, deep) > FIRST_ROOM || first_teams(g, deep, out) < FIRST_ENOUGH))
		deep /= 2;
	return deep;
}

#define FIRST_CASE(depth, out) \
	SIDE_KERNEL(first_##depth##_##out, (struct gpu_narrow g, struct first f, int64_t teams, size_t bytes, const word *x, const word *packed, \
		const float *bias, word *y, int add), (g, f, teams, bytes, x, packed, bias, y, add), teams, bytes, depth * out <= 1024 && out < 48 ? 3 : 2) \
	{ \
		(void)bytes; \
		TEAM_FOR(team, teams) { \
			TEAM_ROOM(room); \
			first_team(&g, &f, team, x, packed, bias, y, add, room, depth, out / 8); \
		} \
	}

FIRST_CASES(FIRST_CASE)

typedef int first_fn(struct gpu_narrow g, struct first f, int64_t teams, size_t bytes, const word *x, const word *packed, const float *bias, word *y,
	int add);

int G(first)(struct gpu_narrow g, struct gpu_direct d, const void *x, const void *packed, const float *bias, void *y, int add)
{
	static first_fn *const of[3][4] = FIRST_TABLE(first);
	const int depth = first_depth(d.taps * d.b), out = first_out(g.oc, depth), deep = first_planes(&g, &d, out);

	return of FIRST_AT(depth, out)(g, first_of(&d, deep), first_teams(&g, deep, out), (size_t)first_bytes(&d, deep), (const word *)x,
		(const word *)packed, bias, (word *)y, add);
}

#else

/* Of floats there are no such products. */
int G(first)(struct gpu_narrow g, struct gpu_direct d, const void *x, const void *packed, const float *bias, void *y, int add)
{
	(void)g, (void)d, (void)x, (void)packed, (void)bias, (void)y, (void)add;
	return -1;
}

#endif

/* An element of what is packed to a lane. w [a][b][taps]; depth: [taps][b] */
KERNEL(first_words, (int a, int b, int taps, int out, int depth, const float *w, void *to), (a, b, taps, out, depth, w, to),
	items((int64_t)a * depth))
{
	const int tiles = out / 8;

	ITEM_FOR(i, (int64_t)a * depth) {
		const int k = (int)i % depth, column = (int)i / depth, tile = column / 8 % tiles, o = column / out * out + first_channel(tile, column % 8, tiles);
		const int64_t at = (int64_t)((column / out * (depth / TILE) + k / TILE) * tiles + tile) * NARROW_TILE + right_at(k % TILE, column % 8);

		put(to, at, k < taps * b ? w[(o * b + k % b) * taps + k / b] : 0);
	}
}

int G(first_pack)(int64_t a, int64_t b, int64_t taps, const float *w, void *to)
{
	const int depth = first_depth(taps * b);

	return G(first_words)((int)a, (int)b, (int)taps, first_out(a, depth), depth, w, to);
}
