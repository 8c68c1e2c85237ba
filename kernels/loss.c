/* Softmax (of channels by themselves: sigmoid), overlap and entropy in two passes: sums (the probabilities go where the gradient will be), then the
   gradient. Voxels go through in blocks with the channels apart, so that every step is on whole vectors; sums are floats within a block, then
   doubles. With a = d overlap/dp = fI g + fP (1 or 2 p):  dl_j = p_j (a_j - sum_c p_c a_c),  of channels by themselves p_j (1 - p_j) a_j;
   cross entropy: weight (p_j - g_j)
   over the weights' sum;  focal with z = l or -l: d/dz (1 - s(z))^gamma (-log s(z)) = -(1 - s(z))^gamma (gamma s(z) (-log s(z)) + s(-z)).
   softmax focal, y the label:  dl_j = (1 - p_y)^gamma (1 + gamma p_y (-log p_y) / (1 - p_y)) (p_j - g_j). */
#include "kernels/loss.h"

#include <string.h>

#include "kernels/cpu.h"
#include "kernels/loss_entropy.h"

enum { CHUNK = 8192 }; /* voxels */

/* Of a chunk: entropy, first wrong voxel, how many are not ignored, then per channel I, P and G. */
enum { ENTROPY, WRONG, VALID, CLASSES };

static int64_t chunks_of(const struct k_loss *g)
{
	return (g->vox + CHUNK - 1) / CHUNK;
}

static int64_t part_len(const struct k_loss *g)
{
	return CLASSES + 3 * g->k;
}

/* Per chunk a part and room for two blocks; then the sums, and per (n, channel) the two factors of the gradient. */
static int64_t step_of(const struct k_loss *g)
{
	return part_len(g) + g->k * BLOCK;
}

size_t K(loss_scratch)(const struct k_loss *g)
{
	return sizeof(double) * (size_t)(g->n * chunks_of(g) * step_of(g) + 5 * g->n * g->k);
}

INLINE void apart(float *to, const float *from, int64_t vox, const int64_t k)
{
	for (int64_t v = 0; v < vox; v++)
		for (int64_t c = 0; c < k; c++)
			to[c * BLOCK + v] = from[v * k + c];
}

INLINE void together(float *to, const float *from, int64_t vox, const int64_t k)
{
	for (int64_t v = 0; v < vox; v++)
		for (int64_t c = 0; c < k; c++)
			to[v * k + c] = from[c * BLOCK + v];
}

/* Fill a block with vox voxels. */
static void take(const struct k_loss *g, struct block *b, const float *l, const uint8_t *label, int64_t vox)
{
	const float first = g->k == 1;

	if (vox < BLOCK)
		memset(b->p, 0, sizeof *b->p * (size_t)(g->k * BLOCK));
	if (g->k == 2)
		apart(b->p, l, vox, 2);
	else
		apart(b->p, l, vox, g->k);
	for (int64_t v = 0; v < BLOCK; v++)
		b->label[v] = v < vox ? label[v] - first : 0, b->there[v] = b->weight[v] = v < vox && !loss_ignored(g, label[v]);
	for (int64_t v = 0; v < BLOCK && g->regions; v++)
		b->regions[v] = v < vox ? (int32_t)g->regions[label[v]] : 0;
	if (g->weight && !loss_binary(g) && g->entropy == K_CE)
		for (int64_t v = 0; v < vox; v++)
			b->weight[v] = b->there[v] > 0 ? g->weight[label[v]] : 0;
}

static void give(const struct k_loss *g, const struct block *b, float *to, int64_t vox)
{
	if (g->k == 2)
		together(to, b->p, vox, 2);
	else
		together(to, b->p, vox, g->k);
}

/* Softmax of a block in place; returns its sum of cross entropy. */
static float softmax(const struct k_loss *g, struct block *b)
{
	vec ce = {0};

	for (int v = 0; v < BLOCK; v += VL) {
		float *p = b->p + v;
		vec top = load(p), sum = {0}, own = {0}, label = load(b->label + v);

		for (int64_t c = 1; c < g->k; c++)
			top = vec_choose(load(p + c * BLOCK) > top, load(p + c * BLOCK), top);
		for (int64_t c = 0; c < g->k; c++) {
			vec l = load(p + c * BLOCK) - top, x = vec_exp(l);

			own = vec_choose(label == (float)c, l, own);
			sum += x;
			store(p + c * BLOCK, x);
		}
		ce += (vec_log(sum) - own) * load(b->weight + v);
		sum = 1 / sum;
		for (int64_t c = 0; c < g->k; c++)
			store(p + c * BLOCK, load(p + c * BLOCK) * sum);
	}
	return vec_total(ce);
}

/* Of logits, before softmax: sum over voxels and classes of weight (-log p). */
static float cross_all(const struct k_loss *g, const struct block *b)
{
	vec all = {0};

	for (int v = 0; v < BLOCK; v += VL) {
		const float *p = b->p + v;
		vec top = load(p), sum = {0}, here = {0};

		for (int64_t c = 1; c < g->k; c++)
			top = vec_choose(load(p + c * BLOCK) > top, load(p + c * BLOCK), top);
		for (int64_t c = 0; c < g->k; c++)
			sum += vec_exp(load(p + c * BLOCK) - top);
		sum = vec_log(sum);
		for (int64_t c = 0; c < g->k; c++)
			here += (float)loss_weight(g, c) * (sum + top - load(p + c * BLOCK));
		all += here * load(b->there + v);
	}
	return vec_total(all);
}

static void sigmoid(const struct k_loss *g, struct block *b)
{
	for (int64_t v = 0; v < g->k * BLOCK; v += VL)
		store(b->p + v, vec_logistic(load(b->p + v), 0).s);
}

/* -- sums ---------------------------------------------------------------------- */
/* I, P and G of a block, added to sums. */
static void overlap(const struct k_loss *g, const struct block *b, double *sums)
{
	for (int64_t c = 0; c < g->k; c++) {
		vec both = {0}, pred = {0}, truth = {0};

		for (int v = 0; v < BLOCK; v += VL) {
			vec p = load(b->p + c * BLOCK + v), w = load(b->there + v), t = vec_choose(block_is(g, b, v, c), w, (vec){0});

			both += p * t;
			truth += t;
			if (g->squared)
				p *= p;
			pred += p * w;
		}
		sums[c] += vec_total(both), sums[g->k + c] += vec_total(pred), sums[2 * g->k + c] += vec_total(truth);
	}
}

/* Logits to probabilities; returns the block's entropy. */
static double activate(const struct k_loss *g, struct block *b)
{
	double own = 1 - (double)g->smoothing, sum = 0;

	if (loss_binary(g))
		sum = binary_sum(g, b);
	else if (g->entropy == K_FOCAL_SOFTMAX)
		sum = soft_focal_sum(g, b);
	else if (g->smoothing > 0)
		sum = (double)g->smoothing / (double)g->k * (double)cross_all(g, b);
	if (loss_each(g))
		sigmoid(g, b);
	else
		own *= (double)softmax(g, b);
	return loss_binary(g) || g->entropy == K_FOCAL_SOFTMAX ? sum : sum + own;
}

static void chunk_sums(const struct k_loss *g, const float *l, const uint8_t *label, float *keep, int64_t vox, double *part)
{
	struct block b = {.p = (float *)(part + part_len(g))};

	memset(part, 0, sizeof *part * (size_t)part_len(g));
	part[WRONG] = -1, part[VALID] = (double)vox;
	for (int64_t v = 0; v < vox && part[WRONG] < 0; v++)
		if (loss_ignored(g, label[v]))
			part[VALID]--;
		else if (loss_wrong(g, label[v]))
			part[WRONG] = (double)v;
	if (part[WRONG] >= 0)
		return;
	for (int64_t v = 0; v < vox; v += BLOCK) {
		int64_t n = vox - v < BLOCK ? vox - v : BLOCK;

		take(g, &b, l + v * g->k, label + v, n);
		part[ENTROPY] += activate(g, &b);
		overlap(g, &b, part + CLASSES);
		if (keep)
			give(g, &b, keep + v * g->k, n);
	}
}

/* Sums of the parts by n. Returns the first wrong voxel or -1. */
static int64_t gather(const struct k_loss *g, const double *part, int64_t step, double *sums, double *entropy, double *valid)
{
	int64_t chunks = chunks_of(g), wrong = -1;

	*entropy = *valid = 0;
	memset(sums, 0, sizeof *sums * (size_t)(3 * g->n * g->k));
	for (int64_t i = 0; i < g->n * chunks; i++) {
		const double *p = part + i * step;

		*entropy += p[ENTROPY], *valid += p[VALID];
		if (p[WRONG] >= 0 && wrong < 0)
			wrong = i / chunks * g->vox + i % chunks * CHUNK + (int64_t)p[WRONG];
		for (int64_t c = 0; c < 3 * g->k; c++)
			sums[3 * (g->batch ? 0 : i / chunks) * g->k + c] += p[CLASSES + c];
	}
	return wrong;
}

/* -- gradient ------------------------------------------------------------------ */
/* Of label smoothing, by the logits of class c: share (all p - weight[c]) */
struct smooth { float share, all; };

static struct smooth smooth_of(const struct k_loss *g, float entropy)
{
	struct smooth s = {entropy * g->smoothing / (float)g->k, 0};

	for (int64_t c = 0; c < g->k; c++)
		s.all += (float)loss_weight(g, c);
	return s;
}

/* The gradient of one block, in place of its probabilities; entropy: of the cross entropy's sum, 0 where there is none. Ignored voxels: 0. */
static void gradient(const struct k_loss *g, struct block *b, const double *factor, const float entropy)
{
	const struct smooth even = smooth_of(g, entropy);
	const float ce = entropy * (1 - g->smoothing);

	for (int v = 0; v < BLOCK; v += VL) {
		float *q = b->p + v;
		vec dot = {0}, label = load(b->label + v), zero = {0}, own_ce = ce * load(b->weight + v), there = load(b->there + v);

		for (int64_t c = 0; c < g->k; c++) {
			vec p = load(q + c * BLOCK), a = zero + (float)factor[2 * c + 1];

			if (g->squared)
				a *= 2 * p;
			dot += p * (a + vec_choose(label == (float)c, zero + (float)factor[2 * c], zero));
		}
		for (int64_t c = 0; c < g->k; c++) {
			vec p = load(q + c * BLOCK), a = zero + (float)factor[2 * c + 1], d;
			ints own = label == (float)c;

			if (g->squared)
				a *= 2 * p;
			a += vec_choose(own, zero + (float)factor[2 * c], zero);
			d = p * (a - dot) + own_ce * (p - vec_choose(own, zero + 1, zero));
			if (even.share > 0)
				d += even.share * (even.all * p - (float)loss_weight(g, c));
			store(q + c * BLOCK, d * there);
		}
	}
}

/* Of channels by themselves, overlap alone. */
static void gradient_each(const struct k_loss *g, struct block *b, const double *factor)
{
	for (int64_t c = 0; c < g->k; c++)
		for (int v = 0; v < BLOCK; v += VL) {
			float *q = b->p + c * BLOCK + v;
			vec p = load(q), zero = {0}, a = zero + (float)factor[2 * c + 1];

			if (g->squared)
				a *= 2 * p;
			a += vec_choose(block_is(g, b, v, c), zero + (float)factor[2 * c], zero);
			store(q, p * (1 - p) * a * load(b->there + v));
		}
}

static void chunk_gradient(const struct k_loss *g, const float *l, const uint8_t *label, float *d, int64_t vox, const double *factor, float entropy,
	double *part)
{
	struct block b = {.p = (float *)(part + part_len(g))}, logits = {.p = b.p + g->k * BLOCK};
	const int own_entropy = g->entropy == K_CE && !loss_binary(g);

	for (int64_t v = 0; v < vox; v += BLOCK) {
		int64_t n = vox - v < BLOCK ? vox - v : BLOCK;

		take(g, &b, d + v * g->k, label + v, n);
		if (loss_each(g))
			gradient_each(g, &b, factor);
		else
			gradient(g, &b, factor, own_entropy ? entropy : 0);
		if (!own_entropy && entropy > 0) {
			take(g, &logits, l + v * g->k, label + v, n);
			(loss_binary(g) ? binary_gradient : soft_focal_gradient)(g, &logits, &b, entropy);
		}
		give(g, &b, d + v * g->k, n);
	}
}

int K(loss)(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double out[3], void *scratch, struct err *e)
{
	int64_t chunks = chunks_of(g), step = step_of(g), wrong;
	double *part = scratch, *sums = part + g->n * chunks * step, *factor = sums + 3 * g->n * g->k, over, share, valid;

#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < g->n * chunks; i++) {
		int64_t in = i % chunks * CHUNK, at = i / chunks * g->vox + in, vox = g->vox - in < CHUNK ? g->vox - in : CHUNK;

		chunk_sums(g, logits + at * g->k, label + at, dlogits ? dlogits + at * g->k : NULL, vox, part + i * step);
	}
	wrong = gather(g, part, step, sums, &out[2], &valid);
	if (wrong >= 0)
		return loss_refuse(g, label[wrong], wrong, e);
	over = loss_entropy_over(g, sums, valid);
	share = g->w_ce > 0 && valid > 0 ? (double)g->w_ce / over : 0;
	out[1] = loss_overlap(g, sums, factor);
	out[2] = g->w_ce > 0 && valid > 0 ? out[2] / over : 0;
	out[0] = (double)g->w_dice * out[1] + (double)g->w_ce * out[2];
	if (!dlogits)
		return 0;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < g->n * chunks; i++) {
		int64_t in = i % chunks * CHUNK, at = i / chunks * g->vox + in, vox = g->vox - in < CHUNK ? g->vox - in : CHUNK;

		chunk_gradient(g, logits + at * g->k, label + at, dlogits + at * g->k, vox, factor + 2 * (i / chunks * g->k), (float)share,
		               part + i * step);
	}
	return 0;
}
