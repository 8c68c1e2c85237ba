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

/* The rows that a query shares with `fast` keys follow each other, the last first. */
void K(att_bias)(const struct att *a, const float *table, int64_t head, struct room *r)
{
	if (r->head == head)
		return;
	r->head = head;
	for (int64_t i = 0; i < a->table; i++)
		r->column[a->table - 1 - i] = table ? table[i * a->g->heads + head] * a->unit : 0;
	r->most = r->least = r->column[0];
	for (int64_t i = 1; i < a->table; i++) {
		r->most = r->column[i] > r->most ? r->column[i] : r->most;
		r->least = r->column[i] < r->least ? r->column[i] : r->least;
	}
	for (int64_t i = 0; i < a->tr; i++) {
		float *to = r->bias + i * a->tp;

		for (int64_t j = 0; j < a->t; j += a->fast) {
			const float *from = r->column + a->table - 1 - att_row(a, r, i < a->t ? i : 0, j);

			for (int64_t k = 0; k < a->fast && j + k < a->t; k += VL)
				store(to + j + k, load(from + k));
		}
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

/* A token so far: voxel (-1: padding), region */
struct place { int64_t voxel, region; };

/* The same with its place on one more axis, of which a step is `stride` voxels */
static struct place along(const struct att *a, struct place p, int axis, int64_t at, int64_t stride)
{
	int64_t padded = a->count[axis] * a->g->window[axis], from = at + a->g->shift[axis];

	from -= from >= padded ? padded : 0;
	p.voxel = p.voxel < 0 || from >= a->g->size[axis] ? -1 : p.voxel + from * stride;
	p.region = p.region * 3 + region(a->g, axis, at, padded);
	return p;
}

/* Where the tokens of a window are, and of which region. Windows count over n, d, h, w. */
void K(att_tokens)(const struct att *a, int64_t window, struct room *r)
{
	const struct k_attention *g = a->g;
	const int slow = g->turned ? 2 : 0, fast = 2 - slow;
	const int64_t stride[3] = {g->size[1] * g->size[2], g->size[2], 1};
	int64_t first[3], i = 0;

	r->window = window;
	for (int k = 2; k >= 0; k--) {
		first[k] = window % a->count[k] * g->window[k];
		window /= a->count[k];
	}
	for (int64_t x = 0; x < g->window[slow]; x++) {
		struct place p = along(a, (struct place){window * g->size[0] * stride[0], 0}, slow, first[slow] + x, stride[slow]);

		for (int64_t y = 0; y < g->window[1]; y++) {
			struct place q = along(a, p, 1, first[1] + y, stride[1]);

			for (int64_t z = 0; z < g->window[fast]; z++) {
				struct place token = along(a, q, fast, first[fast] + z, stride[fast]);

				r->vox[i] = token.voxel;
				r->region[i++] = (float)token.region;
			}
		}
	}
	r->mixed = r->region[0] != r->region[i - 1];
	for (; i < a->tp; i++)
		r->region[i] = 0;
}

/* Values of a head's channels of every token to rows of hd; padding has the bias alone, since it was zero before the projection. */
INLINE void take_rows(const struct att *a, const struct room *r, const elem *x, const float *bias, float scale, float *restrict to, const int64_t hd)
{
	for (int64_t i = 0; i < a->t; i++, to += hd) {
		const elem *restrict from = x + r->vox[i] * 3 * a->g->c;

		if (r->vox[i] >= 0)
			for (int64_t d = 0; d < hd; d++)
				to[d] = widen(from[d]) * scale;
		else
			for (int64_t d = 0; d < hd; d++)
				to[d] = bias ? bias[d] * scale : 0;
	}
}

/* Rows of VL tokens to columns: the bits of an element's place turn round, a shuffle each. */
INLINE void turn_few(const float *rows, float *to, int64_t tp, const int hd)
{
	vec v[VL];

	UNROLL for (int i = 0; i < hd; i++)
		v[i] = load(rows + i * VL);
	UNROLL for (int step = 1; step < VL; step *= 2) {
		vec t[VL];

		UNROLL for (int i = 0; i < hd; i++)
			t[i] = v[i];
		UNROLL for (int i = 0; i < hd / 2; i++)
			SHUFFLE_BOTH(v + 2 * i, t[i], t[i + hd / 2], IN_TURN);
	}
	UNROLL for (int i = 0; i < hd; i++)
		store(to + i * tp, v[i]);
}

void K(att_turn)(const float *rows, float *to, int64_t tp, int64_t columns)
{
	for (int64_t i = 0; i < tp; i += VL, rows += VL * columns, to += VL)
		if (columns == 4 && VL >= 4)
			turn_few(rows, to, tp, 4);
		else if (columns == 8 && VL >= 8)
			turn_few(rows, to, tp, 8);
		else if (columns == 16 && VL == 16)
			turn_few(rows, to, tp, 16);
		else
			for (int64_t d = 0; d < columns; d++)
				for (int64_t j = 0; j < VL; j++)
					to[d * tp + j] = rows[j * columns + d];
}

INLINE void take_all(const struct att *a, const elem *x, const float *bias, int64_t head, struct room *r, const int64_t hd)
{
	const int64_t c = a->g->c, first = head * hd;

	take_rows(a, r, x + first, bias ? bias + first : NULL, a->g->scale, r->q, hd);
	take_rows(a, r, x + c + first, bias ? bias + c + first : NULL, 1, r->rows, hd);
	K(att_turn)(r->rows, r->kt, a->tp, hd);
	take_rows(a, r, x + 2 * c + first, bias ? bias + 2 * c + first : NULL, 1, r->rows, hd);
	K(att_turn)(r->rows, r->vt, a->tp, hd);
}

/* q (scaled), k and v of a head, of the tokens. */
void K(att_take)(const struct att *a, const void *qkv, const float *bias, int64_t head, struct room *r)
{
	if (a->hd == 8)
		take_all(a, qkv, bias, head, r, 8);
	else if (a->hd == 16)
		take_all(a, qkv, bias, head, r, 16);
	else
		take_all(a, qkv, bias, head, r, a->hd);
	for (int64_t i = 0; i < a->t && !att_few(a); i++)
		memcpy(r->v + i * a->hp, r->rows + i * a->hd, sizeof(float) * (size_t)a->hd);
}

void K(att_begin)(const struct att *a, struct room *r)
{
	att_codes(a, r);
	r->head = -1;
	memset(r->q, 0, sizeof(float) * (size_t)(a->tp * a->hd));
	memset(r->rows, 0, sizeof(float) * (size_t)(a->tp * a->hd));
	memset(r->v, 0, sizeof(float) * (size_t)(a->t * a->hp));
	memset(r->vt, 0, sizeof(float) * (size_t)(att_up(a->hd, ROWS) * a->tp));
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

/* p becomes exp(p - its row's largest). */
static void exponentials(float *p, int64_t tp, float inverse[ROWS])
{
	vec top[ROWS], sum[ROWS];

	UNROLL for (int r = 0; r < ROWS; r++)
		top[r] = load(p + r * tp), sum[r] = (vec){0};
	for (int64_t j = VL; j < tp; j += VL)
		UNROLL for (int r = 0; r < ROWS; r++)
			top[r] = vec_larger(load(p + r * tp + j), top[r]);
	UNROLL for (int r = 0; r < ROWS; r++)
		top[r] = (vec){0} + vec_most(top[r]) * VEC_LOG2E;
	for (int64_t j = 0; j < tp; j += VL)
		UNROLL for (int r = 0; r < ROWS; r++) {
			vec x = vec_exp2(load(p + r * tp + j) * VEC_LOG2E - top[r]);

			store(p + r * tp + j, x);
			sum[r] += x;
		}
	UNROLL for (int r = 0; r < ROWS; r++)
		inverse[r] = 1 / vec_total(sum[r]);
}

void K(att_scores)(const struct att *a, const struct room *r, int64_t row, float inverse[ROWS])
{
	K(att_product)(r->q + row * a->hd, a->hd, r->kt, a->tp, r->bias + row * a->tp, r->p);
	for (int i = 0; i < ROWS && r->mixed; i++) {
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

/* What the window after this one, most often the next along w, has in these rows' places */
void K(att_fetch)(const struct att *a, const struct room *r, const void *qkv, int64_t head, int64_t row)
{
	const int64_t c = a->g->c;
	const elem *x = qkv;

	for (int64_t i = row; i < row + ROWS && i < a->t; i++)
		for (int64_t k = 0; k < 3 && r->vox[i] >= 0; k++)
			__builtin_prefetch(x + (r->vox[i] + a->g->window[2]) * 3 * c + k * c + head * a->hd);
}

static void window_forward(const struct att *a, int64_t head, struct room *r, const elem *x, elem *y)
{
	for (int64_t row = 0; row < a->t; row += ROWS) {
		float inverse[ROWS];

		K(att_fetch)(a, r, x, head, row);
		K(att_scores)(a, r, row, inverse);
		K(att_drop)(a, r, head, row, r->p);
		if (att_few(a))
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
	a.pairs = ATTENTION_PAIRS && !a.drop;
	a.unit = a.pairs ? VEC_LOG2E : 1;
#pragma omp parallel num_threads(threads)
	{
		struct room r;
		int64_t size = att_room(&a, 0, NULL, &r);

		att_room(&a, 0, (float *)scratch + size * omp_get_thread_num(), &r);
		K(att_begin)(&a, &r);
#pragma omp for schedule(dynamic)
		for (int64_t task = 0; task < g->heads * a.runs; task++) {
			int64_t head = task / a.runs, run = task % a.runs;

			K(att_bias)(&a, x->table, head, &r);
			for (int64_t w = a.windows * run / a.runs; w < a.windows * (run + 1) / a.runs; w++) {
				K(att_tokens)(&a, w, &r);
#if ATTENTION_PAIRS
				if (a.pairs) {
					K(att_pairs)(&a, x, head, &r, y);
					continue;
				}
#endif
				K(att_take)(&a, x->qkv, x->bias, head, &r);
				window_forward(&a, head, &r, x->qkv, y);
			}
		}
	}
	return 0;
}
