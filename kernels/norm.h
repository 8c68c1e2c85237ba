/* Norm, activation, residual: what forward (norm.c) and backward (norm_back.c) share.
   Voxels go through as rows of `lanes` floats: where everything is dense a row is as many voxels as fill the vector registers, so that thin
   channels cost no more than wide ones; else it is one voxel. Rows are walked in columns of up to four vectors, what is beyond the last vector
   one by one. Statistics: floats over short runs, around the mean of the run before (so that a large mean loses nothing), then doubles; chunks
   of fixed size, added in their order. */
#ifndef NIIPIPE_NORM_H
#define NIIPIPE_NORM_H

#include "kernels/cpu.h"

#include <math.h>
#include <string.h>

#include "kernels/act.h"

enum { LANES = 4 * VL, WIDEST = 96 }; /* floats of a row of several voxels: at least, at most */
enum { RUN = 64, CHUNK = 32768, MAX_CHUNKS = 1024, ALIGN = 64 }; /* RUN: rows; CHUNK: floats */

struct rows {
	int64_t c, lanes, per;         /* voxels a row */
	int64_t rows, chunk, chunks;   /* full rows of one n; rows a chunk */
	int64_t rest;                  /* voxels beyond the full rows */
	int64_t x, y, r, d, y2;        /* floats from a row to the next; d: of dres */
	int64_t xp, yp, rp, dp, y2p;       /* the same for a voxel */
	enum k_act_kind act;
	int bends;                     /* act is none of two straight lines */
};

static inline void rows_of(const struct k_norm *g, struct rows *r)
{
	int64_t c = g->c;

	*r = (struct rows){.c = c, .per = 1, .act = g->act, .bends = g->act >= K_ACT_ELU};
	r->xp = g->xpitch ? g->xpitch : c, r->yp = g->ypitch ? g->ypitch : c, r->rp = g->rpitch ? g->rpitch : c;
	r->dp = g->dpitch ? g->dpitch : c, r->y2p = g->y2pitch ? g->y2pitch : c;
	if (!g->single && r->xp == c && r->yp == c && r->rp == c && r->dp == c && r->y2p == c) {
		int64_t per = 1;

		while (per * c % VL && per < VL)
			per *= 2;
		while (per * c < LANES)
			per *= 2;
		if (per * c <= WIDEST)
			r->per = per;
	}
	r->lanes = r->per * c;
	r->rows = g->vox / r->per, r->rest = g->vox % r->per;
	r->chunk = CHUNK / r->lanes < RUN ? RUN : CHUNK / r->lanes / RUN * RUN;
	while ((r->rows + r->chunk - 1) / r->chunk > MAX_CHUNKS)
		r->chunk *= 2;
	r->chunks = (r->rows + r->chunk - 1) / r->chunk;
	r->x = r->xp * r->per, r->y = r->yp * r->per, r->r = r->rp * r->per, r->d = r->dp * r->per, r->y2 = r->y2p * r->per;
}

/* Scratch: for every chunk (and for what is beyond the full rows) three rows of sums and two of room; then one n's parameters, a row each; then what
   several processes add up: two sums a channel, and of how many voxels. */
enum { SUMS = 3, ROOM = 2, PARTS = SUMS + ROOM };
enum { MEAN, SCALE, SHIFT, SLOPE, RSTD, MEAN_D, MEAN_DX, PARAMS }; /* of each lane; MEAN_D: gradient's part that is constant, MEAN_DX: a x - mean */

static inline double *sums_at(const struct rows *r, void *scratch, int64_t n, int64_t k)
{
	return (double *)scratch + (n * (r->chunks + 1) + k) * PARTS * r->lanes;
}

static inline int64_t up(int64_t n)
{
	return (n + ALIGN / 4 - 1) / (ALIGN / 4) * (ALIGN / 4);
}

static inline float *params_at(const struct rows *r, void *scratch, int64_t ns, int64_t n)
{
	return (float *)scratch + up(ns * (r->chunks + 1) * PARTS * r->lanes * 2) + n * PARAMS * up(r->lanes);
}

static inline double *shared_at(const struct rows *r, void *scratch, int64_t ns)
{
	return (double *)(void *)params_at(r, scratch, ns, ns);
}

/* Where chunk k of n begins, in rows, and how many rows of how many lanes it has; k == chunks: the rest, one short row. */
struct span { int64_t first, rows, lanes; };

static inline struct span span_of(const struct rows *r, int64_t k)
{
	struct span s = {k * r->chunk, r->chunk, r->lanes};

	if (k == r->chunks)
		return (struct span){r->rows, r->rest > 0, r->rest * r->c};
	if (s.first + s.rows > r->rows)
		s.rows = r->rows - s.first;
	return s;
}

/* fn(lane, nv, ...) over the columns of a row: nv vectors from that lane on; nv -1: half a vector, nv 0: one lane alone. */
#define COLUMNS(fn, lanes, ...) \
	for (int64_t i_ = 0, n_ = lanes; i_ < n_;) { \
		if (n_ - i_ >= 4 * VL) \
			fn(i_, 4, __VA_ARGS__), i_ += 4 * VL; \
		else if (n_ - i_ >= 2 * VL) \
			fn(i_, 2, __VA_ARGS__), i_ += 2 * VL; \
		else if (n_ - i_ >= VL) \
			fn(i_, 1, __VA_ARGS__), i_ += VL; \
		else if (HALF > 0 && n_ - i_ >= HALF) \
			fn(i_, -1, __VA_ARGS__), i_ += HALF; \
		else \
			fn(i_, 0, __VA_ARGS__), i_++; \
	}

/* Rows to walk at once, where nothing is summed: a row of one column leaves what it reads of parameters in registers for the next; of several, memory
   is read in its order. */
static inline int64_t run_of(const struct rows *r)
{
	return r->lanes > LANES ? 1 : RUN;
}

/* u > 0 ? a : b */
INLINE vec positive(vec u, vec a, vec b)
{
	return vec_choose(u > 0, a, b);
}

/* Sums over chunks and lanes of one channel: out[SUMS] */
static inline void fold(const struct rows *r, void *scratch, int64_t n, int64_t c, double *out)
{
	for (int s = 0; s < SUMS; s++)
		out[s] = 0;
	for (int64_t k = 0; k <= r->chunks; k++) {
		const double *p = sums_at(r, scratch, n, k);
		int64_t lanes = span_of(r, k).lanes;

		for (int s = 0; s < SUMS; s++)
			for (int64_t i = c; i < lanes; i += r->c)
				out[s] += p[s * lanes + i];
	}
}

/* Are means and variances of x taken? Then of how many n and of how many neighbouring channels together */
static inline int has_statistics(const struct k_norm *g)
{
	return g->norm != K_NORM_NONE && g->norm != K_NORM_RUNNING;
}

struct share { int64_t ns, channels; };

static inline struct share share_of(const struct k_norm *g)
{
	switch (g->norm) {
	case K_NORM_GROUP: return (struct share){1, g->c / g->groups};
	case K_NORM_BATCH: return (struct share){g->n, 1};
	default: return (struct share){1, 1};
	}
}

static inline float slope_of(const struct k_norm *g, const float *alpha, int64_t c)
{
	switch (g->act) {
	case K_ACT_NONE: return 1;
	case K_ACT_RELU: return 0;
	case K_ACT_PRELU: return alpha[g->alphas == 1 ? 0 : c];
	default: return g->slope;
	}
}

/* What norm, affine and activation are given; any may be NULL. */
struct given { const float *mean, *rstd, *gamma, *beta, *alpha; };

/* u = (x - MEAN) SCALE + SHIFT, y = u > 0 ? u : SLOPE u where the activation does not bend: of every n */
static inline void parameters(const struct k_norm *g, const struct rows *r, const struct given *a, void *scratch)
{
	int64_t lanes = up(r->lanes);
	int norm = g->norm != K_NORM_NONE;

	for (int64_t n = 0; n < g->n; n++) {
		float *p = params_at(r, scratch, g->n, n);

		for (int64_t i = 0; i < r->lanes; i++) {
			int64_t c = i % r->c;

			p[MEAN * lanes + i] = norm ? a->mean[n * g->c + c] : 0;
			p[RSTD * lanes + i] = norm ? a->rstd[n * g->c + c] : 1;
			p[SCALE * lanes + i] = p[RSTD * lanes + i] * (norm && a->gamma ? a->gamma[c] : 1);
			p[SHIFT * lanes + i] = norm && a->beta ? a->beta[c] : 0;
			p[SLOPE * lanes + i] = slope_of(g, a->alpha, c);
		}
	}
}

#endif
