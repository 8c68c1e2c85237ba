/* Window attention on a GPU: what forward (attention.c) and backward (attention_back.c) share. */
#ifndef NIIPIPE_GPU_ATTENTION_H
#define NIIPIPE_GPU_ATTENTION_H

#include "kernels/gpu/kernels.h"
#include "kernels/gpu/philox.h"

enum { ATT_HEAD = 64, ATT_RUNS = 64 }; /* channels of a head at most; runs of windows of a head at most, in the gradient of the table */
#define ATT_MASKED 100.0f              /* off the scores of tokens of different regions, as MONAI has it */

/* A token of a window: its voxel, -1: padding; its region: those of different regions were not neighbours before the shift. */
struct token { int32_t vox, region; };

struct att {
	struct k_attention g;
	int64_t t, hd, windows, runs, table; /* tokens of a window; channels of a head; all windows; rows of the table */
	int64_t count[3];
	int shifted;
	struct token *token;                 /* [windows,t] */
	const void *qkv;
	const float *bias, *position;        /* of the projection; the table */
	struct k_drop drop;                  /* rate 0: none */
};

/* token is room that attention_tokens fills. */
#ifdef __cplusplus
extern "C"
#endif
int G(attention_tokens)(struct att a);

static inline struct att att_of(const struct k_attention *g, const struct k_attention_args *x)
{
	struct att a;

	a.g = *g, a.t = 1, a.windows = g->n, a.table = 1, a.shifted = 0;
	for (int i = 0; i < 3; i++) {
		a.count[i] = (g->size[i] + g->window[i] - 1) / g->window[i];
		a.windows *= a.count[i];
		a.t *= g->window[i];
		a.table *= 2 * g->table[i] - 1;
		a.shifted |= g->shift[i] > 0;
	}
	a.hd = g->c / g->heads;
	a.qkv = x->qkv, a.bias = x->bias, a.position = x->table, a.drop = x->drop;
	a.runs = a.windows < ATT_RUNS ? a.windows : ATT_RUNS;
	return a;
}

/* Query i and key j share row code(i) - code(j) + the middle of the table. Tokens count in the table's window: MONAI takes the index made for that
   also where the window in use is smaller. */
DEVICE int64_t att_code(const struct att *a, int64_t i)
{
	const int64_t *n = a->g.table, fast = n[a->g.turned ? 0 : 2];

	return (i / (n[1] * fast) * (2 * n[1] - 1) + i / fast % n[1]) * (2 * fast - 1) + i % fast;
}

/* Element d of part 0 q, 1 k, 2 v of a token: padding was zero before the projection. */
DEVICE float att_part(const struct att *a, struct token t, int part, int64_t head, int64_t d)
{
	int64_t at = part * a->g.c + head * a->hd + d;

	return t.vox >= 0 ? get(a->qkv, t.vox * 3 * a->g.c + at) : a->bias ? a->bias[at] : 0;
}

/* The factor of key j of query i: 1, or dropout's */
DEVICE float att_factor(const struct att *a, const struct token *tokens, int64_t head, int64_t i, int64_t j)
{
	int64_t window = (tokens - a->token) / a->t;

	return a->drop.rate > 0 ? drop_at(&a->drop, ((window * a->g.heads + head) * ((a->t + 3) / 4 * 4) + i) * ((a->t + 63) / 64 * 64) + j) : 1;
}

DEVICE float att_position(const struct att *a, int64_t code_i, int64_t code_j, int64_t head)
{
	return a->position[(code_i - code_j + a->table / 2) * a->g.heads + head];
}

/* A query: q times scale; then, over all keys, the largest score, the sum of exponentials, and what they weigh. */
struct att_query { float q[ATT_HEAD], o[ATT_HEAD], most, sum; };

/* hd: a->hd, as a constant where the compiler may unroll */
DEVICE void att_query(const struct att *a, const struct token *tokens, int64_t head, int64_t i, const int hd, struct att_query *r)
{
	int64_t code = att_code(a, i);

	r->most = -1e30f, r->sum = 0;
	for (int d = 0; d < hd; d++)
		r->q[d] = att_part(a, tokens[i], 0, head, d) * a->g.scale, r->o[d] = 0;
	for (int64_t j = 0; j < a->t; j++) {
		struct token key = tokens[j];
		float s = att_position(a, code, att_code(a, j), head), p, less;

		for (int d = 0; d < hd; d++)
			s += r->q[d] * att_part(a, key, 1, head, d);
		if (a->shifted && key.region != tokens[i].region)
			s -= ATT_MASKED;
		p = s > r->most ? s : r->most;
		less = expf(r->most - p), r->most = p;
		p = expf(s - p);
		r->sum = r->sum * less + p;
		p *= att_factor(a, tokens, head, i, j);
		for (int d = 0; d < hd; d++)
			r->o[d] = r->o[d] * less + p * att_part(a, key, 2, head, d);
	}
	for (int d = 0; d < hd; d++)
		r->o[d] /= r->sum;
}

#endif
