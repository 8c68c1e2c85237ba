/* Weight gradients of a few channels on both sides at stride 1 along w: rows copied one channel after the other, vectors along w, summed across at
   the end. */
#include "kernels/direct.h"

enum { THIN = 4, ROWS = 64 };

int K(wgrad_thin_plan)(struct wgrad *g)
{
	if (g->cl > THIN || g->cs > THIN || g->stride[2] != 1 || g->small[2] < VL)
		return -1;
	g->splane = (g->small[2] + VL - 1) / VL * VL;
	g->lplane = g->width > g->splane + g->kernel[2] ? g->width : g->splane + g->kernel[2];
	return 0;
}

struct rows { const float *l[ROWS], *s[ROWS]; int n; };

/* Sums for nk neighbouring kernel positions and cs channels of S: out[k][c] */
INLINE void sums(const struct rows *r, int64_t vox, int64_t at, int64_t splane, float *out, const int nk, const int cs)
{
	vec acc[16] = {{0}};

	for (int i = 0; i < r->n; i++)
		for (int64_t q = 0; q < vox; q += VL) {
			vec x[3], s[THIN];

			UNROLL for (int k = 0; k < nk; k++)
				x[k] = load(r->l[i] + at + q + k);
			UNROLL for (int k = 0; k < nk && cs > 1; k++)
				KEEP(x[k]);
			UNROLL for (int c = 0; c < cs; c++)
				s[c] = load(r->s[i] + c * splane + q);
			UNROLL for (int c = 0; c < cs && nk > 1; c++)
				KEEP(s[c]);
			UNROLL for (int k = 0; k < nk; k++)
				UNROLL for (int c = 0; c < cs; c++)
					acc[k * cs + c] += x[k] * s[c];
		}
	UNROLL for (int i = 0; i < 16; i += VL)
		store(out + i, vec_sums(acc + i));
}

#define SUMS(nk) \
	static void sums_##nk(const struct rows *r, int64_t vox, int64_t at, int64_t splane, float *out, int64_t cs) \
	{ \
		switch (cs) { \
		case 1: sums(r, vox, at, splane, out, nk, 1); break; \
		case 2: sums(r, vox, at, splane, out, nk, 2); break; \
		case 3: sums(r, vox, at, splane, out, nk, 3); break; \
		default: sums(r, vox, at, splane, out, nk, 4); \
		} \
	}
SUMS(1)
SUMS(2)
SUMS(3)

/* All (kw, l, s) of one (kd, kh) */
static void taps(const struct wgrad *g, const struct rows *r, float *dw)
{
	for (int64_t l = 0; l < g->cl; l++)
		for (int k = 0; k < g->kernel[2]; k += 3) {
			int nk = g->kernel[2] - k < 3 ? g->kernel[2] - k : 3;
			float out[16];

			(nk == 1 ? sums_1 : nk == 2 ? sums_2 : sums_3)(r, g->splane, l * g->lplane + k, g->splane, out, g->cs);
			for (int i = 0; i < nk; i++)
				for (int64_t s = 0; s < g->cs; s++)
					dw[((k + i) * g->cl + l) * g->wide + s] += out[i * g->cs + s];
		}
}

void K(wgrad_thin)(const struct wgrad *g, const struct wgrad_task *t, const elem *l, const elem *s, float *dw, float *room)
{
	int64_t id = t->d * g->stride[0] - g->pad[0] + t->kd, first = t->h0 * g->stride[1] - g->pad[1], n = t->h1 - t->h0,
		rows = (n - 1) * g->stride[1] + g->kernel[1];
	int64_t lrow = g->cl * g->lplane, body = g->large[2] < g->lplane - g->left ? g->large[2] : g->lplane - g->left;
	float *sroom = room + g->hrows * lrow;

	if (id < 0 || id >= g->large[0])
		return;
	for (int64_t i = 0; i < rows; i++)
		if (first + i >= 0 && first + i < g->large[1])
			K(thin_apart)(room + i * lrow, g->lplane, g->left, l + ((t->n * g->large[0] + id) * g->large[1] + first + i) * g->large[2] * g->lpitch,
				g->lpitch, body,
				      g->cl);
	for (int64_t i = 0; i < n; i++)
		K(thin_apart)(sroom + i * g->cs * g->splane, g->splane, 0,
			s + (((t->n * g->small[0] + t->d) * g->small[1] + t->h0 + i) * g->small[2]) * g->spitch, g->spitch,
			      g->small[2], g->cs);
	for (int kh = 0; kh < g->kernel[1]; kh++) {
		struct rows r = {.n = 0};

		for (int64_t i = 0; i < n; i++) {
			int64_t at = i * g->stride[1] + kh;

			if (first + at < 0 || first + at >= g->large[1])
				continue;
			r.l[r.n] = room + at * lrow, r.s[r.n++] = sroom + i * g->cs * g->splane;
		}
		taps(g, &r, dw + (int64_t)(t->kd * g->kernel[1] + kh) * g->kernel[2] * g->cl * g->wide);
	}
}
