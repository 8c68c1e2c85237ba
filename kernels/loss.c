/* Softmax, Dice and cross entropy in two passes: sums (the probabilities go where the gradient will be), then the gradient.
   With p = softmax(l), g one-hot:  I = sum p g,  D = sum p + g (squares where squared),  dice = 1 - (2 I + nr)/(D + dr),
   d dice/dp = (2 I + nr)/(D + dr)^2 (1 or 2 p) - 2 g/(D + dr),  dl_j = p_j (a_j - sum_c p_c a_c) for a = d/dp,  d ce/dl_j = (p_j - g_j)/(n vox). */
#include "kernels/cpu.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 8192, RUN = 64 }; /* voxels */

/* Of a chunk: cross entropy, first wrong voxel, then per class I and D. */
enum { CE, WRONG, CLASSES };

static int64_t chunks_of(const struct k_loss *g)
{
	return (g->vox + CHUNK - 1) / CHUNK;
}

static int64_t part_len(const struct k_loss *g)
{
	return CLASSES + 2 * g->k;
}

/* Per chunk a part and room for one voxel's probabilities; then per (n, class) the two factors of the gradient. */
size_t K(loss_scratch)(const struct k_loss *g)
{
	return sizeof(double) * (size_t)(g->n * chunks_of(g) * (part_len(g) + g->k) + 4 * g->n * g->k);
}

/* Probabilities of one voxel; returns log sum exp. */
static double softmax(const float *l, int64_t k, float *p)
{
	float top = l[0];
	double sum = 0;

	for (int64_t c = 1; c < k; c++)
		top = l[c] > top ? l[c] : top;
	for (int64_t c = 0; c < k; c++)
		sum += p[c] = expf(l[c] - top);
	for (int64_t c = 0; c < k; c++)
		p[c] = (float)(p[c] / sum);
	return top + log(sum);
}

static void chunk_sums(const struct k_loss *g, const float *l, const uint8_t *label, float *keep, int64_t vox, double *part, float *room)
{
	double *in = part + CLASSES, *d = in + g->k;

	memset(part, 0, sizeof *part * (size_t)part_len(g));
	part[WRONG] = -1;
	for (int64_t v = 0; v < vox; v++, l += g->k) {
		float *p = keep ? keep + v * g->k : room;
		double lse = softmax(l, g->k, p);

		if (label[v] >= g->k) {
			part[WRONG] = part[WRONG] < 0 ? (double)v : part[WRONG];
			continue;
		}
		part[CE] += lse - l[label[v]];
		in[label[v]] += p[label[v]];
		d[label[v]] += 1;
		for (int64_t c = 0; c < g->k; c++)
			d[c] += g->squared ? (double)p[c] * p[c] : p[c];
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

static void chunk_gradient(const struct k_loss *g, const uint8_t *label, float *d, int64_t vox, const double *factor)
{
	float ce = (float)((double)g->w_ce / (double)(g->n * g->vox));

	for (int64_t v = 0; v < vox; v++, d += g->k) {
		float dot = 0;

		for (int64_t c = 0; c < g->k; c++) {
			float a = (float)factor[2 * c + 1] * (g->squared ? 2 * d[c] : 1) + (label[v] == c ? (float)factor[2 * c] : 0);

			dot += a * d[c];
		}
		for (int64_t c = 0; c < g->k; c++) {
			float a = (float)factor[2 * c + 1] * (g->squared ? 2 * d[c] : 1) + (label[v] == c ? (float)factor[2 * c] : 0);

			d[c] = d[c] * (a - dot) + ce * (d[c] - (label[v] == c));
		}
	}
}

int K(loss)(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double out[3], void *scratch, struct err *e)
{
	int64_t chunks = chunks_of(g), step = part_len(g) + g->k, wrong;
	double *part = scratch, *factor = part + g->n * chunks * step;

#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < g->n * chunks; i++) {
		int64_t in = i % chunks * CHUNK, at = i / chunks * g->vox + in, vox = g->vox - in < CHUNK ? g->vox - in : CHUNK;

		chunk_sums(g, logits + at * g->k, label + at, dlogits ? dlogits + at * g->k : NULL, vox, part + i * step, (float *)(part + i * step + part_len(g)));
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

		chunk_gradient(g, label + at, dlogits + at * g->k, vox, factor + 2 * (i / chunks * g->k));
	}
	return 0;
}
