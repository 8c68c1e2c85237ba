/* What of a loss is the same on the CPU and the GPU, where K_TEXT is what par.h says: which channels count, and what follows from the sums. */
#ifndef NIIPIPE_LOSS_OVERLAP_H
#define NIIPIPE_LOSS_OVERLAP_H

#include <math.h>

#include "kernels/backend.h"

#include "kernels/text.h"

/* The first channel that counts where the background may be left out. */
K_TEXT int64_t loss_first(const struct k_loss *g)
{
	return g->background || g->k == 1 || g->regions ? 0 : 1;
}

K_TEXT double loss_weight(const struct k_loss *g, int64_t c)
{
	return g->weight ? (double)g->weight[c] : 1;
}

/* Is every channel by itself, its probability a sigmoid? */
K_TEXT int loss_each(const struct k_loss *g)
{
	return g->k == 1 || g->regions;
}

/* Is the entropy one of each channel against the rest, and from which channel on? */
K_TEXT int loss_binary(const struct k_loss *g)
{
	return loss_each(g) || g->entropy == K_BCE || g->entropy == K_FOCAL;
}

/* From which channel on the entropy counts: all but focal losses have the background */
K_TEXT int64_t loss_entropy_first(const struct k_loss *g)
{
	return g->entropy == K_FOCAL || g->entropy == K_FOCAL_SOFTMAX ? loss_first(g) : 0;
}

K_TEXT int loss_ignored(const struct k_loss *g, uint8_t label)
{
	return g->masked && label == g->ignore;
}

K_TEXT int loss_wrong(const struct k_loss *g, uint8_t label)
{
	return g->regions ? (g->regions[label] & K_NO_REGION) != 0 : label >= (g->k == 1 ? 2 : g->k);
}

/* Of the softmax focal loss: what class c's voxels count by */
K_TEXT double loss_focal_weight(const struct k_loss *g, int64_t c)
{
	return loss_weight(g, c) * (!g->background ? 1 : c ? (double)g->pos : (double)g->neg);
}

/* What the entropy's sum is divided by, 0: there is none; valid: how many voxels are not ignored; sums as overlap_value has them. */
K_TEXT double loss_entropy_over(const struct k_loss *g, const double *sums, double valid)
{
	double over = 0;

	if (!(valid > 0))
		return 0;
	if (loss_binary(g) || g->entropy == K_FOCAL_SOFTMAX)
		return g->masked ? valid : valid * (double)(g->k - loss_entropy_first(g));
	if (!g->weight)
		return valid;
	for (int64_t n = 0; n < (g->batch ? 1 : g->n); n++)
		for (int64_t c = 0; c < g->k; c++)
			over += loss_weight(g, c) * sums[(3 * n + 2) * g->k + c];
	return over;
}

/* 1 - (s I + nr) / (s (I + a (P - I) + b (G - I)) + dr) */
struct overlap_shape { double s, a, b; };

K_TEXT struct overlap_shape overlap_shape(const struct k_loss *g)
{
	struct overlap_shape s = {2, 0.5, 0.5};

	if (g->overlap == K_JACCARD)
		s.a = s.b = 1;
	if (g->overlap == K_TVERSKY)
		s.s = 1, s.a = (double)g->alpha, s.b = (double)g->beta;
	return s;
}

/* Dice, Jaccard, Tversky of one channel with factor f of its loss: value times f, gradients. */
K_TEXT double ratio(const struct k_loss *g, const double *in, double f, double *factor)
{
	struct overlap_shape s = overlap_shape(g);
	double both = in[0], pred = in[g->k], truth = in[2 * g->k];
	double num = s.s * both + (double)g->smooth_nr, den = s.s * (both + s.a * (pred - both) + s.b * (truth - both)) + (double)g->smooth_dr;
	double each = 1 / den, part = num * each; /* a GPU divides slowly */

	factor[0] = -f * (s.s - part * s.s * (1 - s.a - s.b)) * each;
	factor[1] = f * part * s.s * s.a * each;
	return f * (1 - part);
}

K_TEXT double mean_ratio(const struct k_loss *g, const double *sums, int64_t groups, double *factor)
{
	int64_t first = loss_first(g);
	int weighted = g->k > 1 && (g->overlap == K_DICE || g->overlap == K_JACCARD);
	double sum = 0, f = 1 / (double)(groups * (g->k - first));

	for (int64_t n = 0; n < groups; n++)
		for (int64_t c = first; c < g->k; c++)
			sum += ratio(g, sums + 3 * n * g->k + c, weighted ? f * loss_weight(g, c) : f, factor + 2 * (n * g->k + c));
	return sum;
}

/* Largest factor of a class that is there; 0: none is. */
K_TEXT double rarest(const struct k_loss *g, const double *truth)
{
	double most = 0;

	for (int64_t c = loss_first(g); c < g->k; c++)
		most = fmax(most, truth[c] > 0 ? pow(truth[c], -g->power) : 0);
	return most;
}

K_TEXT double generalised(const struct k_loss *g, const double *sums, int64_t groups, double *factor)
{
	double sum = 0;

	for (int64_t n = 0; n < groups; n++) {
		const double *both = sums + 3 * n * g->k, *pred = both + g->k, *truth = pred + g->k;
		double num = (double)g->smooth_nr, den = (double)g->smooth_dr, most = g->power ? rarest(g, truth) : 1;

		for (int64_t c = loss_first(g); c < g->k; c++) {
			double v = truth[c] > 0 ? pow(truth[c], -g->power) : most;

			num += 2 * v * both[c], den += v * (pred[c] + truth[c]);
			factor[2 * (n * g->k + c)] = v;
		}
		for (int64_t c = loss_first(g); c < g->k; c++) {
			double *f = factor + 2 * (n * g->k + c), v = f[0] / den / (double)groups;

			f[0] = -2 * v, f[1] = v * num / den;
		}
		sum += 1 - num / den;
	}
	return sum / (double)groups;
}

/* The overlap term of g from its sums: of every group (an n; batch: all) I, P and G of every channel, [groups][3][k]. factor [n][k][2] becomes the
   gradient of w_dice times the term by I and by P. */
K_TEXT double overlap_value(const struct k_loss *g, const double *sums, double *factor)
{
	int64_t groups = g->batch ? 1 : g->n, each = 2 * g->k;
	double value;

	for (int64_t i = 0; i < g->n * each; i++)
		factor[i] = 0;
	if (!(g->w_dice > 0))
		return 0;
	value = g->overlap == K_GENERALISED ? generalised(g, sums, groups, factor) : mean_ratio(g, sums, groups, factor);
	for (int64_t i = 0; i < groups * each; i++)
		factor[i] *= (double)g->w_dice;
	for (int64_t i = groups * each; i < g->n * each; i++)
		factor[i] = factor[i - each];
	return value;
}

#endif
