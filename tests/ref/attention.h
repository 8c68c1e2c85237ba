/* Window attention in double precision, as MONAI writes it: pad, roll, cut into windows, attend, put together, roll back, crop. */
#ifndef TESTS_REF_ATTENTION_H
#define TESTS_REF_ATTENTION_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

/* Region of place i of the rolled volume on an axis of n: MONAI's compute_mask, whose slices follow one another, the last one winning. */
static inline int ref_region(int64_t i, int64_t n, int64_t window, int64_t shift)
{
	int r = 0;

	if (i < n - window)
		r = 0;
	if (i >= n - window && i < n - shift && shift)
		r = 1;
	if (i >= (shift ? n - shift : 0))
		r = 2;
	return r;
}

/* Voxel of the padded, rolled place d,h,w: -1 where it is padding */
static inline int64_t ref_voxel(const struct k_attention *g, const int64_t at[3], const int64_t padded[3])
{
	int64_t v = 0;

	for (int k = 0; k < 3; k++) {
		int64_t i = (at[k] + g->shift[k]) % padded[k];

		if (i >= g->size[k])
			return -1;
		v = v * g->size[k] + i;
	}
	return v;
}

/* factor: of dropout, as k_attention_args counts; NULL: none. dy: what gradients are of, which are added to; NULL: none */
struct ref_attention { const double *qkv, *bias, *table; const float *factor; double *y; const double *dy; double *dqkv, *dbias, *dtable; };

/* A query's row of t: gradients of the softmax's values p, of which y is made; own, to: a place's q, its k and v g->c and 2 g->c behind it */
static inline void ref_window_back(const struct k_attention *g, int64_t t, int64_t i, const double *p, const float *factor, const double *dy,
                                   const double **own, double **to, double *dtable, const int64_t *place)
{
	const int64_t hd = g->c / g->heads;
	double all = 0, *dp = malloc(sizeof *dp * (size_t)t);

	for (int64_t j = 0; j < t; j++) {
		const double f = factor ? factor[j] : 1;

		dp[j] = 0;
		for (int64_t d = 0; d < hd; d++)
			dp[j] += f * dy[d] * own[j][2 * g->c + d], to[j][2 * g->c + d] += f * p[j] * dy[d];
		all += p[j] * dp[j];
	}
	for (int64_t j = 0; j < t; j++) {
		const double ds = p[j] * (dp[j] - all);

		dtable[(place[i] - place[j]) * g->heads] += ds;
		for (int64_t d = 0; d < hd; d++)
			to[i][d] += (double)g->scale * ds * own[j][g->c + d], to[j][g->c + d] += (double)g->scale * ds * own[i][d];
	}
	free(dp);
}

/* One window whose first place is `first`, of batch item n, one head; factor: its own. */
static inline void ref_window(const struct k_attention *g, const int64_t first[3], const int64_t padded[3], int64_t n, int64_t head,
                              const struct ref_attention *a, const float *factor)
{
	const int64_t t = g->window[0] * g->window[1] * g->window[2], u = (t + 63) / 64 * 64, hd = g->c / g->heads;
	const int64_t volume = g->size[0] * g->size[1] * g->size[2];
	const int64_t size[3] = {g->table[g->turned ? 2 : 0], g->table[1], g->table[g->turned ? 0 : 2]}, wide[2] = {2 * size[1] - 1, 2 * size[2] - 1};
	const int64_t middle = ((size[0] - 1) * wide[0] + size[1] - 1) * wide[1] + size[2] - 1;
	int64_t *vox = malloc(sizeof *vox * (size_t)t), *place = malloc(sizeof *place * (size_t)t); /* place: of row i - j of the table, less middle */
	const double **own = malloc(sizeof *own * (size_t)t);
	double **to = malloc(sizeof *to * (size_t)t);
	int *region = malloc(sizeof *region * (size_t)t), any = g->shift[0] + g->shift[1] + g->shift[2] > 0;
	double *s = malloc(sizeof *s * (size_t)t);

	for (int64_t i = 0; i < t; i++) {
		int64_t at[3] = {first[0] + i / (g->window[1] * g->window[2]), first[1] + i / g->window[2] % g->window[1], first[2] + i % g->window[2]};

		if (g->turned)
			at[0] = first[0] + i % g->window[0], at[1] = first[1] + i / g->window[0] % g->window[1], at[2] = first[2] + i / (g->window[0] * g->window[1]);
		vox[i] = ref_voxel(g, at, padded);
		own[i] = (vox[i] < 0 ? a->bias : a->qkv + (n * volume + vox[i]) * 3 * g->c) + head * hd;
		if (a->dy)
			to[i] = (vox[i] < 0 ? a->dbias : a->dqkv + (n * volume + vox[i]) * 3 * g->c) + head * hd;
		place[i] = (i / (size[1] * size[2]) % size[0] * wide[0] + i / size[2] % size[1]) * wide[1] + i % size[2];
		region[i] = 0;
		for (int k = 0; k < 3; k++)
			region[i] = 3 * region[i] + ref_region(at[k], padded[k], g->window[k], g->shift[k]);
	}
	for (int64_t i = 0; i < t; i++) {
		const int64_t at = (n * volume + vox[i]) * g->c + head * hd;
		double top = -1e300, sum = 0;

		if (vox[i] < 0)
			continue;
		for (int64_t j = 0; j < t; j++) {
			s[j] = a->table[(place[i] - place[j] + middle) * g->heads + head] - (any && region[i] != region[j] ? 100 : 0);
			for (int64_t d = 0; d < hd; d++)
				s[j] += (double)g->scale * own[i][d] * own[j][g->c + d];
			top = fmax(top, s[j]);
		}
		for (int64_t j = 0; j < t; j++)
			sum += s[j] = exp(s[j] - top);
		for (int64_t j = 0; j < t; j++) {
			const double p = (s[j] /= sum) * (factor ? factor[i * u + j] : 1);

			for (int64_t d = 0; d < hd; d++)
				a->y[at + d] = (j ? a->y[at + d] : 0) + p * own[j][2 * g->c + d];
		}
		if (a->dy)
			ref_window_back(g, t, i, s, factor ? factor + i * u : NULL, a->dy + at, own, to, a->dtable + middle * g->heads + head, place);
	}
	free(vox), free(place), free(own), free(to), free(region), free(s);
}

static inline void ref_attention(const struct k_attention *g, const struct ref_attention *a)
{
	int64_t padded[3], first[3], t = g->window[0] * g->window[1] * g->window[2], one = (t + 3) / 4 * 4 * ((t + 63) / 64 * 64), window = 0;

	for (int k = 0; k < 3; k++)
		padded[k] = (g->size[k] + g->window[k] - 1) / g->window[k] * g->window[k];
	for (int64_t n = 0; n < g->n; n++)
		for (first[0] = 0; first[0] < padded[0]; first[0] += g->window[0])
			for (first[1] = 0; first[1] < padded[1]; first[1] += g->window[1])
				for (first[2] = 0; first[2] < padded[2]; first[2] += g->window[2], window++)
					for (int64_t head = 0; head < g->heads; head++)
						ref_window(g, first, padded, n, head, a, a->factor ? a->factor + (window * g->heads + head) * one : NULL);
}

#endif
