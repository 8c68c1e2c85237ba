/* Window attention, forward (kernels/backend.h), and what both passes begin with. The largest score of a query, the sum of powers and what they weigh
   go along with the keys. */
#include "kernels/gpu/attention.h"

KERNEL(attention_tokens, (struct att a), (a), items(a.windows * a.t))
{
	const struct k_attention *g = &a.g;

	ITEM_FOR(k, a.windows * a.t) {
		const int64_t fast = g->table[g->turned ? 0 : 2], token = k % a.t;
		int64_t window = k / a.t, i = token, at[3], voxel;
		struct token t = {0, 0, 0};

		for (int j = 0; j < 3; j++) {
			int x = g->turned ? j : 2 - j;

			at[x] = i % g->window[x];
			i /= g->window[x];
		}
		for (int x = 2; x >= 0; x--) {
			at[x] += window % a.count[x] * g->window[x];
			window /= a.count[x];
		}
		voxel = window;
		for (int x = 0; x < 3; x++) {
			int64_t padded = a.count[x] * g->window[x], from = (at[x] + g->shift[x]) % padded;

			voxel = voxel < 0 || from >= g->size[x] ? -1 : voxel * g->size[x] + from;
			t.region = t.region * 3 + (!g->shift[x] || at[x] < padded - g->window[x] ? 0 : at[x] < padded - g->shift[x] ? 1 : 2);
		}
		t.vox = (int32_t)voxel;
		/* Tokens count in the table's window: MONAI takes the index made for that also where the window in use is smaller. */
		t.code = (int32_t)((token / (g->table[1] * fast) * (2 * g->table[1] - 1) + token / fast % g->table[1]) * (2 * fast - 1) + token % fast);
		a.token[k] = t;
	}
}

KERNEL(attention_column, (struct att a), (a), items(a.g.heads * a.table))
{
	ITEM_FOR(i, a.g.heads * a.table)
		a.column[i] = a.position ? a.position[i % a.table * a.g.heads + i / a.table] * LOG2_E : 0;
}

int G(attention_ready)(struct att a)
{
	const int bad = G(attention_tokens)(a);

	return bad ? bad : G(attention_column)(a);
}

/* A warp's queries */
struct query { struct left q[DEPTHS]; struct spots own; struct rows most, sum; struct tile o[PARTS]; };

DEVICE void query_begin(const struct att *a, const struct work *k, int w, struct query *r, const int depth)
{
	UNROLLED for (int i = 0; i < depth / TILE; i++)
		r->q[i] = left_of(k->own[0] + w * TILE * k->stride + i * TILE, k->stride);
	work_spots(a, k, w, &r->own);
	ROWS_EACH(i)
		r->most.v[i] = ATT_NONE, r->sum.v[i] = 0;
	UNROLLED for (int n = 0; n < depth / 8; n++)
		TILE_EACH(e)
			r->o[n].v[e] = 0;
}

/* Keys j .. of the chunk that begins at `first` */
DEVICE void query_step(const struct att *a, const struct work *k, int w, int64_t first, int j, struct query *r, const int depth)
{
	struct rows most = r->most, less;
	struct tile s[TILES];

	work_product(k, r->q, k->chunk[0], j, s, depth);
	work_scores(a, k, &r->own, j, 0, s);
	UNROLLED for (int n = 0; n < TILES; n++)
		TILE_EACH(e)
			most.v[tile_slot(e)] = fmaxf(most.v[tile_slot(e)], s[n].v[e]);
	rows_most(&most);
	ROWS_EACH(i)
		less.v[i] = two_to(r->most.v[i] - most.v[i]), r->sum.v[i] *= less.v[i];
	r->most = most;
	UNROLLED for (int n = 0; n < TILES; n++)
		TILE_EACH(e) {
			const float p = two_to(s[n].v[e] - most.v[tile_slot(e)]);

			r->sum.v[tile_slot(e)] += p;
			s[n].v[e] = p * att_factor(a, k->window, k->head, work_token(k, w, tile_slot(e)), first + j + 8 * n + tile_column(e), depth);
		}
	UNROLLED for (int n = 0; n < depth / 8; n++)
		TILE_EACH(e)
			r->o[n].v[e] *= less.v[tile_slot(e)];
	work_weigh(k, s, k->chunk[1], j, w, r->o, depth);
}

DEVICE void query_end(const struct att *a, const struct work *k, int w, struct query *r, const int depth)
{
	rows_sum(&r->sum);
	UNROLLED for (int n = 0; n < depth / 8; n++)
		TILE_EACH(e) {
			const int64_t i = work_token(k, w, tile_slot(e));
			const int d = 8 * n + tile_column(e), vox = i < a->t ? k->tokens[i].vox : -1;

			if (vox >= 0 && d < a->hd)
				put(a->y, vox * a->g.c + k->head * a->hd + d, r->o[n].v[e] / r->sum.v[tile_slot(e)]);
		}
}

DEVICE void attention_team(const struct att *a, int64_t team, quad *room, const int depth)
{
	const int64_t of = team / a->blocks;
	const struct work k = work_of(a, room, depth, of / a->g.heads, of % a->g.heads, team % a->blocks, 1);
	WARP_KEEPS(struct query, own);

	work_part(a, &k, k.block * BLOCK, BLOCK, 0, k.own[0], depth);
	for (int64_t first = 0; first < a->up; first += a->chunk) {
		const int n = work_count(a, first);

		team_sync();
		work_part(a, &k, first, n, 1, k.chunk[0], depth), work_part(a, &k, first, n, 2, k.chunk[1], depth);
		work_places(a, &k, first, n);
		team_sync();
		WARP_FOR(w) {
			if (first == 0)
				query_begin(a, &k, w, &own[WARP_AT(w)], depth);
			for (int j = 0; work_token(&k, w, 0) / TILE * TILE < a->t && j < n; j += STEP)
				query_step(a, &k, w, first, j, &own[WARP_AT(w)], depth);
		}
	}
	WARP_FOR(w)
		query_end(a, &k, w, &own[WARP_AT(w)], depth);
}

ATT_KERNEL(attention, a.windows * a.g.heads * a.blocks)

size_t G(attention_bytes)(const struct k_attention *g, int back)
{
	const struct k_attention_args none = {0};
	struct att a = att_of(g, &none, 1);

	return (size_t)(att_scratch(&a, NULL, back) - (char *)NULL);
}

int G(attention_fwd)(const struct k_attention *g, const struct k_attention_args *x, void *y, void *scratch)
{
	struct att a = att_of(g, x, 1);
	int bad;

	a.y = y;
	att_scratch(&a, scratch, 0);
	bad = G(attention_ready)(a);
	return bad ? bad : attention(a);
}
