/* Window attention: what forward (attention.c) and backward (attention_back.c) share.
   One task is one head over a run of windows: it expands the head's relative position bias once, then takes window after window: tokens are
   gathered into dense rows (q, v) and columns (k), ROWS queries at a time meet all keys, so that scores are never in memory but for these rows. Sums
   over windows (gradients of the table and of the bias) go into one slot a task and are added in the order of the tasks: the same whatever the
   threads. */
#ifndef NIIPIPE_ATTENTION_H
#define NIIPIPE_ATTENTION_H

#include "kernels/cpu.h"
#include "kernels/philox.h"
#include "kernels/vmath.h"

#if defined(K_HALF) && defined(__AVX512BF16__)
#define ATTENTION_PAIRS 1 /* forward without dropout is attention_pairs.c's */
#else
#define ATTENTION_PAIRS 0
#endif

enum { ROWS = 4, RUNS = 16 /* tasks of a head at most */ };
#define ATTENTION_MASKED 100.0f /* taken off the score of tokens of different regions, as MONAI has it */

struct att {
	const struct k_attention *g;
	int64_t t, tp, tr;    /* tokens of a window; rounded up to whole vectors (pairs: of bf16); to whole ROWS */
	int64_t hd, hp;       /* channels of a head; rounded up to whole vectors */
	int64_t count[3], windows, runs; /* windows along each axis, of all n; tasks of a head */
	int64_t table;        /* rows of the table of relative position bias */
	int64_t fast;         /* tokens whose rows of the table follow each other */
	const struct k_drop *drop; /* NULL: none */
	int pairs;            /* the forward pass is attention_pairs.c's */
	float unit;           /* what the bias is multiplied by */
};

/* The room of one thread: floats, rows of tp or hp */
struct room {
	float *bias;          /* [tr][tp] and a vector: of the head; -1e30 beyond t */
	float *q, *kt, *v, *vt; /* [tr][hd] times scale, [hd][tp], [t][hp], [hd to whole ROWS][tp] */
	float *rows, *column; /* [tp][hd]: k or v; the head's column of the table, the last row first, and a vector */
	float *p, *o;         /* [ROWS][tp], [ROWS][hp] */
	float *region;        /* [tp] */
	float *reach;         /* [tp], pairs: see attention_pairs.c */
	float most, least;    /* of the head's bias */
	float *k, *dot;       /* backward: [t][hp], [tr][hd] of dy */
	float *dp, *dkt, *dvt, *dbias; /* [ROWS][tp], [hd][tp] twice, [tr][tp] */
	int64_t *vox, *code;  /* [t]: where a token is, -1: padding; see att_codes */
	int64_t window;       /* the one it holds */
	int64_t head;         /* whose bias it holds, -1: none's */
	int mixed;            /* the window's tokens are of several regions */
};

static inline int64_t att_up(int64_t n, int64_t to)
{
	return (n + to - 1) / to * to;
}

static inline struct att att_of(const struct k_attention *g, const struct k_drop *drop)
{
	struct att a = {.g = g, .windows = g->n, .t = 1, .table = 1, .drop = drop && drop->rate > 0 ? drop : NULL, .unit = 1};

	for (int i = 0; i < 3; i++) {
		a.count[i] = (g->size[i] + g->window[i] - 1) / g->window[i];
		a.windows *= a.count[i];
		a.t *= g->window[i];
		a.table *= 2 * g->table[i] - 1;
	}
	a.tp = att_up(a.t, (1 + ATTENTION_PAIRS) * VL), a.tr = att_up(a.t, ROWS);
	a.hd = g->c / g->heads, a.hp = att_up(a.hd, VL);
	a.fast = g->table[g->turned ? 0 : 2];
	a.runs = a.windows < RUNS ? a.windows : RUNS;
	return a;
}

/* Floats of one thread's room, each part on a line of its own. */
static inline int64_t att_room(const struct att *a, int back, float *base, struct room *r)
{
	struct { float **to; int64_t n; } parts[] = {
		{&r->bias, a->tr * a->tp + VL}, {&r->q, a->tp * a->hd}, {&r->kt, a->hd * a->tp}, {&r->v, a->tp * a->hp}, {&r->p, ROWS * a->tp},
		{&r->o, ROWS * a->hp}, {&r->region, a->tp}, {(float **)&r->vox, 2 * a->t}, {(float **)&r->code, 2 * a->t},
		{&r->vt, att_up(a->hd, ROWS) * a->tp}, {&r->rows, a->tp * a->hd}, {&r->column, a->table + VL}, {&r->reach, a->tp}, /* forward: so far */
		{&r->k, a->t * a->hp}, {&r->dot, a->tr * a->hd}, {&r->dp, ROWS * a->tp}, {&r->dkt, a->hd * a->tp},
		{&r->dvt, a->hd * a->tp}, {&r->dbias, a->tr * a->tp},
	};
	int64_t n = 0, used = back ? (int64_t)(sizeof parts / sizeof *parts) : 13;

	for (int64_t i = 0; i < used; i++) {
		*parts[i].to = base ? base + n : NULL;
		n += att_up(parts[i].n, 16);
	}
	return n;
}

/* Query i and key j share row code[i] - code[j] + the middle of the table. Tokens count in the table's window: MONAI takes the first t rows and
   columns of the index made for the whole window, also where the window in use is smaller. */
static inline void att_codes(const struct att *a, struct room *r)
{
	const int64_t middle = a->g->table[1], fast = a->fast;

	for (int64_t i = 0; i < a->t; i++)
		r->code[i] = (i / (middle * fast) * (2 * middle - 1) + i / fast % middle) * (2 * fast - 1) + i % fast;
}

static inline int64_t att_row(const struct att *a, const struct room *r, int64_t i, int64_t j)
{
	return r->code[i] - r->code[j] + a->table / 2;
}

/* Rows of v would be half empty: columns are read. */
static inline int att_few(const struct att *a)
{
	return 2 * a->hd <= VL;
}

/* attention.c */
void K(att_bias)(const struct att *a, const float *table, int64_t head, struct room *r); /* where it is not there yet */
void K(att_tokens)(const struct att *a, int64_t window, struct room *r);
void K(att_begin)(const struct att *a, struct room *r); /* codes; what beyond the tokens and channels is read is zero */
void K(att_take)(const struct att *a, const void *qkv, const float *bias, int64_t head, struct room *r);
void K(att_scores)(const struct att *a, const struct room *r, int64_t row, float inverse[ROWS]); /* p: exp(scores - max); 1 / their sums */
void K(att_drop)(const struct att *a, const struct room *r, int64_t head, int64_t row, float *p); /* p [ROWS][tp] by its factors, if there are any */
void K(att_weigh)(const float *p, int64_t tp, const float *v, int64_t t, int64_t hp, float *out);
void K(att_turn)(const float *rows, float *to, int64_t tp, int64_t columns); /* [tp][columns] to [columns][tp] */
void K(att_fetch)(const struct att *a, const struct room *r, const void *qkv, int64_t head, int64_t row); /* the next window's rows from row on */

/* attention_pairs.c: y of a window, whose tokens and bias, times VEC_LOG2E, are in r */
void K(att_pairs)(const struct att *a, const struct k_attention_args *x, int64_t head, struct room *r, void *y);

/* out[r][j] = add[r][j] (NULL: 0) + sum over d of x[r][d] y[d][j] */
void K(att_product)(const float *x, int64_t hd, const float *y, int64_t tp, const float *add, float *out);

#endif
