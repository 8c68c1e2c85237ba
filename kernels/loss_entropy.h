/* A block of voxels, its channels apart, and the entropies that are taken of its logits, with their gradients: of each channel against the rest
   (binary cross entropy, focal), and the focal loss of the softmax. Formulas: loss.c. */
#ifndef NIIPIPE_LOSS_ENTROPY_H
#define NIIPIPE_LOSS_ENTROPY_H

#include "kernels/loss_overlap.h"
#include "kernels/vmath.h"

enum { BLOCK = 64 }; /* voxels */

/* One block: logits, then probabilities, of every channel [k][BLOCK]; which channel is the label's (-1: none), of regions which are, a bit each; 1,
   or 0 beyond the end and where it is ignored, and that times the label's weight. */
struct block { float *p; float label[BLOCK], there[BLOCK], weight[BLOCK]; int32_t regions[BLOCK]; };

/* Is the label of channel c? VL voxels from v on. */
static inline ints block_is(const struct k_loss *g, const struct block *b, int v, int64_t c)
{
	if (g->regions)
		return ((ints)load((const float *)b->regions + v) << (31 - (int)c)) < 0;
	return load(b->label + v) == (float)c;
}

/* -- of a channel against the rest ------------------------------------------------ */
struct binary { float gamma, pos, neg; };

static inline struct binary binary_of(const struct k_loss *g, int64_t c)
{
	const float w = (float)loss_weight(g, c);

	return g->entropy == K_FOCAL ? (struct binary){g->gamma, g->pos * w, g->neg * w} : (struct binary){0, w, 1};
}

static inline float binary_sum(const struct k_loss *g, const struct block *b)
{
	float sum = 0;

	for (int64_t c = loss_entropy_first(g); c < g->k; c++) {
		const struct binary f = binary_of(g, c);
		vec all = {0};

		for (int v = 0; v < BLOCK; v += VL) {
			vec l = load(b->p + c * BLOCK + v), zero = {0};
			ints own = block_is(g, b, v, c);
			struct vec_logistic r = vec_logistic(vec_choose(own, l, -l), f.gamma);

			all += vec_choose(own, zero + f.pos, zero + f.neg) * r.down * r.cost * load(b->there + v);
		}
		sum += vec_total(all);
	}
	return sum;
}

/* Its gradient times `share`, added to that of the probabilities. */
static inline void binary_gradient(const struct k_loss *g, const struct block *logits, struct block *to, const float share)
{
	for (int64_t c = loss_entropy_first(g); c < g->k; c++) {
		const struct binary f = binary_of(g, c);

		for (int v = 0; v < BLOCK; v += VL) {
			float *d = to->p + c * BLOCK + v;
			vec l = load(logits->p + c * BLOCK + v), zero = {0}, m;
			ints own = block_is(g, to, v, c);
			struct vec_logistic r = vec_logistic(vec_choose(own, l, -l), f.gamma);

			m = vec_choose(own, zero - f.pos, zero + f.neg) * share * r.down * load(to->there + v);
			store(d, load(d) + m * (f.gamma * r.s * r.cost + (1 - r.s)));
		}
	}
}

/* -- softmax focal ---------------------------------------------------- */
/* Of a vector of voxels: the share p of the label's class among those that count, 1 - p, -log p; the shares are exp(l - top) / sum; the class's
   weight */
struct own { vec top, sum, p, rest, cost, weight; };

static inline struct own own_of(const struct k_loss *g, const struct block *b, int v)
{
	const int64_t first = loss_entropy_first(g);
	const float *l = b->p + v;
	const vec label = load(b->label + v), zero = {0}, there = load(b->there + v);
	struct own o = {.top = load(l + first * BLOCK)};
	vec own = zero, others = zero, log_own = zero;

	for (int64_t c = first + 1; c < g->k; c++)
		o.top = vec_choose(load(l + c * BLOCK) > o.top, load(l + c * BLOCK), o.top);
	for (int64_t c = first; c < g->k; c++) {
		vec z = load(l + c * BLOCK) - o.top, x = vec_exp(z);
		ints is = label == (float)c;

		own += vec_choose(is, x, zero), others += vec_choose(is, zero, x), log_own += vec_choose(is, z, zero);
		o.weight += vec_choose(is, there * (float)loss_focal_weight(g, c), zero);
	}
	o.sum = own + others;
	o.p = own / o.sum, o.rest = others / o.sum;
	o.cost = vec_choose(o.rest < 1e-3f, o.rest * (1 + o.rest * (0.5f + o.rest / 3)), vec_log(o.sum) - log_own);
	return o;
}

/* rest^gamma, rest in [0, 1] */
static inline vec down(const struct k_loss *g, vec rest)
{
	const vec zero = {0}, least = zero + 1e-37f;

	return g->gamma > 0 ? vec_choose(rest > least, vec_exp(g->gamma * vec_log(vec_choose(rest > least, rest, least))), zero) : zero + 1;
}

static inline float soft_focal_sum(const struct k_loss *g, const struct block *b)
{
	vec all = {0};

	for (int v = 0; v < BLOCK; v += VL) {
		struct own o = own_of(g, b, v);

		all += o.weight * down(g, o.rest) * o.cost;
	}
	return vec_total(all);
}

/* Its gradient times `share`, added to that of the probabilities. */
static inline void soft_focal_gradient(const struct k_loss *g, const struct block *logits, struct block *to, const float share)
{
	for (int v = 0; v < BLOCK; v += VL) {
		const vec zero = {0}, one = zero + 1, label = load(to->label + v);
		struct own o = own_of(g, logits, v);
		vec per = vec_choose(o.rest > 1e-30f, o.cost / vec_choose(o.rest > 1e-30f, o.rest, one), one);
		vec m = share * o.weight * down(g, o.rest) * (1 + g->gamma * o.p * per);

		for (int64_t c = loss_entropy_first(g); c < g->k; c++) {
			float *d = to->p + c * BLOCK + v;
			vec p = vec_exp(load(logits->p + c * BLOCK + v) - o.top) / o.sum;
			ints is = label == (float)c;

			store(d, load(d) + m * vec_choose(is, -o.rest, p));
		}
	}
}

#endif
