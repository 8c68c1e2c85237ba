/* Window attention, forward. Source: MONAI's SwinTransformerBlock and WindowAttention (networks/nets/swin_unetr.py). */
#include "kernels/attention.h"

#include <omp.h>
#include <string.h>

size_t K(attention_scratch)(const struct k_attention *g, int back)
{
	struct att a = att_of(g, NULL);
	struct room r;
	int64_t slots = back ? g->heads * a.runs * (a.table + 3 * a.hd) : 0;

	return sizeof(float) * (size_t)(omp_get_max_threads() * att_room(&a, back, NULL, &r) + slots);
}

void K(att_bias)(const struct att *a, const float *table, int64_t head, struct room *r)
{
	for (int64_t i = 0; i < a->tr; i++) {
		float *to = r->bias + i * a->tp;

		for (int64_t j = 0; j < a->t; j++)
			to[j] = i < a->t ? table[att_row(a, r, i, j) * a->g->heads + head] : 0;
		for (int64_t j = a->t; j < a->tp; j++)
			to[j] = -1e30f;
	}
}

/* Region of a place on one axis of the shifted volume: what the shift brought together from its two ends must not meet. */
static int region(const struct k_attention *g, int axis, int64_t at, int64_t padded)
{
	if (!g->shift[axis])
		return 0;
	return at < padded - g->window[axis] ? 0 : at < padded - g->shift[axis] ? 1 : 2;
}

/* Where the tokens of a window are, and of which region. Windows count over n, d, h, w. */
void K(att_tokens)(const struct att *a, int64_t window, struct room *r)
{
	const struct k_attention *g = a->g;
	int64_t n, first[3], i = 0;

	r->window = window;
	for (int k = 2; k >= 0; k--) {
		first[k] = window % a->count[k] * g->window[k];
		window /= a->count[k];
	}
	n = window;
	for (int64_t t = 0; t < a->t; t++) {
		int64_t rest = t, at[3], voxel = n, where = 0, pad = 0;

		for (int fast = 0; fast < 3; fast++) {
			int k = g->turned ? fast : 2 - fast;

			at[k] = first[k] + rest % g->window[k];
			rest /= g->window[k];
		}
		for (int k = 0; k < 3; k++) {
			int64_t padded = a->count[k] * g->window[k], from = (at[k] + g->shift[k]) % padded;

			pad |= from >= g->size[k];
			voxel = voxel * g->size[k] + from;
			where = where * 3 + region(g, k, at[k], padded);
		}
		r->vox[i] = pad ? -1 : voxel;
		r->region[i++] = (float)where;
	}
	for (; i < a->tp; i++)
		r->region[i] = 0;
}

/* Value i of a token; padding (NULL) has the bias alone, since it was zero before the projection. */
INLINE float value(const elem *x, const float *bias, int64_t i)
{
	return x ? widen(x[i]) : bias ? bias[i] : 0;
}

void K(att_clear)(const struct att *a, struct room *r)
{
	memset(r->q, 0, sizeof(float) * (size_t)(a->tr * a->hd));
	memset(r->kt, 0, sizeof(float) * (size_t)(a->hd * a->tp));
	memset(r->vt, 0, sizeof(float) * (size_t)(att_up(a->hd, ROWS) * a->tp));
}

/* q (scaled), k and v of a head, of the tokens. */
void K(att_take)(const struct att *a, const void *qkv, const float *bias, int64_t head, struct room *r)
{
	const int64_t c = a->g->c, hd = a->hd;

	for (int64_t i = 0; i < a->t; i++) {
		const elem *x = r->vox[i] < 0 ? NULL : (const elem *)qkv + r->vox[i] * 3 * c;

		for (int64_t d = 0; d < hd; d++) {
			r->q[i * hd + d] = value(x, bias, head * hd + d) * a->g->scale;
			r->kt[d * a->tp + i] = value(x, bias, c + head * hd + d);
			r->vt[d * a->tp + i] = r->v[i * a->hp + d] = value(x, bias, 2 * c + head * hd + d);
		}
		for (int64_t d = hd; d < a->hp; d++)
			r->v[i * a->hp + d] = 0;
	}
}

INLINE void product_at(const float *x, int64_t hd, const float *y, int64_t tp, const float *add, float *out, const int nj)
{
	vec s[ROWS][2];

	UNROLL for (int r = 0; r < ROWS; r++)
		UNROLL for (int j = 0; j < nj; j++)
			s[r][j] = add ? load(add + r * tp + j * VL) : (vec){0};
	for (int64_t d = 0; d < hd; d++) {
		vec v[2];

		UNROLL for (int j = 0; j < nj; j++)
			v[j] = load(y + d * tp + j * VL);
		UNROLL for (int r = 0; r < ROWS; r++)
			UNROLL for (int j = 0; j < nj; j++)
				s[r][j] += x[r * hd + d] * v[j];
	}
	UNROLL for (int r = 0; r < ROWS; r++)
		UNROLL for (int j = 0; j < nj; j++)
			store(out + r * tp + j * VL, s[r][j]);
}

void K(att_product)(const float *x, int64_t hd, const float *y, int64_t tp, const float *add, float *out)
{
	int64_t j = 0;

	for (; j + 2 * VL <= tp; j += 2 * VL)
		product_at(x, hd, y + j, tp, add ? add + j : NULL, out + j, 2);
	if (j < tp)
		product_at(x, hd, y + j, tp, add ? add + j : NULL, out + j, 1);
}

/* Of all ROWS at once: the largest of one waits for the one before it. */
static void exponentials(float *p, int64_t tp, float inverse[ROWS])
{
	vec top[ROWS], sum[ROWS];

	UNROLL for (int r = 0; r < ROWS; r++)
		top[r] = load(p + r * tp);
	for (int64_t j = VL; j < tp; j += VL)
		UNROLL for (int r = 0; r < ROWS; r++)
			top[r] = vec_larger(load(p + r * tp + j), top[r]);
	UNROLL for (int r = 0; r < ROWS; r++) {
		float most[VL], best;

		store(most, top[r]);
		best = most[0];
		for (int i = 1; i < VL; i++)
			best = most[i] > best ? most[i] : best;
		top[r] = (vec){0} + best, sum[r] = (vec){0};
	}
	for (int64_t j = 0; j < tp; j += VL)
		UNROLL for (int r = 0; r < ROWS; r++) {
			vec x = vec_exp(load(p + r * tp + j) - top[r]);

			store(p + r * tp + j, x);
			sum[r] += x;
		}
	for (int r = 0; r < ROWS; r++)
		inverse[r] = 1 / vec_total(sum[r]);
}

void K(att_scores)(const struct att *a, const struct room *r, int64_t row, float inverse[ROWS])
{
	K(att_product)(r->q + row * a->hd, a->hd, r->kt, a->tp, r->bias + row * a->tp, r->p);
	for (int i = 0; i < ROWS && a->shifted; i++) {
		float *p = r->p + i * a->tp, own = r->region[row + i < a->t ? row + i : 0];

		for (int64_t j = 0; j < a->tp; j += VL)
			store(p + j, load(p + j) - vec_choose(load(r->region + j) == own, (vec){0}, (vec){0} + ATTENTION_MASKED));
	}
	exponentials(r->p, a->tp, inverse);
}

void K(att_drop)(const struct att *a, const struct room *r, int64_t head, int64_t row, float *p)
{
	for (int64_t i = 0; a->drop && i < ROWS && row + i < a->t; i++) {
		int64_t first = ((r->window * a->g->heads + head) * a->tr + row + i) * att_up(a->t, 64);

		for (int64_t j = 0; j < a->tp; j += PHILOX_BLOCK) {
			float m[PHILOX_BLOCK];

			philox_factors(a->drop, (first + j) / 4, m);
			for (int64_t k = 0; k < PHILOX_BLOCK && j + k < a->tp; k++)
				p[i * a->tp + j + k] *= m[k];
		}
	}
}

/* nv vectors of d at once; each as `apart` sums, of every apart-th j, so that additions need not wait for each other. */
INLINE void weigh_at(const float *p, int64_t tp, const float *v, int64_t t, int64_t hp, float *out, const int nv, const int apart)
{
	vec s[ROWS][4];
	int64_t j = 0;

	UNROLL for (int r = 0; r < ROWS; r++)
		UNROLL for (int k = 0; k < nv * apart; k++)
			s[r][k] = (vec){0};
	for (; j + apart <= t; j += apart)
		UNROLL for (int k = 0; k < nv * apart; k++) {
			vec x = load(v + (j + k / nv) * hp + k % nv * VL);

			UNROLL for (int r = 0; r < ROWS; r++)
				s[r][k] += p[r * tp + j + k / nv] * x;
		}
	for (; j < t; j++)
		UNROLL for (int k = 0; k < nv; k++)
			UNROLL for (int r = 0; r < ROWS; r++)
				s[r][k] += p[r * tp + j] * load(v + j * hp + k * VL);
	UNROLL for (int r = 0; r < ROWS; r++)
		UNROLL for (int k = 0; k < nv; k++) {
			for (int i = 1; i < apart; i++)
				s[r][k] += s[r][k + i * nv];
			store(out + r * hp + k * VL, s[r][k]);
		}
}

/* out[r][d] = sum over j of p[r][j] v[j][d] */
void K(att_weigh)(const float *p, int64_t tp, const float *v, int64_t t, int64_t hp, float *out)
{
	int64_t d = 0;

	for (; d + 2 * VL <= hp; d += 2 * VL)
		weigh_at(p, tp, v + d, t, hp, out + d, 2, VL == 16 ? 2 : 1);
	if (d < hp)
		weigh_at(p, tp, v + d, t, hp, out + d, 1, VL == 16 ? 4 : 2);
}

/* The same of the columns vt [d][j], where rows of v would be half empty */
static void weigh_few(const float *p, int64_t tp, const float *vt, int64_t hd, int64_t hp, float *out)
{
	for (int64_t d = 0; d < hd; d += VL / ROWS) {
		vec s[VL];
		float sums[VL];

		UNROLL for (int i = 0; i < VL; i++)
			s[i] = (vec){0};
		for (int64_t j = 0; j < tp; j += VL)
			UNROLL for (int k = 0; k < VL / ROWS; k++) {
				vec v = load(vt + (d + k) * tp + j);

				UNROLL for (int r = 0; r < ROWS; r++)
					s[r * (VL / ROWS) + k] += load(p + r * tp + j) * v;
			}
		store(sums, vec_sums(s));
		for (int i = 0; i < VL; i++)
			out[i / (VL / ROWS) * hp + d + i % (VL / ROWS)] = sums[i];
	}
}

static void window_forward(const struct att *a, int64_t head, struct room *r, elem *y)
{
	for (int64_t row = 0; row < a->t; row += ROWS) {
		float inverse[ROWS];

		K(att_scores)(a, r, row, inverse);
		K(att_drop)(a, r, head, row, r->p);
		if (2 * a->hd <= VL)
			weigh_few(r->p, a->tp, r->vt, a->hd, a->hp, r->o);
		else
			K(att_weigh)(r->p, a->tp, r->v, a->t, a->hp, r->o);
		for (int64_t i = 0; i < ROWS && row + i < a->t; i++) {
			elem *out = y + r->vox[row + i] * a->g->c + head * a->hd;

			for (int64_t d = 0; r->vox[row + i] >= 0 && d < a->hd; d++)
				out[d] = narrow(r->o[i * a->hp + d] * inverse[i]);
		}
	}
}

int K(attention_forward)(const struct k_attention *g, const struct k_attention_args *x, void *y, void *scratch, struct err *e)
{
	struct att a = att_of(g, &x->drop);
	int threads = omp_get_max_threads();

	(void)e;
#pragma omp parallel num_threads(threads)
	{
		struct room r;
		int64_t size = att_room(&a, 0, NULL, &r);

		att_room(&a, 0, (float *)scratch + size * omp_get_thread_num(), &r);
		att_codes(&a, &r);
		K(att_clear)(&a, &r);
#pragma omp for schedule(dynamic)
		for (int64_t task = 0; task < g->heads * a.runs; task++) {
			int64_t head = task / a.runs, run = task % a.runs;

			K(att_bias)(&a, x->table, head, &r);
			for (int64_t w = a.windows * run / a.runs; w < a.windows * (run + 1) / a.runs; w++) {
				K(att_tokens)(&a, w, &r);
				K(att_take)(&a, x->qkv, x->bias, head, &r);
				window_forward(&a, head, &r, y);
			}
		}
	}
	return 0;
}
