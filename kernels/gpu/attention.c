/* Window attention, forward (kernels/backend.h): a team to a head of a window, a lane to a query. Scores are never in memory: their maximum, the sum
   of exponentials and what they weigh go along. */
#include "kernels/gpu/attention.h"

KERNEL(attention_tokens, (struct att a), (a), items(a.windows * a.t))
{
	const struct k_attention *g = &a.g;

	ITEM_FOR(k, a.windows * a.t) {
		int64_t window = k / a.t, i = k % a.t, at[3], voxel;
		struct token t = {0, 0};

		for (int fast = 0; fast < 3; fast++) {
			int x = g->turned ? fast : 2 - fast;

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
		a.token[k] = t;
	}
}

DEVICE void answer(const struct att *a, int64_t window, int64_t head, int64_t i, const int hd, void *y)
{
	const struct token *tokens = a->token + window * a->t;
	struct att_query r;

	att_query(a, tokens, head, i, hd, &r);
	for (int d = 0; tokens[i].vox >= 0 && d < hd; d++)
		put(y, tokens[i].vox * a->g.c + head * hd + d, r.o[d]);
}

KERNEL(attention, (struct att a, void *y), (a, y), a.windows * a.g.heads)
{
	TEAM_FOR(t, a.windows * a.g.heads)
		LANE_FOR(i, 0, a.t) {
			if (a.hd == 16)
				answer(&a, t / a.g.heads, t % a.g.heads, i, 16, y);
			else
				answer(&a, t / a.g.heads, t % a.g.heads, i, (int)a.hd, y);
		}
}

size_t G(attention_bytes)(const struct k_attention *g, int back)
{
	const struct k_attention_args none = {0};
	struct att a = att_of(g, &none);
	int64_t of = 3 * a.windows * g->heads * a.t, pad = 2 * a.windows * a.t * g->c, slot = g->heads * a.runs * a.table;

	return sizeof(struct token) * (size_t)(a.windows * a.t) + sizeof(float) * (size_t)(back ? of + pad + slot : 0);
}

int G(attention_fwd)(const struct k_attention *g, const struct k_attention_args *x, void *y, void *scratch)
{
	struct att a = att_of(g, x);
	int bad;

	a.token = (struct token *)scratch;
	bad = G(attention_tokens)(a);
	return bad ? bad : G(attention)(a, y);
}
