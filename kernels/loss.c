/* Softmax, Dice and cross entropy in two passes: sums (the probabilities go where the gradient will be), then the gradient. Voxels go through in
   blocks with the classes apart, so that every step is on whole vectors; sums are floats within a block, then doubles.
   With p = softmax(l), g one-hot:  I = sum p g,  D = sum p + g (squares where squared),  dice = 1 - (2 I + nr)/(D + dr),
   d dice/dp = (2 I + nr)/(D + dr)^2 (1 or 2 p) - 2 g/(D + dr),  dl_j = p_j (a_j - sum_c p_c a_c) for a = d/dp,  d ce/dl_j = (p_j - g_j)/(n vox). */
#include "kernels/cpu.h"

#include <string.h>

#include "kernels/vmath.h"

enum { CHUNK = 8192, BLOCK = 64 }; /* voxels */

/* Of a chunk: cross entropy, first wrong voxel, then per class I and D. */
enum { CE, WRONG, CLASSES };

/* One block: logits, then probabilities, of every class [k][BLOCK]; labels. Voxels beyond the end have weight 0. */
struct block { float *p; float label[BLOCK], weight[BLOCK]; };

static int64_t chunks_of(const struct k_loss *g)
{
	return (g->vox + CHUNK - 1) / CHUNK;
}

static int64_t part_len(const struct k_loss *g)
{
	return CLASSES + 2 * g->k;
}

/* Per chunk a part and room for one block; then per (n, class) the two factors of the gradient. */
static int64_t step_of(const struct k_loss *g)
{
	return part_len(g) + g->k * BLOCK / 2;
}

size_t K(loss_scratch)(const struct k_loss *g)
{
	return sizeof(double) * (size_t)(g->n * chunks_of(g) * step_of(g) + 4 * g->n * g->k);
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
	if (vox < BLOCK)
		memset(b->p, 0, sizeof *b->p * (size_t)(g->k * BLOCK));
	if (g->k == 2)
		apart(b->p, l, vox, 2);
	else
		apart(b->p, l, vox, g->k);
	for (int64_t v = 0; v < BLOCK; v++)
		b->label[v] = v < vox ? label[v] : 0, b->weight[v] = v < vox;
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

/* I and D of a block, added to in and d. */
static void overlap(const struct k_loss *g, const struct block *b, double *in, double *d)
{
	for (int64_t c = 0; c < g->k; c++) {
		vec both = {0}, all = {0};

		for (int v = 0; v < BLOCK; v += VL) {
			vec p = load(b->p + c * BLOCK + v), w = load(b->weight + v), t = vec_choose(load(b->label + v) == (float)c, w, (vec){0});

			both += p * t;
			if (g->squared)
				p *= p;
			all += p * w + t;
		}
		in[c] += vec_total(both);
		d[c] += vec_total(all);
	}
}

static void chunk_sums(const struct k_loss *g, const float *l, const uint8_t *label, float *keep, int64_t vox, double *part)
{
	struct block b = {.p = (float *)(part + part_len(g))};

	memset(part, 0, sizeof *part * (size_t)part_len(g));
	part[WRONG] = -1;
	for (int64_t v = 0; v < vox && part[WRONG] < 0; v++)
		if (label[v] >= g->k)
			part[WRONG] = (double)v;
	for (int64_t v = 0; v < vox; v += BLOCK) {
		int64_t n = vox - v < BLOCK ? vox - v : BLOCK;

		take(g, &b, l + v * g->k, label + v, n);
		part[CE] += softmax(g, &b);
		overlap(g, &b, part + CLASSES, part + CLASSES + g->k);
		if (keep)
			give(g, &b, keep + v * g->k, n);
	}
}

/* Sums of the parts, by n (batch: all in the first), into the first parts' places. Returns the first wrong voxel or -1. */
static int64_t gather(const struct k_loss *g, double *part, int64_t step, double *ce)
{
	int64_t chunks = chunks_of(g), wrong = -1;

	*ce = 0;
	for (int64_t i = 0; i < g->n * chunks; i++) {
		double *p = part + i * step, *to = part + (g->batch ? 0 : i / chunks * chunks) * step;

		*ce += p[CE];
		if (p[WRONG] >= 0 && wrong < 0)
			wrong = i / chunks * g->vox + i % chunks * CHUNK + (int64_t)p[WRONG];
		for (int64_t c = 0; c < 2 * g->k && to != p; c++)
			to[CLASSES + c] += p[CLASSES + c];
	}
	return wrong;
}

/* Dice, and of every (n, class) the gradient's factors: of g, and of 1 or 2 p. */
static double dice(const struct k_loss *g, const double *part, int64_t step, double *factor)
{
	int64_t first = g->background || g->k == 1 ? 0 : 1, groups = g->batch ? 1 : g->n;
	double sum = 0, terms = (double)(groups * (g->k - first));

	for (int64_t n = 0; n < g->n; n++)
		for (int64_t c = 0; c < g->k; c++) {
			const double *p = part + (g->batch ? 0 : n * chunks_of(g)) * step + CLASSES;
			double num = 2 * p[c] + (double)g->smooth_nr, den = p[g->k + c] + (double)g->smooth_dr, *f = factor + 2 * (n * g->k + c);

			f[0] = f[1] = 0;
			if (c < first)
				continue;
			if (n < groups)
				sum += 1 - num / den;
			f[0] = -(double)g->w_dice * 2 / den / terms;
			f[1] = (double)g->w_dice * num / (den * den) / terms;
		}
	return sum / terms;
}

/* The gradient of one block, in place of its probabilities. */
static void gradient(const struct k_loss *g, struct block *b, const double *factor)
{
	const float ce = (float)((double)g->w_ce / (double)(g->n * g->vox));

	for (int v = 0; v < BLOCK; v += VL) {
		float *q = b->p + v;
		vec dot = {0}, label = load(b->label + v), zero = {0};

		for (int64_t c = 0; c < g->k; c++) {
			vec p = load(q + c * BLOCK), a = zero + (float)factor[2 * c + 1];

			if (g->squared)
				a *= 2 * p;
			dot += p * (a + vec_choose(label == (float)c, zero + (float)factor[2 * c], zero));
		}
		for (int64_t c = 0; c < g->k; c++) {
			vec p = load(q + c * BLOCK), a = zero + (float)factor[2 * c + 1];
			ints own = label == (float)c;

			if (g->squared)
				a *= 2 * p;
			a += vec_choose(own, zero + (float)factor[2 * c], zero);
			store(q + c * BLOCK, p * (a - dot) + ce * (p - vec_choose(own, zero + 1, zero)));
		}
	}
}

static void chunk_gradient(const struct k_loss *g, const uint8_t *label, float *d, int64_t vox, const double *factor, double *part)
{
	struct block b = {.p = (float *)(part + part_len(g))};

	for (int64_t v = 0; v < vox; v += BLOCK) {
		int64_t n = vox - v < BLOCK ? vox - v : BLOCK;

		take(g, &b, d + v * g->k, label + v, n);
		gradient(g, &b, factor);
		give(g, &b, d + v * g->k, n);
	}
}

int K(loss)(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double out[3], void *scratch, struct err *e)
{
	int64_t chunks = chunks_of(g), step = step_of(g), wrong;
	double *part = scratch, *factor = part + g->n * chunks * step;

#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < g->n * chunks; i++) {
		int64_t in = i % chunks * CHUNK, at = i / chunks * g->vox + in, vox = g->vox - in < CHUNK ? g->vox - in : CHUNK;

		chunk_sums(g, logits + at * g->k, label + at, dlogits ? dlogits + at * g->k : NULL, vox, part + i * step);
	}
	wrong = gather(g, part, step, &out[2]);
	if (wrong >= 0)
		return err_set(e, NULL, "label %d at voxel %lld: the network has %lld classes", label[wrong], (long long)wrong, (long long)g->k);
	out[2] /= (double)(g->n * g->vox);
	out[1] = dice(g, part, step, factor);
	out[0] = (double)g->w_dice * out[1] + (double)g->w_ce * out[2];
	if (!dlogits)
		return 0;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < g->n * chunks; i++) {
		int64_t in = i % chunks * CHUNK, at = i / chunks * g->vox + in, vox = g->vox - in < CHUNK ? g->vox - in : CHUNK;

		chunk_gradient(g, label + at, dlogits + at * g->k, vox, factor + 2 * (i / chunks * g->k), part + i * step);
	}
	return 0;
}
