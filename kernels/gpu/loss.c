/* Losses (kernels/backend.h), in three steps: of every voxel the logarithm of the softmax's sum, and the entropy; of every channel I, P and G; then,
   behind what follows from these, the gradient. Of few channels the first two are one, and the gradient makes the logarithm again. Scratch: [n,vox]
   of logarithms, parts of the sums, sums, factors of the gradient, results, weights. */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"
#include "kernels/loss_overlap.h"

enum { CHUNK = 4096, BAND = 4 }; /* voxels; channels */
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

/* A kernel of (struct k_loss g, ..) for each number of channels of up to BAND: a constant to it. FEW_CASES: which calls the right one */
#define FEW_CASE(name, number, channels, PARAMS, ARGS, teams) \
	KERNEL(name##_##number, PARAMS, ARGS, teams) \
	{ \
		g.k = channels; \
		name##_text ARGS; \
	}
#define FEW_KERNEL(name, PARAMS, ARGS, teams) \
	DEVICE void name##_text PARAMS; \
	FEW_CASE(name, one, 1, PARAMS, ARGS, teams) \
	FEW_CASE(name, two, 2, PARAMS, ARGS, teams) \
	FEW_CASE(name, three, 3, PARAMS, ARGS, teams) \
	FEW_CASE(name, four, BAND, PARAMS, ARGS, teams) \
	static int name PARAMS \
	{ \
		if (g.k < 3) \
			return g.k == 1 ? G(name##_one) ARGS : G(name##_two) ARGS; \
		return g.k == 3 ? G(name##_three) ARGS : G(name##_four) ARGS; \
	} \
	DEVICE void name##_text PARAMS

/* What is summed of few channels: I, P, G of each; entropy; labels that are no class; those that are not ignored */
enum { FEW_ENTROPY = 3 * BAND, FEW_WRONG, FEW_VALID, FEW_SUMS };

/* loss_voxels and loss_sums of few channels: a voxel is read once. */
FEW_KERNEL(loss_few, (struct k_loss g, struct room r, int64_t chunks, const float *RESTRICT l, const uint8_t *RESTRICT label),
	(g, r, chunks, l, label), g.n * chunks)
{
	const int classes = g.k == 1 ? 2 : (int)g.k;

	TEAM_FOR(t, g.n * chunks) {
		const int64_t of = over(t, (uint32_t)chunks), first = (t - of * chunks) * CHUNK, at = of * g.vox;
		const int64_t end = first + CHUNK < g.vox ? first + CHUNK : g.vox;
		SUM own[FEW_SUMS] = {0};
		double sum[FEW_SUMS];

		UNROLLED_BY(2) LANE_FOR(v, at + first, at + end) {
			const float *p = l + v * g.k, lse = g.k > 1 ? lse_of(p, g.k) : 0;
			const int there = !loss_ignored(&g, label[v]);
			const int64_t is = class_of(&g, label[v]);

			own[FEW_WRONG] += there && label[v] >= classes;
			own[FEW_VALID] += there;
			if (g.w_ce > 0 && there)
				own[FEW_ENTROPY] += entropy_of(&g, p, is, lse);
			BAND_FOR(b)
				if (there && b < g.k) {
					const float q = probability(&g, p, lse, b);

					own[3 * b] += is == b ? q : 0;
					own[3 * b + 1] += g.squared ? q * q : q;
					own[3 * b + 2] += is == b;
				}
		}
		team_sums(own, sum);
		UNROLLED for (int i = 0; i < 3 * BAND; i++)
			if (FIRST_LANE && i < 3 * g.k)
				r.part[3 * t * g.k + i] = sum[i];
		if (FIRST_LANE)
			r.entropy[t] = sum[FEW_ENTROPY], r.wrong[t] = sum[FEW_WRONG], r.valid[t] = sum[FEW_VALID];
	}
}

/* sums [groups][3][k]: a team each */
SIDE_KERNEL(loss_fold, (struct k_loss g, struct room r, int64_t chunks), (g, r, chunks), (g.batch ? 1 : g.n) * 3 * g.k, 0, 1)
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

SIDE_KERNEL(loss_result, (struct k_loss g, struct room r, int64_t chunks), (g, r, chunks), 1, 0, 1)
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

/* A voxel's gradient. With a = d overlap/dp: d_j = p_j (a_j - sum_c p_c a_c); of one channel p (1 - p) a; and of the entropy */
DEVICE void gradient_of(const struct k_loss *g, const struct room *r, const double *f, const float *p, uint8_t label, float lse, float *d)
{
	const int cross = g->entropy == K_CE && g->k > 1;
	const float share = (float)r->result[GPU_LOSS_SHARE], ce = cross ? share * (1 - g->smoothing) : 0;
	const int64_t own = class_of(g, label);
	const float even = cross ? share * g->smoothing / (float)g->k : 0, own_ce = ce * (float)(own >= 0 && own < g->k ? loss_weight(g, own) : 0);
	float dot = 0, all = 0;

	for (int64_t c = 0; c < g->k; c++) {
		float q = probability(g, p, lse, c);

		dot += q * ((float)f[2 * c + 1] * (g->squared ? 2 * q : 1) + (c == own ? (float)f[2 * c] : 0));
		all += (float)loss_weight(g, c);
	}
	for (int64_t c = 0; c < g->k; c++) {
		float q = probability(g, p, lse, c), a = (float)f[2 * c + 1] * (g->squared ? 2 * q : 1) + (c == own ? (float)f[2 * c] : 0);

		d[c] = g->k == 1 ? q * (1 - q) * a : q * (a - dot) + own_ce * (q - (c == own ? 1 : 0)) + even * (all * q - (float)loss_weight(g, c));
	}
	if (!cross && share > 0)
		(void)(loss_binary(g) ? binary(g, p, own, share, d) : soft_focal(g, p, own, share, d));
	for (int64_t c = 0; c < g->k && loss_ignored(g, label); c++)
		d[c] = 0;
}

DEVICE const double *factor_of(const struct k_loss *g, const struct room *r, int64_t v)
{
	return r->factor + 2 * ((g->n == 1 ? 0 : over(v, (uint32_t)g->vox)) * g->k);
}

KERNEL(loss_gradient, (struct k_loss g, struct room r, const float *l, const uint8_t *label, float *dl), (g, r, l, label, dl), items(g.n * g.vox))
{
	ITEM_FOR(v, g.n * g.vox)
		gradient_of(&g, &r, factor_of(&g, &r, v), l + v * g.k, label[v], r.lse[v], dl + v * g.k);
}

/* The same of few channels: first to a team's own memory, so that lanes side by side write side by side */
FEW_KERNEL(loss_gradient_few, (struct k_loss g, struct room r, const float *RESTRICT l, const uint8_t *RESTRICT label, float *RESTRICT dl),
	(g, r, l, label, dl), (g.n * g.vox + TEAM - 1) / TEAM)
{
	TEAM_FOR(t, (g.n * g.vox + TEAM - 1) / TEAM) {
		TEAM_ARRAY(float, room, BAND * TEAM);
		const int64_t first = t * TEAM, end = first + TEAM < g.n * g.vox ? first + TEAM : g.n * g.vox;

		LANE_FOR(v, first, end) {
			const float *p = l + v * g.k;

			gradient_of(&g, &r, factor_of(&g, &r, v), p, label[v], g.k > 1 ? lse_of(p, g.k) : 0, room + (v - first) * g.k);
		}
		team_sync();
		LANE_FOR(i, 0, (end - first) * g.k)
			dl[first * g.k + i] = room[i];
	}
}

/* result: where the device keeps RESULTS doubles; given's weight: host memory, copied before. */
int gpu_loss_run(const struct k_loss *given, const float *l, const uint8_t *label, float *dl, void *scratch)
{
	struct k_loss g = *given;
	struct room r = room_of(&g, scratch);
	int64_t chunks = chunks_of(&g);
	const int few = g.k <= BAND;
	int bad;

	g.weight = given->weight ? r.weight : NULL;
	if (few)
		bad = loss_few(g, r, chunks, l, label);
	else if (!(bad = G(loss_voxels)(g, r, chunks, l, label)))
		bad = G(loss_sums)(g, r, chunks, (g.k + BAND - 1) / BAND, l, label);
	bad = bad ? bad : G(loss_fold)(g, r, chunks);
	bad = bad ? bad : G(loss_result)(g, r, chunks);
	if (bad || !dl)
		return bad;
	return few ? loss_gradient_few(g, r, l, label, dl) : G(loss_gradient)(g, r, l, label, dl);
}

float *gpu_loss_weights(const struct k_loss *g, void *scratch)
{
	return room_of(g, scratch).weight;
}
