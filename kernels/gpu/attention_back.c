/* Window attention, backward: with P the probabilities, O = P V, S the scores:
   dV = P' dO,  dP = dO V',  dS = P (dP - rowsum(P dP)),  dQ = scale dS K,  dK = scale dS' Q,  d table: the sum of dS over what shares a row.
   A team to a block of queries for dQ, through a run of windows, whose dS it adds up in memory that is its own; to a block of keys for dK and dV;
   each makes the probabilities anew. What shares a row of the table is then added up in the order of the runs and of the queries. */
#include "kernels/gpu/attention.h"

/* -- queries ------------------------------------------------------------------------- */
struct back { struct left q[DEPTHS], dy[DEPTHS]; struct spots own; struct rows most, sum, mean; struct tile dq[PARTS]; };

DEVICE void back_begin(const struct att *a, const struct work *k, int w, struct back *r, const int depth)
{
	UNROLLED for (int i = 0; i < depth / TILE; i++) {
		r->q[i] = left_of(k->own[0] + w * TILE * k->stride + i * TILE, k->stride);
		r->dy[i] = left_of(k->own[1] + w * TILE * k->stride + i * TILE, k->stride);
	}
	work_spots(a, k, w, &r->own);
	ROWS_EACH(i)
		r->most.v[i] = ATT_NONE, r->sum.v[i] = r->mean.v[i] = 0;
	UNROLLED for (int n = 0; n < depth / 8; n++)
		TILE_EACH(e)
			r->dq[n].v[e] = 0;
}

/* dp = the factor times dP, s the scores, of STEP keys */
DEVICE void back_pair(const struct att *a, const struct work *k, int w, int64_t first, int j, const struct back *r, struct tile s[TILES],
	struct tile dp[TILES], const int depth)
{
	work_product(k, r->q, k->chunk[0], j, s, depth);
	work_scores(a, k, &r->own, j, 0, s);
	work_product(k, r->dy, k->chunk[1], j, dp, depth);
	UNROLLED for (int n = 0; n < TILES; n++)
		TILE_EACH(e)
			dp[n].v[e] *= att_factor(a, k->window, k->head, work_token(k, w, tile_slot(e)), first + j + 8 * n + tile_column(e), depth);
}

/* First: the largest score, the sum of powers, and of them times dP */
DEVICE void back_measure(const struct att *a, const struct work *k, int w, int64_t first, int j, struct back *r, const int depth)
{
	struct tile s[TILES], dp[TILES];
	struct rows most = r->most;

	back_pair(a, k, w, first, j, r, s, dp, depth);
	UNROLLED for (int n = 0; n < TILES; n++)
		TILE_EACH(e)
			most.v[tile_slot(e)] = fmaxf(most.v[tile_slot(e)], s[n].v[e]);
	rows_most(&most);
	ROWS_EACH(i) {
		const float less = two_to(r->most.v[i] - most.v[i]);

		r->sum.v[i] *= less, r->mean.v[i] *= less;
	}
	r->most = most;
	UNROLLED for (int n = 0; n < TILES; n++)
		TILE_EACH(e) {
			const float p = two_to(s[n].v[e] - most.v[tile_slot(e)]);

			r->sum.v[tile_slot(e)] += p, r->mean.v[tile_slot(e)] += p * dp[n].v[e];
		}
}

/* sum becomes 1 / sum. `of` is for the keys. */
DEVICE void back_settle(const struct att *a, const struct work *k, int w, struct back *r)
{
	rows_sum(&r->sum), rows_sum(&r->mean);
	ROWS_EACH(i) {
		const int64_t q = work_token(k, w, i);
		float of[4] = {0};

		r->sum.v[i] = 1 / r->sum.v[i], r->mean.v[i] *= r->sum.v[i];
		of[0] = r->most.v[i], of[1] = r->sum.v[i], of[2] = r->mean.v[i];
		if (q < a->t)
			put_floats(a->of + ((k->window * a->g.heads + k->head) * a->t + q) * 4, of);
	}
}

/* Then: dS, to dQ and to the run's sums. `to`: the warp's tiles, from key j on */
DEVICE void back_step(const struct att *a, const struct work *k, int w, int64_t first, int j, float *to, int add, struct back *r, const int depth)
{
	struct tile s[TILES], dp[TILES];

	back_pair(a, k, w, first, j, r, s, dp, depth);
	UNROLLED for (int n = 0; n < TILES; n++) {
		TILE_EACH(e)
			s[n].v[e] = two_to(s[n].v[e] - r->most.v[tile_slot(e)]) * r->sum.v[tile_slot(e)] * (dp[n].v[e] - r->mean.v[tile_slot(e)]);
		tile_keep(to + n * TILE * 8, &s[n], add);
	}
	work_weigh(k, s, k->chunk[0], j, w, r->dq, depth);
}

DEVICE void back_write(const struct att *a, const struct work *k, int w, const struct tile *sum, int part, float scale, const int depth)
{
	UNROLLED for (int n = 0; n < depth / 8; n++)
		TILE_EACH(e) {
			const int64_t i = work_token(k, w, tile_slot(e));
			const int d = 8 * n + tile_column(e), vox = i < a->t ? k->tokens[i].vox : -1;

			if (i >= a->t || d >= a->hd)
				continue;
			if (vox >= 0)
				put(a->dqkv, (vox * 3 + part) * a->g.c + k->head * a->hd + d, sum[n].v[e] * scale);
			if (part && a->padded)
				a->pad[(((k->window * a->g.heads + k->head) * a->t + i) * 2 + part - 1) * a->hd + d] = vox >= 0 ? 0 : sum[n].v[e] * scale;
		}
}

/* Both passes over a window's keys, which are brought once where they are a single chunk */
DEVICE void back_window(const struct att *a, const struct work *k, float *slot, int add, struct back *own, const int depth)
{
	team_sync();
	work_part(a, k, k->block * BLOCK, BLOCK, 0, k->own[0], depth);
	work_upstream(a, k, k->block * BLOCK, BLOCK, k->own[1], depth);
	for (int pass = 0; pass < 2; pass++)
		for (int64_t first = 0; first < a->up; first += a->chunk) {
			const int n = work_count(a, first);

			team_sync();
			if (pass == 0 || n < a->up) {
				work_part(a, k, first, n, 1, k->chunk[0], depth), work_part(a, k, first, n, 2, k->chunk[1], depth);
				work_places(a, k, first, n);
			}
			team_sync();
			WARP_FOR(w) {
				struct back *r = own + WARP_AT(w);
				float *to = slot + ((k->block * WARPS + w) * (a->up / 8) + first / 8) * TILE * 8;

				if (pass == 0 && first == 0)
					back_begin(a, k, w, r, depth);
				if (pass == 1 && first == 0)
					back_settle(a, k, w, r);
				for (int j = 0; work_token(k, w, 0) / TILE * TILE < a->t && j < n; j += STEP)
					if (pass == 0)
						back_measure(a, k, w, first, j, r, depth);
					else
						back_step(a, k, w, first, j, to + j * TILE, add, r, depth);
			}
		}
	WARP_FOR(w)
		back_write(a, k, w, own[WARP_AT(w)].dq, 0, a->g.scale, depth);
}

DEVICE void attention_back_query_team(const struct att *a, int64_t team, quad *room, const int depth)
{
	const int64_t block = team % a->blocks, head = team / a->blocks % a->g.heads, run = team / a->blocks / a->g.heads;
	const int64_t first = a->windows * run / a->runs, end = a->windows * (run + 1) / a->runs;
	float *slot = a->slot + (run * a->g.heads + head) * a->tiles * TILE * 8;
	WARP_KEEPS(struct back, own);

	for (int64_t window = first; window < end; window++) {
		const struct work k = work_of(a, room, depth, window, head, block, 2);

		back_window(a, &k, slot, window > first, own, depth);
	}
}

ATT_KERNEL(attention_back_query, a.runs * a.g.heads * a.blocks)

/* -- keys ----------------------------------------------------------------------------- */
struct key { struct left k[DEPTHS], v[DEPTHS]; struct spots own; struct tile dk[PARTS], dv[PARTS]; };

DEVICE void key_begin(const struct att *a, const struct work *k, int w, struct key *r, const int depth)
{
	UNROLLED for (int i = 0; i < depth / TILE; i++) {
		r->k[i] = left_of(k->own[0] + w * TILE * k->stride + i * TILE, k->stride);
		r->v[i] = left_of(k->own[1] + w * TILE * k->stride + i * TILE, k->stride);
	}
	work_spots(a, k, w, &r->own);
	UNROLLED for (int n = 0; n < depth / 8; n++)
		TILE_EACH(e)
			r->dk[n].v[e] = r->dv[n].v[e] = 0;
}

DEVICE void key_step(const struct att *a, const struct work *k, int w, int64_t first, int j, struct key *r, const int depth)
{
	struct tile s[TILES], dp[TILES];

	work_product(k, r->k, k->chunk[0], j, s, depth);
	work_scores(a, k, &r->own, j, 1, s);
	work_product(k, r->v, k->chunk[1], j, dp, depth);
	UNROLLED for (int n = 0; n < TILES; n++)
		TILE_EACH(e) {
			const int column = j + 8 * n + tile_column(e);
			const float *of = k->of + 4 * column, p = two_to(s[n].v[e] - of[0]) * of[1];
			const float factor = att_factor(a, k->window, k->head, first + column, work_token(k, w, tile_slot(e)), depth);

			s[n].v[e] = p * factor;
			dp[n].v[e] = p * (factor * dp[n].v[e] - of[2]);
		}
	work_weigh(k, s, k->chunk[1], j, w, r->dv, depth);
	work_weigh(k, dp, k->chunk[0], j, w, r->dk, depth);
}

/* `of` of the chunk's queries: nothing comes of those beyond the tokens. */
DEVICE void key_of(const struct att *a, const struct work *k, int64_t first, int rows)
{
	LANE_FOR(i, 0, rows) {
		float of[4] = {0};

		if (first + i < a->t)
			get_floats(a->of + ((k->window * a->g.heads + k->head) * a->t + first + i) * 4, of);
		put_floats(k->of + 4 * i, of);
	}
}

DEVICE void attention_back_key_team(const struct att *a, int64_t team, quad *room, const int depth)
{
	const int64_t of = team / a->blocks;
	const struct work k = work_of(a, room, depth, of / a->g.heads, of % a->g.heads, team % a->blocks, 2);
	WARP_KEEPS(struct key, own);

	work_part(a, &k, k.block * BLOCK, BLOCK, 1, k.own[0], depth), work_part(a, &k, k.block * BLOCK, BLOCK, 2, k.own[1], depth);
	for (int64_t first = 0; first < a->up; first += a->chunk) {
		const int n = work_count(a, first);

		team_sync();
		work_part(a, &k, first, n, 0, k.chunk[0], depth), work_upstream(a, &k, first, n, k.chunk[1], depth);
		work_places(a, &k, first, n), key_of(a, &k, first, n);
		team_sync();
		WARP_FOR(w) {
			if (first == 0)
				key_begin(a, &k, w, &own[WARP_AT(w)], depth);
			for (int j = 0; work_token(&k, w, 0) / TILE * TILE < a->t && j < n; j += STEP)
				key_step(a, &k, w, first, j, &own[WARP_AT(w)], depth);
		}
	}
	WARP_FOR(w) {
		back_write(a, &k, w, own[WARP_AT(w)].dk, 1, a->g.scale, depth);
		back_write(a, &k, w, own[WARP_AT(w)].dv, 2, 1, depth);
	}
}

ATT_KERNEL(attention_back_key, a.windows * a.g.heads * a.blocks)

/* -- parameters ------------------------------------------------------------------------ */
/* Tiles of all runs */
KERNEL(attention_back_runs, (struct att a), (a), items(a.g.heads * a.tiles * TILE * 8))
{
	const int64_t n = a.g.heads * a.tiles * TILE * 8;

	ITEM_FOR(i, n) {
		float sum = 0;

		for (int64_t run = 0; run < a.runs; run++)
			sum += a.slot[run * n + i];
		a.sum[i] = sum;
	}
}

/* The key that shares `row` of the table with query i; -1: none */
DEVICE int64_t partner(const struct att *a, int64_t row, int64_t i)
{
	const int64_t *table = a->g.table, n[3] = {table[a->g.turned ? 2 : 0], table[1], table[a->g.turned ? 0 : 2]}; /* the last runs fastest */
	int64_t w = i % n[2] - row % (2 * n[2] - 1) + n[2] - 1, h = i / n[2] % n[1] - row / (2 * n[2] - 1) % (2 * n[1] - 1) + n[1] - 1;
	int64_t d = i / n[2] / n[1] - row / (2 * n[2] - 1) / (2 * n[1] - 1) + n[0] - 1, j = (d * n[1] + h) * n[2] + w;

	return d < 0 || d >= n[0] || h < 0 || h >= n[1] || w < 0 || w >= n[2] || j >= a->t ? -1 : j;
}

KERNEL(attention_back_table, (struct att a, float *dtable), (a, dtable), items(a.table * a.g.heads * WARP))
{
	GROUP_FOR(r, a.table * a.g.heads, WARP) {
		const int64_t row = r / a.g.heads, head = r % a.g.heads;
		float sum = 0;

		MEMBER_FOR(i, 0, a.t, WARP) {
			const int64_t j = partner(&a, row, i);

			if (j >= 0)
				sum += a.sum[(head * a.tiles + i / TILE * (a.up / 8) + j / 8) * TILE * 8 + tile_at((int)(i % TILE), (int)(j % 8))];
		}
		sum = group_sum(sum, WARP);
		if (FIRST_OF_GROUP(WARP))
			dtable[r] += sum;
	}
}

/* Padding's share of the gradient of the projection's bias, which the q of padding has none of: a team to an element */
KERNEL(attention_back_bias, (struct att a, float *dbias), (a, dbias), 3 * a.g.c)
{
	TEAM_FOR(k, 3 * a.g.c) {
		int64_t part = k / a.g.c, head = k % a.g.c / a.hd, d = k % a.hd;
		double sum = 0;

		LANE_FOR(i, 0, part ? a.windows * a.t : 0)
			sum += (double)a.pad[((i / a.t * a.g.heads + head) * a.t + i % a.t) * 2 * a.hd + (part - 1) * a.hd + d];
		sum = team_sum(sum);
		if (FIRST_LANE)
			dbias[part * a.g.c + head * a.hd + d] += (float)sum;
	}
}

int G(attention_bwd)(const struct k_attention *g, const struct k_attention_args *x, const struct k_attention_grads *d, void *scratch)
{
	struct att a = att_of(g, x, 2);
	int bad;

	a.dy = d->dy, a.dqkv = d->dqkv, a.whole = a.whole && wide_rows(a.dy, a.hd);
	att_scratch(&a, scratch, 1);
	bad = G(attention_ready)(a);
	bad = bad ? bad : attention_back_query(a);
	bad = bad ? bad : attention_back_key(a);
	if (d->dtable) {
		bad = bad ? bad : G(attention_back_runs)(a);
		bad = bad ? bad : G(attention_back_table)(a, d->dtable);
	}
	return bad || !d->dbias || !a.padded ? bad : G(attention_back_bias)(a, d->dbias);
}
