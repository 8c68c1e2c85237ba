/* Window attention, backward: with P the probabilities, O = P V, S the scores:
   dV = P' dO,  dP = dO V',  dS = P (dP - rowsum(P dP)),  dQ = scale dS K,  dK = dS' Q,  d table: the sum of dS over what shares a row.
   A lane to a query for dQ, to a key for dK and dV, to a row of the table; each makes the probabilities it needs anew. */
#include "kernels/gpu/attention.h"

struct back { const void *dy; void *dqkv; float *of, *pad, *slot; }; /* of [window,head,t][3]: largest score, 1 / sum, rowsum(P dP) = O dO */

DEVICE float upstream(const struct att *a, const struct back *b, struct token t, int64_t head, int64_t d)
{
	return t.vox < 0 ? 0 : get(b->dy, t.vox * a->g.c + head * a->hd + d);
}

DEVICE void query_back(const struct att *a, const struct back *b, int64_t team, int64_t i, const int hd)
{
	int64_t head = team % a->g.heads, code = att_code(a, i);
	const struct token *tokens = a->token + team / a->g.heads * a->t;
	float mean = 0, dq[ATT_HEAD], dy[ATT_HEAD], *of = b->of + (team * a->t + i) * 3;
	struct att_query r;

	att_query(a, tokens, head, i, hd, &r);
	for (int d = 0; d < hd; d++)
		dy[d] = upstream(a, b, tokens[i], head, d), mean += r.o[d] * dy[d], dq[d] = 0;
	of[0] = r.most, of[1] = 1 / r.sum, of[2] = mean;
	for (int64_t j = 0; tokens[i].vox >= 0 && j < a->t; j++) {
		float s = att_position(a, code, att_code(a, j), head), dp = 0;

		for (int d = 0; d < hd; d++)
			s += r.q[d] * att_part(a, tokens[j], 1, head, d), dp += dy[d] * att_part(a, tokens[j], 2, head, d);
		if (a->shifted && tokens[j].region != tokens[i].region)
			s -= ATT_MASKED;
		s = expf(s - r.most) / r.sum * (att_factor(a, tokens, head, i, j) * dp - mean);
		for (int d = 0; d < hd; d++)
			dq[d] += s * att_part(a, tokens[j], 1, head, d);
	}
	for (int d = 0; tokens[i].vox >= 0 && d < hd; d++)
		put(b->dqkv, tokens[i].vox * 3 * a->g.c + head * hd + d, dq[d] * a->g.scale);
}

KERNEL(attention_back_query, (struct att a, struct back b), (a, b), a.windows * a.g.heads)
{
	TEAM_FOR(t, a.windows * a.g.heads)
		LANE_FOR(i, 0, a.t) {
			if (a.hd == 16)
				query_back(&a, &b, t, i, 16);
			else
				query_back(&a, &b, t, i, (int)a.hd);
		}
}

/* What of P weighs v, and dS, of query i and key j */
struct share { float p, ds; };

DEVICE struct share share_of(const struct att *a, const struct back *b, int64_t team, int64_t i, int64_t j, const int hd)
{
	int64_t head = team % a->g.heads;
	const struct token *tokens = a->token + team / a->g.heads * a->t;
	const float *of = b->of + (team * a->t + i) * 3;
	float s = att_position(a, att_code(a, i), att_code(a, j), head), dp = 0;
	struct share r;

	for (int d = 0; d < hd; d++) {
		s += att_part(a, tokens[i], 0, head, d) * a->g.scale * att_part(a, tokens[j], 1, head, d);
		dp += upstream(a, b, tokens[i], head, d) * att_part(a, tokens[j], 2, head, d);
	}
	if (a->shifted && tokens[j].region != tokens[i].region)
		s -= ATT_MASKED;
	s = expf(s - of[0]) * of[1];
	r.p = s * att_factor(a, tokens, head, i, j);
	r.ds = s * (att_factor(a, tokens, head, i, j) * dp - of[2]);
	return r;
}

/* The gradients of k and v: to where they came from, the volume or, of padding, pad [window,head,t][2][hd], where else 0 stands */
DEVICE void key_back(const struct att *a, const struct back *b, int64_t team, int64_t j, const int hd)
{
	int64_t head = team % a->g.heads;
	const struct token *tokens = a->token + team / a->g.heads * a->t;
	float dk[ATT_HEAD], dv[ATT_HEAD], *pad = b->pad + (team * a->t + j) * 2 * hd;
	int inside = tokens[j].vox >= 0;

	for (int d = 0; d < hd; d++)
		dk[d] = dv[d] = 0;
	for (int64_t i = 0; i < a->t; i++) {
		struct share s = share_of(a, b, team, i, j, hd);

		for (int d = 0; d < hd; d++) {
			dk[d] += s.ds * a->g.scale * att_part(a, tokens[i], 0, head, d);
			dv[d] += s.p * upstream(a, b, tokens[i], head, d);
		}
	}
	for (int d = 0; d < hd; d++) {
		int64_t to = (inside ? tokens[j].vox : 0) * 3 * a->g.c + head * hd + d;

		pad[d] = inside ? 0 : dk[d], pad[hd + d] = inside ? 0 : dv[d];
		if (inside)
			put(b->dqkv, to + a->g.c, dk[d]), put(b->dqkv, to + 2 * a->g.c, dv[d]);
	}
}

KERNEL(attention_back_key, (struct att a, struct back b), (a, b), a.windows * a.g.heads)
{
	TEAM_FOR(t, a.windows * a.g.heads)
		LANE_FOR(j, 0, a.t) {
			if (a.hd == 16)
				key_back(&a, &b, t, j, 16);
			else
				key_back(&a, &b, t, j, (int)a.hd);
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

/* slot [head,run][table]: sums over a run of windows */
KERNEL(attention_back_table, (struct att a, struct back b), (a, b), a.g.heads * a.runs)
{
	TEAM_FOR(t, a.g.heads * a.runs) {
		int64_t head = t / a.runs, run = t % a.runs, first = a.windows * run / a.runs, end = a.windows * (run + 1) / a.runs;

		LANE_FOR(row, 0, a.table) {
			float sum = 0;

			for (int64_t i = 0; i < a.t; i++) {
				int64_t j = partner(&a, row, i);

				for (int64_t w = first; j >= 0 && w < end; w++)
					sum += share_of(&a, &b, w * a.g.heads + head, i, j, (int)a.hd).ds;
			}
			b.slot[t * a.table + row] = sum;
		}
	}
}

KERNEL(attention_back_add, (struct att a, struct back b, float *dtable), (a, b, dtable), items(a.table * a.g.heads))
{
	ITEM_FOR(i, a.table * a.g.heads) {
		double sum = 0;

		for (int64_t run = 0; run < a.runs; run++)
			sum += (double)b.slot[(i % a.g.heads * a.runs + run) * a.table + i / a.g.heads];
		dtable[i] += (float)sum;
	}
}

/* Padding's share of the gradient of the projection's bias, which the q of padding has none of: a team to an element */
KERNEL(attention_back_bias, (struct att a, struct back b, float *dbias), (a, b, dbias), 3 * a.g.c)
{
	TEAM_FOR(k, 3 * a.g.c) {
		int64_t part = k / a.g.c, head = k % a.g.c / a.hd, d = k % a.hd;
		double sum = 0;

		LANE_FOR(i, 0, part ? a.windows * a.t : 0)
			sum += (double)b.pad[((i / a.t * a.g.heads + head) * a.t + i % a.t) * 2 * a.hd + (part - 1) * a.hd + d];
		sum = team_sum(sum);
		if (FIRST_LANE)
			dbias[part * a.g.c + head * a.hd + d] += (float)sum;
	}
}

int G(attention_bwd)(const struct k_attention *g, const struct k_attention_args *x, const struct k_attention_grads *d, void *scratch)
{
	struct att a = att_of(g, x);
	struct back b;
	int bad;

	a.token = (struct token *)scratch;
	b.dy = d->dy, b.dqkv = d->dqkv, b.of = (float *)(a.token + a.windows * a.t);
	b.pad = b.of + 3 * a.windows * g->heads * a.t, b.slot = b.pad + 2 * a.windows * a.t * g->c;
	bad = G(attention_tokens)(a);
	bad = bad ? bad : G(attention_back_query)(a, b);
	bad = bad ? bad : G(attention_back_key)(a, b);
	bad = bad ? bad : G(attention_back_table)(a, b);
	bad = bad ? bad : G(attention_back_add)(a, b, d->dtable);
	return bad || !d->dbias ? bad : G(attention_back_bias)(a, b, d->dbias);
}
