/* Window attention on a GPU: what forward (attention.c) and backward (attention_back.c) share. A team has a block of BLOCK queries (or keys) of a
   head of a window, a warp TILE of them; the window's keys (or queries) go by in chunks that lie in the team's memory, STEP at a time: scores are
   never in memory but in a warp's tiles. Products are tile.h's. Exponents count in powers of two. */
#ifndef NIIPIPE_GPU_ATTENTION_H
#define NIIPIPE_GPU_ATTENTION_H

#include "kernels/gpu/kernels.h"
#include "kernels/gpu/philox.h"
#include "kernels/gpu/tile.h"

enum { ATT_HEAD = 64 };           /* channels of a head at most */
enum { BLOCK = TILE * WARPS, STEP = 2 * TILE, TILES = STEP / 8, DEPTHS = ATT_HEAD / TILE, PARTS = ATT_HEAD / 8 };
enum { ATT_CHUNK = 40 << 10 };    /* bytes of the rows of a chunk at most */
enum { ATT_SLOTS = 96 << 20 };    /* bytes of sums of gradients of scores, about */
enum { ATT_TEAMS = 264 };         /* two teams to each of an H100's processors */
#define ATT_MASKED (100.0f * LOG2_E) /* off the scores of tokens of different regions, as MONAI has it */
#define ATT_NONE (-1e30f)

/* A token of a window: its voxel, -1: padding; its region: those of different regions were not neighbours before the shift; its code: query i and
   key j share row code i - code j + the middle of the table. */
struct token { int32_t vox, region, code; };
struct place { int32_t code, region; }; /* region -1: no token */

struct att {
	struct k_attention g;
	int64_t t, up, blocks, tiles;        /* tokens of a window, rounded up to STEP; BLOCKs of them; tiles of their scores */
	int64_t hd, windows, runs, table;    /* channels of a head; all windows; runs of them whose gradients of scores are added up; rows of the table */
	int64_t count[3];
	int shifted, padded, whole;          /* whole: WIDE channels of qkv and dy are read at once */
	int depth, chunk;                    /* channels of a head, at least; rows of a chunk: a multiple of STEP */
	size_t room;
	struct k_drop drop;                  /* rate 0: none */
	const void *qkv, *dy;
	const float *bias, *position;        /* of the projection; the table, or NULL */
	void *y, *dqkv;                      /* forward, backward */
	/* In scratch: */
	float *of;                           /* [window,head,t][4]: largest score, 1 / sum of powers, rowsum(P dP) */
	float *slot, *sum;                   /* [run,head][t / TILE, rounded up][up / 8] tiles; the same of all runs */
	float *pad;                          /* [window,head,t][2][hd]: gradients of k and v of padding, else 0 */
	float *column;                       /* [head][table], times log2 e */
	struct token *token;                 /* [windows,t] */
};

/* kernels of attention.c */
#ifdef __cplusplus
extern "C"
#endif
int G(attention_ready)(struct att a); /* token and column */

static inline int64_t att_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

/* A team's memory: `owns` blocks of its own rows, two chunks, what the chunk's tokens are, each warp's strip */
static inline size_t att_bytes(int depth, int chunk, int owns)
{
	const size_t row = (size_t)(depth + WIDE) * sizeof(word);

	return (size_t)(owns * BLOCK + 2 * chunk) * row + (size_t)chunk * (sizeof(struct place) + 4 * sizeof(float)) + WARPS * STRIP * sizeof(word);
}

static inline void att_shape(struct att *a, int owns)
{
	const int depth = a->drop.rate > 0 || a->hd > 2 * TILE ? ATT_HEAD : a->hd > TILE ? 2 * TILE : TILE;
	const int64_t bytes = a->up * 2 * (depth + WIDE) * (int)sizeof(word), chunks = (bytes + ATT_CHUNK - 1) / ATT_CHUNK;

	a->depth = depth;
	a->chunk = (int)att_up((a->up + chunks - 1) / chunks, STEP);
	while (a->chunk > STEP && att_bytes(a->depth, a->chunk, owns) > MOST_ROOM)
		a->chunk -= STEP;
	a->room = att_bytes(a->depth, a->chunk, owns);
}

/* Runs of windows, `most` at most, of `teams` teams each: as few windows one after another as can be, and of numbers with as many the least, whose
   sums take the least memory */
static inline int64_t att_runs(int64_t windows, int64_t most, int64_t teams)
{
	int64_t best = 1, least = INT64_MAX;

	for (int64_t runs = 1; runs <= most && runs <= windows; runs++) {
		const int64_t after = (windows + runs - 1) / runs * ((runs * teams + ATT_TEAMS - 1) / ATT_TEAMS);

		if (after < least)
			best = runs, least = after;
	}
	return best;
}

static inline struct att att_of(const struct k_attention *g, const struct k_attention_args *x, int owns)
{
	struct att a;
	int64_t most;

	a.g = *g, a.t = 1, a.windows = g->n, a.table = 1, a.shifted = a.padded = 0;
	for (int i = 0; i < 3; i++) {
		a.count[i] = (g->size[i] + g->window[i] - 1) / g->window[i];
		a.windows *= a.count[i];
		a.t *= g->window[i];
		a.table *= 2 * g->table[i] - 1;
		a.shifted |= g->shift[i] > 0;
		a.padded |= g->size[i] % g->window[i] != 0;
	}
	a.hd = g->c / g->heads, a.up = att_up(a.t, STEP), a.blocks = (a.t + BLOCK - 1) / BLOCK;
	a.tiles = (a.t + TILE - 1) / TILE * (a.up / 8);
	most = ATT_SLOTS / (g->heads * a.tiles * (int64_t)(sizeof(float) * TILE * 8));
	a.runs = att_runs(a.windows, most, g->heads * a.blocks);
	a.qkv = x->qkv, a.bias = x->bias, a.position = x->table, a.drop = x->drop;
	a.dy = a.dqkv = a.y = NULL;
	a.whole = wide_rows(a.qkv, a.hd); /* then every row of qkv, and of dy, is a multiple of WIDE */
	att_shape(&a, owns);
	return a;
}

/* The parts of scratch: where it ends. back: those of the backward pass, too */
static inline char *att_scratch(struct att *a, void *scratch, int back)
{
	const size_t rows = (size_t)(a->windows * a->g.heads * a->t), tiles = (size_t)(a->g.heads * a->tiles * TILE * 8);
	float *p = (float *)scratch;

	a->of = p, p += back ? 4 * rows : 0;
	a->slot = p, p += back ? tiles * (size_t)a->runs : 0;
	a->sum = p, p += back ? tiles : 0;
	a->pad = p, p += back && a->padded ? 2 * rows * (size_t)a->hd : 0;
	a->column = p, p += a->g.heads * a->table;
	a->token = (struct token *)p;
	return (char *)(a->token + a->windows * a->t);
}

/* The factor of key j of query i: 1, or dropout's, which would be most of a kernel's code: the deepest kernels alone have it. */
DEVICE float att_factor(const struct att *a, int64_t window, int64_t head, int64_t i, int64_t j, const int depth)
{
	const int64_t row = (window * a->g.heads + head) * ((a->t + 3) / 4 * 4) + i;

	struct draws d;

	if (depth != ATT_HEAD || !(a->drop.rate > 0))
		return 1;
	d = draws_of(&a->drop);
	return drop_at(&d, row * ((a->t + 63) / 64 * 64) + j);
}

/* What a team works at, and its memory: own rows, those of a chunk, their places and (backward) `of`, and the strips */
struct work { int64_t window, head, block; const struct token *tokens; word *own[2], *chunk[2], *strip; struct place *place; float *of; int stride; };

DEVICE struct work work_of(const struct att *a, quad *room, const int depth, int64_t window, int64_t head, int64_t block, const int owns)
{
	struct work w;

	w.window = window, w.head = head, w.block = block, w.tokens = a->token + window * a->t, w.stride = depth + WIDE;
	w.own[0] = (word *)room, w.own[1] = w.own[0] + (owns - 1) * BLOCK * w.stride;
	w.chunk[0] = w.own[1] + BLOCK * w.stride, w.chunk[1] = w.chunk[0] + a->chunk * w.stride;
	w.strip = w.chunk[1] + a->chunk * w.stride;
	w.of = (float *)(w.strip + WARPS * STRIP), w.place = (struct place *)(w.of + 4 * a->chunk);
	return w;
}

/* Rows of `depth` of the tokens from `first` on, `at` in rows of x [vox][pitch]; of padding, what was zero before the projection, its bias */
DEVICE void work_rows(const struct att *a, const struct work *w, int64_t first, int rows, const void *x, int64_t pitch, int64_t at, const float *bias,
	word *to, const int depth)
{
	const int parts = depth / WIDE;

	LANE_FOR(k, 0, rows * parts) {
		const int64_t i = first + (int)k / parts;
		const int d = (int)k % parts * WIDE, left = (int)a->hd - d, vox = i < a->t ? w->tokens[i].vox : -1;
		word *p = to + (int)k / parts * w->stride + d;
		float v[WIDE];

		if (vox >= 0 && left >= WIDE && a->whole) {
			put_quad(p, get_quad((const word *)x + vox * pitch + at + d));
			continue;
		}
		EACH(j)
			v[j] = j >= left || i >= a->t ? 0 : vox >= 0 ? get(x, vox * pitch + at + d + j) : bias ? bias[at + d + j] : 0;
		put_quad(p, wide_quad(v));
	}
}

/* Of q 0, k 1, v 2 */
DEVICE void work_part(const struct att *a, const struct work *w, int64_t first, int rows, int part, word *to, const int depth)
{
	work_rows(a, w, first, rows, a->qkv, 3 * a->g.c, part * a->g.c + w->head * a->hd, a->bias, to, depth);
}

DEVICE void work_upstream(const struct att *a, const struct work *w, int64_t first, int rows, word *to, const int depth)
{
	work_rows(a, w, first, rows, a->dy, a->g.c, w->head * a->hd, NULL, to, depth);
}

DEVICE void work_places(const struct att *a, const struct work *w, int64_t first, int rows)
{
	LANE_FOR(k, 0, rows) {
		const int64_t i = first + k;
		struct place p = {0, -1};

		if (i < a->t)
			p.code = w->tokens[i].code, p.region = w->tokens[i].region;
		w->place[k] = p;
	}
}

/* Rows of the chunk that begins at `first` */
DEVICE int work_count(const struct att *a, int64_t first)
{
	return a->up - first < a->chunk ? (int)(a->up - first) : a->chunk;
}

/* Which token row `slot` of warp w's tiles is */
DEVICE int64_t work_token(const struct work *k, int w, int slot)
{
	return k->block * BLOCK + w * TILE + tile_row(slot);
}

/* What a lane's rows are: of rows beyond the tokens, what the last token is */
struct spots { struct place v[TILE_ROWS]; };

DEVICE void work_spots(const struct att *a, const struct work *k, int w, struct spots *s)
{
	ROWS_EACH(r) {
		const int64_t i = work_token(k, w, r);
		const struct token t = k->tokens[i < a->t ? i : a->t - 1];

		s->v[r].code = t.code, s->v[r].region = t.region;
	}
}

/* s = x rows', of STEP rows from row j of the chunk on */
DEVICE void work_product(const struct work *w, const struct left *x, const word *rows, int j, struct tile s[TILES], const int depth)
{
	UNROLLED for (int n = 0; n < TILES; n++) {
		TILE_EACH(e)
			s[n].v[e] = 0;
		UNROLLED for (int k = 0; k < depth / TILE; k++)
			tile_add(&s[n], &x[k], rows + (j + 8 * n) * w->stride + k * TILE, w->stride);
	}
}

/* sum += s rows: STEP columns of s, as many rows from row j on */
DEVICE void work_weigh(const struct work *w, const struct tile s[TILES], const word *rows, int j, int warp, struct tile *sum, const int depth)
{
	UNROLLED for (int h = 0; h < TILES; h += 2) {
		const struct left x = left_of_tiles(&s[h], &s[h + 1], w->strip + warp * STRIP);

		UNROLLED for (int n = 0; n < depth / 8; n++)
			tile_add_turned(&sum[n], &x, rows + (j + 8 * h) * w->stride + n * 8, w->stride);
	}
}

/* Products become scores. turned: rows are keys */
DEVICE void work_scores(const struct att *a, const struct work *w, const struct spots *own, int j, const int turned, struct tile s[TILES])
{
	const float *column = a->column + w->head * a->table + a->table / 2, scale = a->g.scale * LOG2_E;

	UNROLLED for (int n = 0; n < TILES; n++)
		TILE_EACH(e) {
			const struct place p = w->place[j + 8 * n + tile_column(e)], o = own->v[tile_slot(e)];

			s[n].v[e] = s[n].v[e] * scale + column[turned ? p.code - o.code : o.code - p.code];
			s[n].v[e] -= p.region != o.region ? ATT_MASKED : 0;
			s[n].v[e] = p.region < 0 ? ATT_NONE : s[n].v[e];
		}
}

/* A kernel of a struct att, once for each depth, two teams side by side where registers allow it; what a team does: name_team(&a, team, room,
   depth) */
#define ATT_DEPTH(name, team, teams, depth, least) \
	SIDE_KERNEL(name, (struct att a), (a), teams, a.room, least) \
	{ \
		TEAM_FOR(t, teams) { \
			TEAM_ROOM(room); \
			team(&a, t, room, depth); \
		} \
	}
#define ATT_KERNEL(name, teams) \
	ATT_DEPTH(name##_16, name##_team, teams, TILE, 2) \
	ATT_DEPTH(name##_32, name##_team, teams, 2 * TILE, 2) \
	ATT_DEPTH(name##_64, name##_team, teams, ATT_HEAD, 1) \
	static int name(struct att a) \
	{ \
		return a.depth == TILE ? G(name##_16)(a) : a.depth == ATT_HEAD ? G(name##_64)(a) : G(name##_32)(a); \
	}

#endif
