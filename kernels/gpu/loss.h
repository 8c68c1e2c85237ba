/* What losses of any number of channels (loss.c) and of few (loss_few.c) share: where things are in scratch, the entropies of a voxel. */
#ifndef NIIPIPE_GPU_LOSS_H
#define NIIPIPE_GPU_LOSS_H

#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"
#include "kernels/loss_overlap.h"

enum { CHUNK = 4096, BAND = 4, REGIONS = 256 }; /* voxels; channels; entries of the table of regions */
#define BAND_FOR(b) UNROLLED for (int b = 0; b < BAND; b++)

/* Where things are in scratch; result: K_LOSS_RESULTS; share: what a voxel's entropy counts by; sums: [groups][3][k], then entropy, wrong and
   valid */
struct loss_room { float *lse, *weight, *regions; double *entropy, *wrong, *valid, *part, *sums, *factor, *result, *share; };

static inline int64_t chunks_of(const struct k_loss *g)
{
	return (g->vox + CHUNK - 1) / CHUNK;
}

static inline struct loss_room room_of(const struct k_loss *g, void *scratch)
{
	int64_t teams = g->n * chunks_of(g);
	struct loss_room r;

	r.result = (double *)scratch;
	r.share = r.result + K_LOSS_RESULTS;
	r.entropy = r.share + 1;
	r.wrong = r.entropy + teams;
	r.valid = r.wrong + teams;
	r.part = r.valid + teams;
	r.sums = r.part + 3 * teams * g->k;
	r.factor = r.sums + 3 * g->n * g->k + 3;
	r.weight = (float *)(r.factor + 2 * g->n * g->k);
	r.regions = r.weight + g->k;
	r.lse = r.regions + REGIONS;
	return r;
}

/* s: sigmoid(z); cost: -log s, exact also near 0; down: (1 - s)^gamma */
struct logistic { float s, cost, down; };

DEVICE struct logistic logistic(float z, float gamma)
{
	float e = expf(z > 0 ? -z : z);
	struct logistic r;

	r.s = (z > 0 ? 1 : e) / (1 + e);
	r.cost = log1pf(e) + (z > 0 ? 0 : -z);
	r.down = gamma > 0 ? expf(-gamma * (r.cost + z)) : 1;
	return r;
}

/* The class a label says; of one channel 0 is the channel, -1 none; of regions which channels, a bit each. */
DEVICE int64_t class_of(const struct k_loss *g, uint8_t label)
{
	return g->regions ? (int64_t)g->regions[label] : g->k == 1 ? (int64_t)label - 1 : label;
}

/* Is that channel c? */
DEVICE int is_of(const struct k_loss *g, int64_t own, int64_t c)
{
	return g->regions ? (int)(own >> c & 1) : own == c;
}

/* Entropies of one channel against the rest; d NULL: the value, else the gradient times share is added. */
DEVICE float binary(const struct k_loss *g, const float *l, int64_t own, float share, float *d)
{
	const int64_t first = loss_entropy_first(g);
	float sum = 0;

	UNROLLED_BY(BAND) for (int64_t c = 0; c < g->k; c++) {
		if (c < first)
			continue;
		float w = (float)loss_weight(g, c), pos = g->entropy == K_FOCAL ? g->pos * w : w, neg = g->entropy == K_FOCAL ? g->neg * w : 1;
		float gamma = g->entropy == K_FOCAL ? g->gamma : 0, m;
		const int is = is_of(g, own, c);
		struct logistic r = logistic(is ? l[c] : -l[c], gamma);

		sum += (is ? pos : neg) * r.down * r.cost;
		m = (is ? -pos : neg) * share * r.down * (gamma * r.s * r.cost + (1 - r.s));
		if (d)
			d[c] += m;
	}
	return sum;
}

/* The softmax focal loss, of what follows channel `first`; d NULL: the value, else the gradient times share is added. */
DEVICE float soft_focal(const struct k_loss *g, const float *l, int64_t own, float share, float *d)
{
	const int64_t first = loss_entropy_first(g);
	float most = -INFINITY, sum = 0, others = 0, at = 0, w, rest, cost, down, m;

	if (own < first || own >= g->k)
		return 0;
	UNROLLED_BY(BAND) for (int64_t c = 0; c < g->k; c++)
		most = c >= first && l[c] > most ? l[c] : most;
	UNROLLED_BY(BAND) for (int64_t c = 0; c < g->k; c++) {
		float x = c < first ? 0 : expf(l[c] - most);

		sum += x;
		others += c == own ? 0 : x;
		at = c == own ? l[c] : at;
	}
	w = (float)loss_focal_weight(g, own), rest = others / sum;
	cost = rest < 1e-3f ? rest * (1 + rest * (0.5f + rest / 3)) : logf(sum) - (at - most);
	down = g->gamma > 0 ? powf(rest, g->gamma) : 1;
	m = share * w * down * (1 + g->gamma * (1 - rest) * (rest > 1e-30f ? cost / rest : 1));
	UNROLLED_BY(BAND) for (int64_t c = 0; c < g->k; c++)
		if (d && c >= first)
			d[c] += m * (c == own ? -rest : expf(l[c] - most) / sum);
	return w * down * cost;
}

#ifdef __cplusplus
extern "C" {
#endif

/* Of up to BAND channels: the sums of all chunks; the gradient */
int gpu_loss_few(struct k_loss g, struct loss_room r, int64_t chunks, const float *l, const uint8_t *label);
int gpu_loss_gradient_few(struct k_loss g, struct loss_room r, int64_t chunks, const float *l, const uint8_t *label, float *dl);

#ifdef __cplusplus
}
#endif

#endif
