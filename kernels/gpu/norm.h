/* What norms forward (norm.c) and back (norm_back.c) share: the lines that a lane's elements lie on, kernels for each shape of activation. */
#ifndef NIIPIPE_GPU_NORM_H
#define NIIPIPE_GPU_NORM_H

#include "kernels/gpu/act.h"
#include "kernels/gpu/columns.h"

/* Of every channel of every chunk; and how many pieces of values are read at once, where one value is read and where several are */
enum { NORM_SUMS = 3, ALONE = 4, AMONG = 2 };

/* The n and the neighbouring channels that share their statistics with channel c of n: from (n0, c0) on */
struct share { int64_t ns, channels; };

DEVICE struct share share_of(const struct k_norm *g)
{
	struct share s;

	s.ns = g->norm == K_NORM_BATCH ? g->n : 1;
	s.channels = g->norm == K_NORM_GROUP ? g->c / g->groups : 1;
	return s;
}

/* Are they of the values themselves? */
DEVICE int norm_statistics(const struct k_norm *g)
{
	return g->norm != K_NORM_NONE && g->norm != K_NORM_RUNNING;
}

/* bf16 has no bits that x - mean would save: there it is x scale + shift, and lanes keep what they need of the mean in shift alone. */
#ifdef K_HALF
enum { FOLDED = 1 };
#else
enum { FOLDED = 0 };
#endif

/* Of every channel; mean and rstd of every n; gamma, beta: may be NULL */
struct given { const float *mean, *rstd, *gamma, *beta, *alpha; };

/* u = (x - mean) scale + shift, of the channels of a lane's elements; slope: of what is not above 0, where the activation has one */
struct lines { float mean[WIDE], scale[WIDE], shift[WIDE], slope[WIDE]; };

/* side: they lie side by side */
DEVICE void floats_at(const float *p, const int at[WIDE], int side, float absent, float v[WIDE])
{
	if (!p)
		EACH(j)
			v[j] = absent;
	else if (side && (uintptr_t)(p + at[0]) % 16 == 0)
		UNROLLED for (int j = 0; j < WIDE; j += 4)
			get_floats(p + at[0] + j, v + j);
	else
		EACH(j)
			v[j] = p[at[j]];
}

DEVICE void lines_of(const struct k_norm *g, const struct columns *r, int64_t n, int64_t l, const struct given *a, struct lines *p)
{
	const int norm = g->norm != K_NORM_NONE, side = r->whole && (uint32_t)r->c % WIDE == 0;
	float gamma[WIDE];
	int at[WIDE];

	column_channels(r, l, at);
	floats_at(norm ? a->mean + n * g->c : NULL, at, side, 0, p->mean);
	floats_at(norm ? a->rstd + n * g->c : NULL, at, side, 1, p->scale);
	floats_at(norm ? a->gamma : NULL, at, side, 1, gamma);
	floats_at(norm ? a->beta : NULL, at, side, 0, p->shift);
	EACH(j)
		p->slope[j] = g->act == K_ACT_NONE ? 1 : g->act == K_ACT_RELU ? 0 : g->slope;
	if (g->act == K_ACT_PRELU)
		EACH(j)
			p->slope[j] = a->alpha[r->whole || g->alphas == 1 ? 0 : at[j]];
	EACH(j) {
		p->scale[j] *= gamma[j];
		if (FOLDED)
			p->shift[j] -= p->mean[j] * p->scale[j], p->mean[j] = 0;
	}
}

/* A kernel of (.., struct columns r, .., enum act_shape shape): of neighbours that lie side by side for each shape, which is a constant to it; those
   of lines and of GELU also without what most norms have not: where `bare`, which BARE makes so, `side` teams side by side */
#define NORM_KERNEL(name, side, bare, BARE, PARAMS, ARGS, teams) \
	DEVICE void name##_text PARAMS; \
	COLUMN_CASE(name, lines, (r.whole = 1, shape = ACT_LINES), 2, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, gelu, (r.whole = 1, shape = ACT_GELU), 2, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, bare_lines, (r.whole = 1, shape = ACT_LINES, BARE), side, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, bare_gelu, (r.whole = 1, shape = ACT_GELU, BARE), side, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, curve, (r.whole = 1, shape = ACT_CURVE), 1, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, apart, r.whole = 0, 1, PARAMS, ARGS, teams) \
	static int name PARAMS \
	{ \
		if (!r.whole) \
			return G(name##_apart) ARGS; \
		if (shape == ACT_LINES) \
			return (bare) ? G(name##_bare_lines) ARGS : G(name##_lines) ARGS; \
		if (shape == ACT_GELU) \
			return (bare) ? G(name##_bare_gelu) ARGS : G(name##_gelu) ARGS; \
		return G(name##_curve) ARGS; \
	} \
	DEVICE void name##_text PARAMS

/* Chunk t of a pass after the sums' one: from the last on, which the cache still has */
DEVICE int64_t again(const struct columns *r, int64_t t)
{
	return r->n * r->chunks - 1 - t;
}

/* With the pitches that 0 stands for */
static inline struct k_norm dense(const struct k_norm *g)
{
	struct k_norm d = *g;

	d.xpitch = g->xpitch ? g->xpitch : g->c, d.ypitch = g->ypitch ? g->ypitch : g->c, d.rpitch = g->rpitch ? g->rpitch : g->c;
	d.dpitch = g->dpitch ? g->dpitch : g->c, d.y2pitch = g->y2pitch ? g->y2pitch : g->c;
	return d;
}

static inline int one_slope(const struct k_norm *g)
{
	return g->act != K_ACT_PRELU || g->alphas == 1;
}

#endif
