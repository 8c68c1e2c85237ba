/* The loss in plain double precision, straight from its definition in kernels/backend.h: nothing is shared between its terms. */
#ifndef TESTS_REF_LOSS_H
#define TESTS_REF_LOSS_H

#include <math.h>
#include <stdlib.h>

#include "kernels/backend.h"

static inline double ref_prob(const struct k_loss *g, const double *l, int64_t c)
{
	double sum = 0;

	if (g->k == 1 || g->regions)
		return 1 / (1 + exp(-l[c]));
	for (int64_t i = 0; i < g->k; i++)
		sum += exp(l[i] - l[c]);
	return 1 / sum;
}

static inline double ref_own(const struct k_loss *g, uint8_t label, int64_t c)
{
	return g->regions ? g->regions[label] >> c & 1 : label == (g->k == 1 ? 1 : c);
}

static inline double ref_class_weight(const struct k_loss *g, int64_t c)
{
	return g->weight ? g->weight[c] : 1;
}

/* I, P, G of volumes n0 to n1 - 1 */
static inline void ref_overlap_sums(const struct k_loss *g, const double *l, const uint8_t *label, int64_t n0, int64_t n1, int64_t c, double s[3])
{
	s[0] = s[1] = s[2] = 0;
	for (int64_t v = n0 * g->vox; v < n1 * g->vox; v++) {
		double p = ref_prob(g, l + v * g->k, c), t = ref_own(g, label[v], c);

		if (g->masked && label[v] == g->ignore)
			continue;
		s[0] += p * t, s[1] += g->squared ? p * p : p, s[2] += t;
	}
}

static inline double ref_overlap(const struct k_loss *g, const double *l, const uint8_t *label)
{
	int64_t first = g->background || g->k == 1 || g->regions ? 0 : 1, groups = g->batch ? 1 : g->n, each = g->batch ? g->n : 1;
	double nr = (double)g->smooth_nr, dr = (double)g->smooth_dr, sum = 0, s[3];

	for (int64_t n = 0; n < groups; n++) {
		double top = nr, bottom = dr, most = 0;

		for (int64_t c = first; c < g->k; c++) {
			double w = g->k > 1 ? ref_class_weight(g, c) : 1, fp, fn;

			ref_overlap_sums(g, l, label, n * each, (n + 1) * each, c, s);
			fp = s[1] - s[0], fn = s[2] - s[0];
			if (g->overlap == K_DICE)
				sum += w * (1 - (2 * s[0] + nr) / (s[1] + s[2] + dr)) / (double)(g->k - first);
			else if (g->overlap == K_JACCARD)
				sum += w * (1 - (2 * s[0] + nr) / (2 * (s[1] + s[2] - s[0]) + dr)) / (double)(g->k - first);
			else if (g->overlap == K_TVERSKY)
				sum += (1 - (s[0] + nr) / (s[0] + (double)g->alpha * fp + (double)g->beta * fn + dr)) / (double)(g->k - first);
			most = s[2] > 0 ? fmax(most, pow(s[2], -g->power)) : most;
		}
		for (int64_t c = first; c < g->k && g->overlap == K_GENERALISED; c++) {
			ref_overlap_sums(g, l, label, n * each, (n + 1) * each, c, s);
			double w = s[2] > 0 || !g->power ? pow(s[2], -g->power) : most;

			top += 2 * w * s[0], bottom += w * (s[1] + s[2]);
		}
		sum += g->overlap == K_GENERALISED ? 1 - top / bottom : 0;
	}
	return sum / (double)groups;
}

static inline double ref_entropy(const struct k_loss *g, const double *l, const uint8_t *label)
{
	double sum = 0, over = 0;
	int ce = g->entropy == K_CE && g->k > 1 && !g->regions, focal = g->entropy == K_FOCAL || g->entropy == K_FOCAL_SOFTMAX;
	int64_t first = focal && !g->background && g->k > 1 && !g->regions ? 1 : 0, valid = 0;

	for (int64_t v = 0; v < g->n * g->vox; v++)
		for (int64_t c = first; c < g->k && !(g->masked && label[v] == g->ignore); c++) {
			double t = ref_own(g, label[v], c), w = ref_class_weight(g, c), x = l[v * g->k + c], z = t ? x : -x, s = 1 / (1 + exp(-z));
			double smooth = (double)g->smoothing;

			valid += c == first;
			if (g->entropy == K_FOCAL_SOFTMAX) {
				double p = 0;

				for (int64_t i = first; i < g->k; i++)
					p += exp(l[v * g->k + i] - x);
				p = 1 / p;
				sum -= !t ? 0 : w * (!g->background ? 1 : c ? (double)g->pos : (double)g->neg) * pow(1 - p, (double)g->gamma) * log(p);
				over += 1;
			} else if (ce) {
				sum -= w * log(ref_prob(g, l + v * g->k, c)) * ((1 - smooth) * t + smooth / (double)g->k);
				over += w * t;
			} else {
				sum -= log(s) * (!focal ? (t ? w : 1) : w * (t ? (double)g->pos : (double)g->neg) * pow(1 - s, (double)g->gamma));
				over += 1;
			}
		}
	return !valid ? 0 : sum / (g->masked && !ce ? (double)valid : over);
}

/* out: total, overlap, entropy */
static inline void ref_loss(const struct k_loss *g, const double *logits, const uint8_t *label, double out[3])
{
	out[1] = g->w_dice > 0 ? ref_overlap(g, logits, label) : 0;
	out[2] = g->w_ce > 0 ? ref_entropy(g, logits, label) : 0;
	out[0] = (double)g->w_dice * out[1] + (double)g->w_ce * out[2];
}

#endif
