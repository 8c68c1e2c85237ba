/* What a voxel's channels make of each other (kernels/backend.h, k_across): one text for the CPU and the GPU, whose kernels/gpu/par.h comes before
   and has get and put. A row: the c channels from element `at` on. With y = softmax(x) the gradient of x is y (dy - sum dy y), of
   log_softmax's dy - y sum dy; of the local response's, with b what x is divided by the power of:
   dx[j] = dy[j] b[j]^-beta - 2 alpha beta / size x[j] sum dy[i] x[i] b[i]^(-beta - 1) over the i whose window j is in. */
#ifndef NIIPIPE_ACROSS_H
#define NIIPIPE_ACROSS_H

#include <math.h>

#include "kernels/backend.h"
#include "kernels/text.h"

#ifndef NIIPIPE_PAR_H
#include "kernels/vec.h"

static inline float get(const void *p, int64_t i)
{
	return widen(((const elem *)p)[i]);
}

static inline void put(void *p, int64_t i, float v)
{
	((elem *)p)[i] = narrow(v);
}
#endif

struct across_sum { float most, sum; }; /* of exp(x - most) */

K_TEXT struct across_sum across_sum(const struct k_across *g, const void *x, int64_t at)
{
	struct across_sum s = {get(x, at), 0};

	for (int64_t i = 1; i < g->c; i++)
		s.most = get(x, at + i) > s.most ? get(x, at + i) : s.most;
	for (int64_t i = 0; i < g->c; i++)
		s.sum += expf(get(x, at + i) - s.most);
	return s;
}

K_TEXT void across_soft(const struct k_across *g, const void *x, int64_t at, void *y)
{
	struct across_sum s = across_sum(g, x, at);
	float lower = logf(s.sum);

	for (int64_t i = at; i < at + g->c; i++)
		put(y, i, g->kind == K_SOFTMAX ? expf(get(x, i) - s.most) / s.sum : get(x, i) - s.most - lower);
}

K_TEXT void across_soft_back(const struct k_across *g, const void *dy, const void *x, int64_t at, void *dx, int add)
{
	struct across_sum s = across_sum(g, x, at);
	float sum = 0;

	for (int64_t i = at; i < at + g->c; i++)
		sum += g->kind == K_SOFTMAX ? get(dy, i) * expf(get(x, i) - s.most) / s.sum : get(dy, i);
	for (int64_t i = at; i < at + g->c; i++) {
		float y = expf(get(x, i) - s.most) / s.sum, d = g->kind == K_SOFTMAX ? y * (get(dy, i) - sum) : get(dy, i) - y * sum;

		put(dx, i, add ? get(dx, i) + d : d);
	}
}

/* What channel i is divided by the power of */
K_TEXT float across_base(const struct k_across *g, const void *x, int64_t at, int64_t i)
{
	int64_t first = i < g->size / 2 ? 0 : i - g->size / 2, end = i + (g->size + 1) / 2 < g->c ? i + (g->size + 1) / 2 : g->c;
	float sum = 0;

	for (int64_t j = first; j < end; j++)
		sum += get(x, at + j) * get(x, at + j);
	return g->k + g->alpha / (float)g->size * sum;
}

K_TEXT void across_local(const struct k_across *g, const void *x, int64_t at, void *y)
{
	for (int64_t i = 0; i < g->c; i++)
		put(y, at + i, get(x, at + i) / powf(across_base(g, x, at, i), g->beta));
}

/* The powers and the sum's terms of the channels in sight go round in rings. */
K_TEXT void across_local_back(const struct k_across *g, const void *dy, const void *x, int64_t at, void *dx, int add)
{
	enum { RING = K_LOCAL_MOST + 1 };
	float power[RING], term[RING];
	int64_t ahead = g->size / 2, behind = (g->size - 1) / 2, made = 0;

	for (int64_t j = 0; j < g->c; j++) {
		float sum = 0, d;

		for (; made <= j + ahead && made < g->c; made++) {
			float base = across_base(g, x, at, made), p = powf(base, -g->beta);

			power[made % RING] = p;
			term[made % RING] = get(dy, at + made) * get(x, at + made) * p / base;
		}
		for (int64_t i = j < behind ? 0 : j - behind; i < made; i++)
			sum += term[i % RING];
		d = get(dy, at + j) * power[j % RING] - 2 * g->alpha * g->beta / (float)g->size * get(x, at + j) * sum;
		put(dx, at + j, add ? get(dx, at + j) + d : d);
	}
}

K_TEXT void across_row(const struct k_across *g, const void *x, int64_t v, void *y)
{
	if (g->kind == K_LOCAL)
		across_local(g, x, v * g->c, y);
	else
		across_soft(g, x, v * g->c, y);
}

K_TEXT void across_row_back(const struct k_across *g, const void *dy, const void *x, int64_t v, void *dx, int add)
{
	if (g->kind == K_LOCAL)
		across_local_back(g, dy, x, v * g->c, dx, add);
	else
		across_soft_back(g, dy, x, v * g->c, dx, add);
}

#endif
