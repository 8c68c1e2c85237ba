/* Weight gradients of a few channels on both sides at stride 1 along w: rows copied one channel after the other, vectors along w, summed across at
   the end. */
#include "kernels/direct.h"

enum { THIN = 4, ROWS = 64 };

int K(wgrad_thin_plan)(struct wgrad *g)
{
	if (g->cl > THIN || g->cs > THIN || g->stride[2] != 1 || g->small[2] < VL)
		return -1;
	g->splane = (g->small[2] + VL - 1) / VL * VL;
	g->left = (g->left + VL - 1) / VL * VL, g->width += g->left - g->pad[2];
	g->lplane = g->left + g->splane + g->kernel[2];
	g->lplane = ((g->lplane > g->width ? g->lplane : g->width) + VL - 1) / VL * VL;
	return 0;
}

struct rows { const float *l[ROWS], *s[ROWS]; int n; };

/* Sums for nk neighbouring kernel positions, nl channels of L and cs of S: out[k][l][c] */
INLINE void sums(const struct rows *r, const struct wgrad *g, int64_t at, float *out, const int nk, const int nl, const int cs)
{
	vec acc[16] = {{0}};

	for (int i = 0; i < r->n; i++)
		for (int64_t q = 0; q < g->splane; q += VL) {
			vec x[6], s[THIN];

			UNROLL for (int k = 0; k < nk * nl; k++)
				x[k] = load(r->l[i] + at + k % nl * g->lplane + q + k / nl);
			if (cs > 1)
				UNROLL for (int k = 0; k < nk * nl; k++)
					KEEP(x[k]);
			UNROLL for (int c = 0; c < cs; c++)
				s[c] = load(r->s[i] + c * g->splane + q);
			if (nk * nl > 1)
				UNROLL for (int c = 0; c < cs; c++)
					KEEP(s[c]);
			UNROLL for (int k = 0; k < nk * nl; k++)
				UNROLL for (int c = 0; c < cs; c++)
					acc[k * cs + c] += x[k] * s[c];
		}
	UNROLL for (int i = 0; i < 16; i += VL)
		store(out + i, vec_sums(acc + i));
}

typedef void kernel(const struct rows *r, const struct wgrad *g, int64_t at, float *out);

#define SUMS(nk, nl, cs) \
	static void sums_##nk##nl##cs(const struct rows *r, const struct wgrad *g, int64_t at, float *out) { sums(r, g, at, out, nk, nl, cs); }
#define CHANNELS(nk) SUMS(nk, 1, 1) SUMS(nk, 1, 2) SUMS(nk, 1, 3) SUMS(nk, 1, 4) SUMS(nk, 2, 1) SUMS(nk, 2, 2)
CHANNELS(1) CHANNELS(2) CHANNELS(3)

/* [nk][nl][cs] */
#define ENTRIES(nk) {{NULL}, {NULL, sums_##nk##11, sums_##nk##12, sums_##nk##13, sums_##nk##14}, {NULL, sums_##nk##21, sums_##nk##22}}
static kernel *const kernels[4][3][THIN + 1] = {{{NULL}}, ENTRIES(1), ENTRIES(2), ENTRIES(3)};

/* All (kw, l, s) of one (kd, kh) */
static void taps(const struct wgrad *g, const struct rows *r, float *dw)
{
	const int64_t most = g->cs > 2 ? 1 : 2;

	for (int64_t l = 0; l < g->cl; l += most)
		for (int k = 0; k < g->kernel[2]; k += 3) {
			int nk = g->kernel[2] - k < 3 ? g->kernel[2] - k : 3, nl = g->cl - l < most ? 1 : (int)most;
			float out[16];

			kernels[nk][nl][g->cs](r, g, l * g->lplane + g->left - g->pad[2] + k, out);
			for (int i = 0; i < nk * nl; i++)
				for (int64_t s = 0; s < g->cs; s++)
					dw[((k + i / nl) * g->cl + l + i % nl) * g->wide + s] += out[i * g->cs + s];
		}
}

/* One plane of L, copied where it is not NULL, under the task's rows of S */
static void work_plane(const struct wgrad *g, const struct wgrad_task *t, int kd, const elem *l, float *lroom, const float *sroom, float *dw)
{
	int64_t first = t->h0 * g->stride[1] - g->pad[1], n = t->h1 - t->h0, rows = (n - 1) * g->stride[1] + g->kernel[1], lrow = g->cl * g->lplane;
	int64_t body = g->large[2] < g->lplane - g->left ? g->large[2] : g->lplane - g->left;

	for (int64_t i = 0; i < rows && l; i++)
		if (first + i >= 0 && first + i < g->large[1])
			K(thin_apart)(lroom + i * lrow, g->lplane, g->left, l + (first + i) * g->large[2] * g->lpitch, g->lpitch, body, g->cl);
	for (int kh = 0; kh < g->kernel[1]; kh++) {
		struct rows r = {.n = 0};

		for (int64_t i = 0; i < n; i++) {
			int64_t at = i * g->stride[1] + kh;

			if (first + at < 0 || first + at >= g->large[1])
				continue;
			r.l[r.n] = lroom + at * lrow, r.s[r.n++] = sroom + i * g->cs * g->splane;
		}
		taps(g, &r, dw + (int64_t)(kd * g->kernel[1] + kh) * g->kernel[2] * g->cl * g->wide);
	}
}

void K(wgrad_thin)(const struct wgrad *g, struct wgrad_task *t, const elem *l, const elem *s, float *dw, float *room)
{
	int64_t plane = g->large[1] * g->large[2] * g->lpitch, copied = g->hrows * g->cl * g->lplane;
	float *sroom = room + g->planes * copied;

	s += ((t->n * g->small[0] + t->d) * g->small[1] + t->h0) * g->small[2] * g->spitch;
	for (int64_t i = 0; i < t->h1 - t->h0; i++)
		K(thin_apart)(sroom + i * g->cs * g->splane, g->splane, 0, s + i * g->small[2] * g->spitch, g->spitch, g->small[2], g->cs);
	for (int kd = 0; kd < g->kernel[0]; kd++) {
		int64_t id = t->d * g->stride[0] - g->pad[0] + kd, at = (id + g->planes) % g->planes;

		if (id < 0 || id >= g->large[0])
			continue;
		work_plane(g, t, kd, t->held[at] == id ? NULL : l + (t->n * g->large[0] + id) * plane, room + at * copied, sroom, dw);
		t->held[at] = id;
	}
}
