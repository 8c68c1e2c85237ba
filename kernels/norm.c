/* Norm, activation, residual in one pass. Voxels go through as rows of `lanes` floats: where everything is dense a row is as many voxels as fill the
   vector registers, so that thin channels cost no more than wide ones; else it is one voxel. Statistics: floats over short runs, around the mean of
   the run before (so that a large mean loses nothing), then doubles; chunks of fixed size, added in their order. */
#include "kernels/cpu.h"

#include <math.h>
#include <string.h>

enum { LANES = 32, RUN = 32, CHUNK = 32768, MAX_CHUNKS = 1024, ALIGN = 64 }; /* RUN: rows; CHUNK: floats */

struct rows {
	int64_t c, lanes, per;         /* voxels a row */
	int64_t rows, chunk, chunks;   /* full rows of one n; rows a chunk */
	int64_t rest;                  /* voxels beyond the full rows */
	int64_t x, y, r, y2;           /* floats from a row to the next */
	int64_t xp, yp, rp, y2p;       /* the same for a voxel */
};

static void rows_of(const struct k_norm *g, struct rows *r)
{
	int64_t c = g->c;

	*r = (struct rows){.c = c, .per = 1};
	r->xp = g->xpitch ? g->xpitch : c, r->yp = g->ypitch ? g->ypitch : c, r->rp = g->rpitch ? g->rpitch : c, r->y2p = g->y2pitch ? g->y2pitch : c;
	if (r->xp == c && r->yp == c && r->rp == c && r->y2p == c && c < LANES)
		r->per = LANES % c ? (LANES + c - 1) / c : LANES / c;
	r->lanes = r->per * c;
	r->rows = g->vox / r->per, r->rest = g->vox % r->per;
	r->chunk = CHUNK / r->lanes < RUN ? RUN : CHUNK / r->lanes / RUN * RUN;
	while ((r->rows + r->chunk - 1) / r->chunk > MAX_CHUNKS)
		r->chunk *= 2;
	r->chunks = (r->rows + r->chunk - 1) / r->chunk;
	r->x = r->xp * r->per, r->y = r->yp * r->per, r->r = r->rp * r->per, r->y2 = r->y2p * r->per;
}

/* Scratch: for every chunk (and for what is beyond the full rows) three rows of sums and two of room; then one n's parameters, a row each. */
enum { SUMS = 3, ROOM = 2, PARTS = SUMS + ROOM };
enum { MEAN, SCALE, SHIFT, SLOPE, RSTD, MEAN_D, MEAN_DX, PARAMS }; /* of each lane */

static double *sums_at(const struct rows *r, void *scratch, int64_t n, int64_t k)
{
	return (double *)scratch + (n * (r->chunks + 1) + k) * PARTS * r->lanes;
}

static int64_t up(int64_t n)
{
	return (n + ALIGN / 4 - 1) / (ALIGN / 4) * (ALIGN / 4);
}

static float *params_at(const struct rows *r, void *scratch, int64_t ns, int64_t n)
{
	return (float *)scratch + up(ns * (r->chunks + 1) * PARTS * r->lanes * 2) + n * PARAMS * up(r->lanes);
}

size_t K(norm_scratch)(const struct k_norm *g)
{
	struct rows r;

	rows_of(g, &r);
	return sizeof(float) * (size_t)(up(g->n * (r.chunks + 1) * PARTS * r.lanes * 2) + g->n * PARAMS * up(r.lanes));
}

/* Where chunk k of n begins, as rows from the tensor's first voxel, and how many rows of how many lanes it has; k == chunks: the rest, one short row. */
struct span { int64_t first, rows, lanes; };

static struct span span_of(const struct rows *r, int64_t k)
{
	struct span s = {k * r->chunk, r->chunk, r->lanes};

	if (k == r->chunks)
		return (struct span){r->rows, r->rest > 0, r->rest * r->c};
	if (s.first + s.rows > r->rows)
		s.rows = r->rows - s.first;
	return s;
}

/* sum x, sum x^2 a lane */
static void moments(const float *restrict x, int64_t step, int64_t rows, int64_t lanes, double *restrict sum, float *restrict tmp)
{
	float *restrict s1 = tmp, *restrict s2 = tmp + lanes, *restrict mean = tmp + 2 * lanes;
	double *restrict sq = sum + lanes;

	for (int64_t i = 0; i < lanes; i++)
		mean[i] = x[i];
	for (int64_t v = 0; v < rows; v += RUN) {
		int64_t n = rows - v < RUN ? rows - v : RUN;

		for (int64_t i = 0; i < lanes; i++)
			s1[i] = s2[i] = 0;
		for (int64_t u = v; u < v + n; u++)
			for (int64_t i = 0; i < lanes; i++) {
				float d = x[u * step + i] - mean[i];

				s1[i] += d;
				s2[i] += d * d;
			}
		for (int64_t i = 0; i < lanes; i++) {
			double m = mean[i];

			sum[i] += s1[i] + m * (double)n;
			sq[i] += s2[i] + m * (2 * (double)s1[i] + m * (double)n);
			mean[i] += s1[i] / (float)n;
		}
	}
}

/* Sums over chunks and lanes of one channel: out[SUMS] */
static void fold(const struct rows *r, void *scratch, int64_t n, int64_t c, double *out)
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

static void statistics(const struct k_norm *g, const struct rows *r, const struct k_norm_fwd *a, void *scratch)
{
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r->chunks; k++) {
			struct span s = span_of(r, k);
			double *sum = sums_at(r, scratch, n, k);

			memset(sum, 0, sizeof *sum * (size_t)(PARTS * r->lanes));
			if (s.rows)
				moments(a->x + n * g->vox * r->xp + s.first * r->x, r->x, s.rows, s.lanes, sum, (float *)(sum + SUMS * r->lanes));
		}
	for (int64_t i = 0; i < g->n * g->c; i++) {
		double sum[SUMS], mean, var, vox = (double)g->vox;

		fold(r, scratch, i / g->c, i % g->c, sum);
		mean = sum[0] / vox;
		var = sum[1] / vox - mean * mean;
		a->mean[i] = (float)mean;
		a->rstd[i] = (float)(1 / sqrt((var > 0 ? var : 0) + (double)g->eps));
	}
}

static float slope_of(const struct k_norm *g, const float *alpha, int64_t c)
{
	switch (g->act) {
	case K_ACT_NONE: return 1;
	case K_ACT_RELU: return 0;
	case K_ACT_LRELU: return g->slope;
	default: return alpha[g->alphas == 1 ? 0 : c];
	}
}

/* u = (x - MEAN) SCALE + SHIFT, y = u > 0 ? u : SLOPE u */
static void parameters(const struct k_norm *g, const struct rows *r, const float *mean, const float *rstd, const float *gamma, const float *beta,
		       const float *alpha, float *p)
{
	int64_t lanes = up(r->lanes);

	for (int64_t i = 0; i < r->lanes; i++) {
		int64_t c = i % r->c;
		int norm = g->norm == K_NORM_INSTANCE;

		p[MEAN * lanes + i] = norm ? mean[c] : 0;
		p[RSTD * lanes + i] = norm ? rstd[c] : 1;
		p[SCALE * lanes + i] = p[RSTD * lanes + i] * (norm && gamma ? gamma[c] : 1);
		p[SHIFT * lanes + i] = norm && beta ? beta[c] : 0;
		p[SLOPE * lanes + i] = slope_of(g, alpha, c);
	}
}

static void apply(const struct rows *r, struct span s, const float *restrict p, const float *x, const float *res, float *y, float *y2)
{
	int64_t lanes = up(r->lanes);
	const float *mean = p + MEAN * lanes, *scale = p + SCALE * lanes, *shift = p + SHIFT * lanes, *slope = p + SLOPE * lanes;

	for (int64_t v = 0; v < s.rows; v++, x += r->x, y += r->y, res += res ? r->r : 0, y2 += y2 ? r->y2 : 0) {
#pragma omp simd
		for (int64_t i = 0; i < s.lanes; i++) {
			float u = (x[i] - mean[i]) * scale[i] + shift[i];

			y[i] = (u > 0 ? u : slope[i] * u) + (res ? res[i] : 0);
		}
		if (y2)
			memcpy(y2, y, sizeof *y * (size_t)s.lanes);
	}
}

int K(norm_forward)(const struct k_norm *g, const struct k_norm_fwd *a, void *scratch, struct err *e)
{
	struct rows r;

	(void)e;
	rows_of(g, &r);
	if (g->norm == K_NORM_INSTANCE)
		statistics(g, &r, a, scratch);
	for (int64_t n = 0; n < g->n; n++)
		parameters(g, &r, a->mean ? a->mean + n * g->c : NULL, a->rstd ? a->rstd + n * g->c : NULL, a->gamma, a->beta, a->alpha, params_at(&r, scratch, g->n, n));
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r.chunks; k++) {
			struct span s = span_of(&r, k);
			int64_t vox = n * g->vox, row = s.first;

			apply(&r, s, params_at(&r, scratch, g->n, n), a->x + vox * r.xp + row * r.x, a->res ? a->res + vox * r.rp + row * r.r : NULL,
			      a->y + vox * r.yp + row * r.y, a->y2 ? a->y2 + vox * r.y2p + row * r.y2 : NULL);
		}
	return 0;
}

/* With d = gradient of u: sum d, sum d xhat, and sum of dy min(u, 0) for the slope, a lane. */
static void gradients(const struct rows *r, struct span s, const float *restrict p, const float *x, const float *dy, const float *dy2, double *restrict sum,
		      float *restrict tmp)
{
	int64_t lanes = up(r->lanes);
	const float *mean = p + MEAN * lanes, *scale = p + SCALE * lanes, *shift = p + SHIFT * lanes, *slope = p + SLOPE * lanes, *rstd = p + RSTD * lanes;
	float *restrict s1 = tmp, *restrict s2 = tmp + s.lanes, *restrict s3 = tmp + 2 * s.lanes;

	for (int64_t v = 0; v < s.rows; v += RUN) {
		int64_t end = s.rows - v < RUN ? s.rows : v + RUN;

		for (int64_t i = 0; i < s.lanes; i++)
			s1[i] = s2[i] = s3[i] = 0;
		for (int64_t w = v; w < end; w++, x += r->x, dy += r->y, dy2 += dy2 ? r->y2 : 0)
#pragma omp simd
			for (int64_t i = 0; i < s.lanes; i++) {
				float m = x[i] - mean[i], u = m * scale[i] + shift[i], g = dy[i] + (dy2 ? dy2[i] : 0), d = u > 0 ? g : slope[i] * g;

				s1[i] += d;
				s2[i] += d * (m * rstd[i]);
				s3[i] += u > 0 ? 0 : g * u;
			}
		for (int64_t i = 0; i < s.lanes; i++)
			sum[i] += s1[i], sum[s.lanes + i] += s2[i], sum[2 * s.lanes + i] += s3[i];
	}
}

static void reduce(const struct k_norm *g, const struct rows *r, const struct k_norm_bwd *a, void *scratch)
{
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r->chunks; k++) {
			struct span s = span_of(r, k);
			int64_t vox = n * g->vox, row = s.first;
			double *sum = sums_at(r, scratch, n, k);

			memset(sum, 0, sizeof *sum * (size_t)(PARTS * r->lanes));
			gradients(r, s, params_at(r, scratch, g->n, n), a->x + vox * r->xp + row * r->x, a->dy + vox * r->yp + row * r->y,
				  a->dy2 ? a->dy2 + vox * r->y2p + row * r->y2 : NULL, sum, (float *)(sum + SUMS * r->lanes));
		}
	for (int64_t i = 0; i < g->n * g->c; i++) {
		int64_t n = i / g->c, c = i % g->c, lanes = up(r->lanes);
		float *p = params_at(r, scratch, g->n, n);
		double sum[SUMS];

		fold(r, scratch, n, c, sum);
		if (a->dbeta)
			a->dbeta[c] += (float)sum[0];
		if (a->dgamma)
			a->dgamma[c] += (float)sum[1];
		if (a->dalpha)
			a->dalpha[g->alphas == 1 ? 0 : c] += (float)sum[2];
		for (int64_t j = c; j < r->lanes && g->norm == K_NORM_INSTANCE; j += r->c)
			p[MEAN_D * lanes + j] = (float)(sum[0] / (double)g->vox), p[MEAN_DX * lanes + j] = (float)(sum[1] / (double)g->vox);
	}
}

/* dx = SCALE (d - MEAN_D - xhat MEAN_DX) */
static void propagate(const struct rows *r, struct span s, const struct k_norm_bwd *a, const float *restrict p, int64_t vox)
{
	int64_t lanes = up(r->lanes);
	const float *mean = p + MEAN * lanes, *scale = p + SCALE * lanes, *shift = p + SHIFT * lanes, *slope = p + SLOPE * lanes, *rstd = p + RSTD * lanes;
	const float *mean_d = p + MEAN_D * lanes, *mean_dx = p + MEAN_DX * lanes;
	const float *x = a->x + vox * r->xp + s.first * r->x, *dy = a->dy + vox * r->yp + s.first * r->y;
	const float *dy2 = a->dy2 ? a->dy2 + vox * r->y2p + s.first * r->y2 : NULL;
	float *dx = a->dx + vox * r->xp + s.first * r->x;
	float *dres = a->dres && (a->dres != a->dy || a->dy2) ? a->dres + vox * r->rp + s.first * r->r : NULL;

	for (int64_t v = 0; v < s.rows; v++, x += r->x, dx += r->x, dy += r->y, dy2 += dy2 ? r->y2 : 0, dres += dres ? r->r : 0)
#pragma omp simd
		for (int64_t i = 0; i < s.lanes; i++) {
			float m = x[i] - mean[i], u = m * scale[i] + shift[i], g = dy[i] + (dy2 ? dy2[i] : 0), d = u > 0 ? g : slope[i] * g;
			float t = scale[i] * (d - mean_d[i] - m * rstd[i] * mean_dx[i]);

			if (dres)
				dres[i] = g + (a->dres_add ? dres[i] : 0);
			dx[i] = t + (a->dx_add ? dx[i] : 0);
		}
}

int K(norm_backward)(const struct k_norm *g, const struct k_norm_bwd *a, void *scratch, struct err *e)
{
	struct rows r;

	(void)e;
	rows_of(g, &r);
	memset(params_at(&r, scratch, g->n, 0), 0, sizeof(float) * (size_t)(g->n * PARAMS * up(r.lanes)));
	for (int64_t n = 0; n < g->n; n++)
		parameters(g, &r, a->mean ? a->mean + n * g->c : NULL, a->rstd ? a->rstd + n * g->c : NULL, a->gamma, a->beta, a->alpha, params_at(&r, scratch, g->n, n));
	if (g->norm == K_NORM_INSTANCE || a->dalpha)
		reduce(g, &r, a, scratch);
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r.chunks; k++)
			propagate(&r, span_of(&r, k), a, params_at(&r, scratch, g->n, n), n * g->vox);
	return 0;
}
