/* Losses (kernels/backend.h), in three steps: of every voxel the logarithm of the softmax's sum, and the entropy; of every channel I, P and G; then,
   behind what follows from these, the gradient. Scratch: [n,vox] of logarithms, parts of the sums, sums, factors of the gradient, results, weights.
   */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"
#include "kernels/loss_overlap.h"

enum { CHUNK = 8192, BAND = 4 }; /* voxels; channels */
#define BAND_FOR(b) for (int b = 0; b < BAND; b++)

/* What a lane sums in: its share of a chunk, which to gcc is all of it */
#ifdef __CUDACC__
#define SUM float
#else
#define SUM double
#endif

/* Where things are in scratch */
struct room { float *lse, *weight; double *entropy, *wrong, *valid, *part, *sums, *factor, *result; };

static inline int64_t chunks_of(const struct k_loss *g)
{
	return (g->vox + CHUNK - 1) / CHUNK;
}

static inline struct room room_of(const struct k_loss *g, void *scratch)
{
	int64_t teams = g->n * chunks_of(g);
	struct room r;

	r.result = (double *)scratch;
	r.entropy = r.result + GPU_LOSS_RESULTS;
	r.wrong = r.entropy + teams;
	r.valid = r.wrong + teams;
	r.part = r.valid + teams;
	r.sums = r.part + 3 * teams * g->k;
	r.factor = r.sums + 3 * g->n * g->k;
	r.weight = (float *)(r.factor + 2 * g->n * g->k);
	r.lse = r.weight + g->k;
	return r;
}

size_t gpu_loss_bytes(const struct k_loss *g)
{
	return sizeof(double) * (size_t)(GPU_LOSS_RESULTS + g->n * chunks_of(g) * (3 + 3 * g->k) + 5 * g->n * g->k) + sizeof(float) * (size_t)(g->k +
		g->n * g->vox);
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

/* The class a label says; of one channel 0 is the channel, -1 none. */
DEVICE int64_t class_of(const struct k_loss *g, uint8_t label)
{
	return g->k == 1 ? (int64_t)label - 1 : label;
}

/* Entropies of one channel against the rest; d NULL: the value, else the gradient times share is added. */
DEVICE float binary(const struct k_loss *g, const float *l, int64_t own, float share, float *d)
{
	float sum = 0;

	for (int64_t c = loss_entropy_first(g); c < g->k; c++) {
		float w = (float)loss_weight(g, c), pos = g->entropy == K_FOCAL ? g->pos * w : w, neg = g->entropy == K_FOCAL ? g->neg * w : 1;
		float gamma = g->entropy == K_FOCAL ? g->gamma : 0, m;
		struct logistic r = logistic(c == own ? l[c] : -l[c], gamma);

		sum += (c == own ? pos : neg) * r.down * r.cost;
		m = (c == own ? -pos : neg) * share * r.down * (gamma * r.s * r.cost + (1 - r.s));
		if (d)
			d[c] += m;
	}
	return sum;
}

/* Cross entropy with label smoothing */
DEVICE float cross(const struct k_loss *g, const float *l, int64_t own, float lse)
{
	float w = (float)(own < g->k ? loss_weight(g, own) : 0), sum = (1 - g->smoothing) * w * (lse - l[own < g->k ? own : 0]), all = 0;

	for (int64_t c = 0; g->smoothing > 0 && c < g->k; c++)
		all += (float)loss_weight(g, c) * (lse - l[c]);
	return sum + g->smoothing / (float)g->k * all;
}

/* The softmax focal loss, of what follows channel `first`; d NULL: the value, else the gradient times share is added. */
DEVICE float soft_focal(const struct k_loss *g, const float *l, int64_t own, float share, float *d)
{
	const int64_t first = loss_entropy_first(g);
	float most = l[first], sum = 0, others = 0, w, rest, cost, down, m;

	if (own < first || own >= g->k)
		return 0;
	for (int64_t c = first + 1; c < g->k; c++)
		most = l[c] > most ? l[c] : most;
	for (int64_t c = first; c < g->k; c++) {
		float x = expf(l[c] - most);

		sum += x;
		others += c == own ? 0 : x;
	}
	w = (float)loss_focal_weight(g, own), rest = others / sum;
	cost = rest < 1e-3f ? rest * (1 + rest * (0.5f + rest / 3)) : logf(sum) - (l[own] - most);
	down = g->gamma > 0 ? powf(rest, g->gamma) : 1;
	m = share * w * down * (1 + g->gamma * (1 - rest) * (rest > 1e-30f ? cost / rest : 1));
	for (int64_t c = first; d && c < g->k; c++)
		d[c] += m * (c == own ? -rest : expf(l[c] - most) / sum);
	return w * down * cost;
}

/* A voxel's entropy */
DEVICE float entropy_of(const struct k_loss *g, const float *l, int64_t own, float lse)
{
	if (loss_binary(g))
		return binary(g, l, own, 0, NULL);
	return g->entropy == K_FOCAL_SOFTMAX ? soft_focal(g, l, own, 0, NULL) : cross(g, l, own, lse);
}

DEVICE float lse_of(const float *l, int64_t k)
{
	float most = l[0], sum = 0;

	for (int64_t c = 1; c < k; c++)
		most = l[c] > most ? l[c] : most;
	for (int64_t c = 0; c < k; c++)
		sum += expf(l[c] - most);
	return most + logf(sum);
}

KERNEL(loss_voxels, (struct k_loss g, struct room r, int64_t chunks, const float *l, const uint8_t *label), (g, r, chunks, l, label), g.n * chunks)
{
	int classes = g.k == 1 ? 2 : (int)g.k;

	TEAM_FOR(t, g.n * chunks) {
		int64_t first = t % chunks * CHUNK, end = first + CHUNK < g.vox ? first + CHUNK : g.vox, at = t / chunks * g.vox;
		double sum = 0, wrong = 0, valid = 0; /* how many */

		LANE_FOR(v, at + first, at + end) {
			const float *p = l + v * g.k;
			int64_t own = class_of(&g, label[v]);

			int there = !loss_ignored(&g, label[v]);

			wrong += there && label[v] >= classes;
			valid += there;
			r.lse[v] = g.k > 1 ? lse_of(p, g.k) : 0;
			if (g.w_ce > 0 && there)
				sum += (double)entropy_of(&g, p, own, r.lse[v]);
		}
		sum = team_sum(sum), wrong = team_sum(wrong), valid = team_sum(valid);
		if (FIRST_LANE)
			r.entropy[t] = sum, r.wrong[t] = wrong, r.valid[t] = valid;
	}
}

DEVICE float probability(const struct k_loss *g, const float *l, float lse, int64_t c)
{
	return g->k == 1 ? 1 / (1 + expf(-l[0])) : expf(l[c] - lse);
}

/* part [n,chunk][k][3]; a team to a chunk and up to BAND channels, so that of few a voxel is read once: CHUNK / TEAM of them to a lane, in floats */
KERNEL(loss_sums, (struct k_loss g, struct room r, int64_t chunks, int64_t bands, const float *l, const uint8_t *label),
	(g, r, chunks, bands, l, label), g.n * chunks * bands)
{
	TEAM_FOR(t, g.n * chunks * bands) {
		const int64_t c = t % bands * BAND, chunk = t / bands, k = chunk % chunks * CHUNK, end = k + CHUNK < g.vox ? k + CHUNK : g.vox;
		const int64_t at = chunk / chunks * g.vox;
		SUM both[BAND] = {0}, pred[BAND] = {0}, truth[BAND] = {0};

		LANE_FOR(v, at + k, at + end) {
			const int there = !loss_ignored(&g, label[v]);
			const int64_t own = class_of(&g, label[v]) - c;

			BAND_FOR(b)
				if (there && c + b < g.k) {
					const float p = probability(&g, l + v * g.k, r.lse[v], c + b);

					both[b] += own == b ? p : 0;
					pred[b] += g.squared ? p * p : p;
					truth[b] += own == b;
				}
		}
		BAND_FOR(b) {
			const double sum[3] = {team_sum((double)both[b]), team_sum((double)pred[b]), team_sum((double)truth[b])};

			for (int i = 0; i < 3 && FIRST_LANE && c + b < g.k; i++)
				r.part[3 * (chunk * g.k + c + b) + i] = sum[i];
		}
	}
}

/* sums [groups][3][k]: a team each */
KERNEL(loss_fold, (struct k_loss g, struct room r, int64_t chunks), (g, r, chunks), (g.batch ? 1 : g.n) * 3 * g.k)
{
	int64_t groups = g.batch ? 1 : g.n, each = g.n * chunks / groups;

	TEAM_FOR(t, groups * 3 * g.k) {
		int64_t group = t / (3 * g.k), what = t / g.k % 3, c = t % g.k;
		double sum = 0;

		LANE_FOR(i, group * each, (group + 1) * each)
			sum += r.part[(i * g.k + c) * 3 + what];
		sum = team_sum(sum);
		if (FIRST_LANE)
			r.sums[t] = sum;
	}
}

KERNEL(loss_result, (struct k_loss g, struct room r, int64_t chunks), (g, r, chunks), 1)
{
	TEAM_FOR(t, 1) {
		double entropy = 0, wrong = 0, valid = 0, over;

		LANE_FOR(i, t, g.n * chunks)
			entropy += r.entropy[i], wrong += r.wrong[i], valid += r.valid[i];
		entropy = team_sum(entropy), wrong = team_sum(wrong), valid = team_sum(valid);
		if (FIRST_LANE) {
			over = loss_entropy_over(&g, r.sums, valid);
			r.result[GPU_LOSS_WRONG] = wrong;
			r.result[GPU_LOSS_SHARE] = g.w_ce > 0 && valid > 0 ? (double)g.w_ce / over : 0;
			r.result[GPU_LOSS_OVERLAP] = overlap_value(&g, r.sums, r.factor);
			r.result[GPU_LOSS_ENTROPY] = g.w_ce > 0 && valid > 0 ? entropy / over : 0;
			r.result[GPU_LOSS_TOTAL] = (double)g.w_dice * r.result[GPU_LOSS_OVERLAP] + (double)g.w_ce * r.result[GPU_LOSS_ENTROPY];
		}
	}
}

/* With a = d overlap/dp: dl_j = p_j (a_j - sum_c p_c a_c); of one channel p (1 - p) a; and of the entropy */
KERNEL(loss_gradient, (struct k_loss g, struct room r, const float *l, const uint8_t *label, float *dl), (g, r, l, label, dl), items(g.n * g.vox))
{
	ITEM_FOR(v, g.n * g.vox) {
		const double *f = r.factor + 2 * ((g.n == 1 ? 0 : v / g.vox) * g.k);
		const int cross = g.entropy == K_CE && g.k > 1;
		const float *p = l + v * g.k, lse = r.lse[v], share = (float)r.result[GPU_LOSS_SHARE], ce = cross ? share * (1 - g.smoothing) : 0;
		const int64_t own = class_of(&g, label[v]);
		const float even = cross ? share * g.smoothing / (float)g.k : 0, own_ce = ce * (float)(own >= 0 && own < g.k ? loss_weight(&g, own) : 0);
		float dot = 0, all = 0;

		for (int64_t c = 0; c < g.k; c++) {
			float q = probability(&g, p, lse, c);

			dot += q * ((float)f[2 * c + 1] * (g.squared ? 2 * q : 1) + (c == own ? (float)f[2 * c] : 0));
			all += (float)loss_weight(&g, c);
		}
		for (int64_t c = 0; c < g.k; c++) {
			float q = probability(&g, p, lse, c), a = (float)f[2 * c + 1] * (g.squared ? 2 * q : 1) + (c == own ? (float)f[2 * c] : 0);

			dl[v * g.k + c] = g.k == 1 ? q * (1 - q) * a : q * (a - dot) + own_ce * (q - (c == own ? 1 : 0)) + even * (all * q - (float)loss_weight(&g, c));
		}
		if (!cross && share > 0)
			(void)(loss_binary(&g) ? binary(&g, p, own, share, dl + v * g.k) : soft_focal(&g, p, own, share, dl + v * g.k));
		for (int64_t c = 0; c < g.k && loss_ignored(&g, label[v]); c++)
			dl[v * g.k + c] = 0;
	}
}

/* result: where the device keeps RESULTS doubles; given's weight: host memory, copied before. */
int gpu_loss_run(const struct k_loss *given, const float *l, const uint8_t *label, float *dl, void *scratch)
{
	struct k_loss g = *given;
	struct room r = room_of(&g, scratch);
	int64_t chunks = chunks_of(&g);
	int bad;

	g.weight = given->weight ? r.weight : NULL;
	bad = G(loss_voxels)(g, r, chunks, l, label);
	bad = bad ? bad : G(loss_sums)(g, r, chunks, (g.k + BAND - 1) / BAND, l, label);
	bad = bad ? bad : G(loss_fold)(g, r, chunks);
	bad = bad ? bad : G(loss_result)(g, r, chunks);
	return bad || !dl ? bad : G(loss_gradient)(g, r, l, label, dl);
}

float *gpu_loss_weights(const struct k_loss *g, void *scratch)
{
	return room_of(g, scratch).weight;
}
