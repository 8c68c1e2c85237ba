/* Window attention, backward: the probabilities once more, and with P them, O = P V, S the scores:
   dV = P' dO,  dP = dO V',  dS = P (dP - rowsum(P dP)),  dQ = scale dS K,  dK = dS' Q,  d table: the sum of dS over what shares a row.
   With dropout the factors go into P of dV and into dP. */
#include "kernels/attention.h"

#include <omp.h>
#include <string.h>

/* Beside what att_take gathers: k as rows, the gradient of the result. */
static void take_back(const struct att *a, const elem *dy, int64_t head, struct room *r)
{
	for (int64_t i = 0; i < a->t; i++) {
		for (int64_t d = 0; d < a->hd; d++) {
			r->k[i * a->hp + d] = r->kt[d * a->tp + i];
			r->dot[i * a->hd + d] = r->vox[i] < 0 ? 0 : widen(dy[r->vox[i] * a->g->c + head * a->hd + d]);
		}
		for (int64_t d = a->hd; d < a->hp; d++)
			r->k[i * a->hp + d] = 0;
	}
	memset(r->dkt, 0, sizeof(float) * (size_t)(a->hd * a->tp));
	memset(r->dvt, 0, sizeof(float) * (size_t)(a->hd * a->tp));
}

#define LEAST 0x1p-100f

/* p becomes the probabilities, dp the gradient of the scores, which is added to that of the bias. Where a key is padding or of another region p is
   2^-125, and its probability would be a denormal number, whose products take a processor a hundred times as long: it is 0. */
static void score_gradient(const struct att *a, struct room *r, int64_t row, const float inverse[ROWS])
{
	for (int i = 0; i < ROWS; i++) {
		float *p = r->p + i * a->tp, *dp = r->dp + i * a->tp, *db = r->dbias + (row + i) * a->tp, mean;
		vec sum = {0};

		for (int64_t j = 0; j < a->tp; j += VL) {
			vec x = load(p + j);

			x = vec_choose(x > LEAST, x * inverse[i], (vec){0});
			store(p + j, x);
			sum += x * load(dp + j);
		}
		mean = vec_total(sum);
		for (int64_t j = 0; j < a->tp; j += VL) {
			vec x = load(p + j) * (load(dp + j) - mean);

			store(dp + j, x);
			store(db + j, load(db + j) + x);
		}
	}
}

/* to[d][j] += sum over ROWS of w[r][j] x[r][d] */
static void spread(const struct att *a, const float *w, const float *x, float *to)
{
	for (int64_t j = 0; j < a->tp; j += VL) {
		vec v[ROWS];

		UNROLL for (int r = 0; r < ROWS; r++)
			v[r] = load(w + r * a->tp + j);
		for (int64_t d = 0; d < a->hd; d++) {
			vec s = load(to + d * a->tp + j);

			UNROLL for (int r = 0; r < ROWS; r++)
				s += x[r * a->hd + d] * v[r];
			store(to + d * a->tp + j, s);
		}
	}
}

static void window_backward(const struct att *a, int64_t head, struct room *r, elem *dqkv)
{
	const struct k_attention *g = a->g;

	for (int64_t row = 0; row < a->t; row += ROWS) {
		float inverse[ROWS];

		K(att_scores)(a, r, row, inverse);
		K(att_product)(r->dot + row * a->hd, a->hd, r->vt, a->tp, NULL, r->dp);
		K(att_drop)(a, r, head, row, r->dp);
		score_gradient(a, r, row, inverse);
		K(att_drop)(a, r, head, row, r->p);
		K(att_weigh)(r->dp, a->tp, r->k, a->t, a->hp, r->o);
		for (int64_t i = 0; i < ROWS && row + i < a->t; i++) {
			elem *dq = dqkv + r->vox[row + i] * 3 * g->c + head * a->hd;

			for (int64_t d = 0; r->vox[row + i] >= 0 && d < a->hd; d++)
				dq[d] = narrow(r->o[i * a->hp + d] * g->scale);
		}
		spread(a, r->dp, r->q + row * a->hd, r->dkt);
		spread(a, r->p, r->dot + row * a->hd, r->dvt);
	}
}

/* The gradients of k and v to where they came from: the volume, or the bias (slot). */
static void give_back(const struct att *a, int64_t head, const struct room *r, elem *dqkv, float *slot)
{
	const int64_t c = a->g->c, hd = a->hd;

	for (int64_t i = 0; i < a->t; i++) {
		elem *to = dqkv + r->vox[i] * 3 * c + head * hd;

		for (int64_t d = 0; d < hd; d++) {
			float dk = r->dkt[d * a->tp + i], dv = r->dvt[d * a->tp + i];

			if (r->vox[i] < 0)
				slot[hd + d] += dk, slot[2 * hd + d] += dv;
			else
				to[c + d] = narrow(dk), to[2 * c + d] = narrow(dv);
		}
	}
}

static void task_backward(const struct att *a, int64_t task, const struct k_attention_args *x, const struct k_attention_grads *d, struct room *r,
                          float *slot)
{
	int64_t head = task / a->runs, run = task % a->runs;

	memset(slot, 0, sizeof(float) * (size_t)(a->table + 3 * a->hd));
	memset(r->dbias, 0, sizeof(float) * (size_t)(a->tr * a->tp));
	K(att_bias)(a, x->table, head, r);
	for (int64_t w = a->windows * run / a->runs; w < a->windows * (run + 1) / a->runs; w++) {
		K(att_tokens)(a, w, r);
		K(att_take)(a, x->qkv, x->bias, head, r);
		take_back(a, d->dy, head, r);
		window_backward(a, head, r, d->dqkv);
		give_back(a, head, r, d->dqkv, slot + a->table);
	}
	for (int64_t i = 0; d->dtable && i < a->t; i++)
		for (int64_t j = 0; j < a->t; j++)
			slot[att_row(a, r, i, j)] += r->dbias[i * a->tp + j];
}

/* Slots to their gradients, run after run. */
static void add_slots(const struct att *a, const float *slots, const struct k_attention_grads *d)
{
	int64_t heads = a->g->heads, step = a->table + 3 * a->hd;

#pragma omp parallel for schedule(static)
	for (int64_t head = 0; head < heads; head++)
		for (int64_t run = 0; run < a->runs; run++) {
			const float *s = slots + (head * a->runs + run) * step;

			for (int64_t i = 0; d->dtable && i < a->table; i++)
				d->dtable[i * heads + head] += s[i];
			for (int64_t i = 0; d->dbias && i < 3 * a->hd; i++)
				d->dbias[i / a->hd * a->g->c + head * a->hd + i % a->hd] += s[a->table + i];
		}
}

int K(attention_backward)(const struct k_attention *g, const struct k_attention_args *x, const struct k_attention_grads *d, void *scratch,
                          struct err *e)
{
	struct att a = att_of(g, &x->drop);
	struct room any;
	int threads = omp_get_max_threads();
	int64_t size = att_room(&a, 1, NULL, &any);
	float *slots = (float *)scratch + size * threads;

	(void)e;
#pragma omp parallel num_threads(threads)
	{
		struct room r;

		att_room(&a, 1, (float *)scratch + size * omp_get_thread_num(), &r);
		K(att_begin)(&a, &r);
		memset(r.dot, 0, sizeof(float) * (size_t)(a.tr * a.hd));
#pragma omp for schedule(dynamic)
		for (int64_t task = 0; task < g->heads * a.runs; task++)
			task_backward(&a, task, x, d, &r, slots + task * (a.table + 3 * a.hd));
	}
	add_slots(&a, slots, d);
	return 0;
}
