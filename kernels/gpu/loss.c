/* Losses (kernels/backend.h), in three steps: of every voxel the logarithm of the softmax's sum, and the entropy; of every channel I, P and G; then,
   behind what follows from these, the gradient. Of few channels (loss_few.c) the first two are one, and the gradient makes the logarithm again.
   Scratch: [n,vox] of logarithms, parts of the sums, sums, factors of the gradient, results, weights. */
#include "kernels/gpu/loss.h"

enum { ONE_TEAM = 64 };                 /* sums that one team folds by itself */
enum { SHARE = WARP / 2, AHEAD = 32 };  /* lanes to such a sum, and how many addends of each are read before the first is used */

size_t gpu_loss_bytes(const struct k_loss *g)
{
	return sizeof(double) * (size_t)(K_LOSS_RESULTS + 1 + g->n * chunks_of(g) * (3 + 3 * g->k) + 5 * g->n * g->k + 3) + sizeof(float) * (size_t)(g->k +
		REGIONS + g->n * g->vox);
}

/* Cross entropy with label smoothing */
DEVICE float cross(const struct k_loss *g, const float *l, int64_t own, float lse)
{
	float w = (float)(own < g->k ? loss_weight(g, own) : 0), sum = (1 - g->smoothing) * w * (lse - l[own < g->k ? own : 0]), all = 0;

	for (int64_t c = 0; g->smoothing > 0 && c < g->k; c++)
		all += (float)loss_weight(g, c) * (lse - l[c]);
	return sum + g->smoothing / (float)g->k * all;
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

KERNEL(loss_voxels, (struct k_loss g, struct loss_room r, int64_t chunks, const float *l, const uint8_t *label),
	(g, r, chunks, l, label), g.n * chunks)
{
	TEAM_FOR(t, g.n * chunks) {
		int64_t first = t % chunks * CHUNK, end = first + CHUNK < g.vox ? first + CHUNK : g.vox, at = t / chunks * g.vox;
		double sum = 0, wrong = 0, valid = 0; /* how many */

		LANE_FOR(v, at + first, at + end) {
			const float *p = l + v * g.k;
			int64_t own = class_of(&g, label[v]);

			int there = !loss_ignored(&g, label[v]);

			wrong += there && loss_wrong(&g, label[v]);
			valid += there;
			r.lse[v] = loss_each(&g) ? 0 : lse_of(p, g.k);
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
	return loss_each(g) ? 1 / (1 + expf(-l[c])) : expf(l[c] - lse);
}

/* part [k][3][n,chunk]; a team to a chunk and up to BAND channels, so that of few a voxel is read once: CHUNK / TEAM of them to a lane, in floats */
KERNEL(loss_sums, (struct k_loss g, struct loss_room r, int64_t chunks, int64_t bands, const float *l, const uint8_t *label),
	(g, r, chunks, bands, l, label), g.n * chunks * bands)
{
	TEAM_FOR(t, g.n * chunks * bands) {
		const int64_t c = t % bands * BAND, chunk = t / bands, k = chunk % chunks * CHUNK, end = k + CHUNK < g.vox ? k + CHUNK : g.vox;
		const int64_t at = chunk / chunks * g.vox;
		SUM both[BAND] = {0}, pred[BAND] = {0}, truth[BAND] = {0};

		LANE_FOR(v, at + k, at + end) {
			const int there = !loss_ignored(&g, label[v]);
			const int64_t own = class_of(&g, label[v]);

			BAND_FOR(b)
				if (there && c + b < g.k) {
					const float p = probability(&g, l + v * g.k, r.lse[v], c + b);

					const int is = is_of(&g, own, c + b);

					both[b] += is ? p : 0;
					pred[b] += g.squared ? p * p : p;
					truth[b] += is;
				}
		}
		BAND_FOR(b) {
			const double sum[3] = {team_sum((double)both[b]), team_sum((double)pred[b]), team_sum((double)truth[b])};

			for (int i = 0; i < 3 && FIRST_LANE && c + b < g.k; i++)
				r.part[(3 * (c + b) + i) * g.n * chunks + chunk] = sum[i];
		}
	}
}

/* Sum s of [groups][3][k], then of entropy, wrong and valid: of what */
struct addends { const double *from; int64_t many; };

DEVICE struct addends addends_of(const struct k_loss *g, const struct loss_room *r, int64_t chunks, int64_t s)
{
	const int64_t group = over(s, 3 * (uint32_t)g->k), row = over(s, (uint32_t)g->k), what = row - 3 * group, c = s - row * g->k;
	const int64_t more = s - (g->batch ? 1 : g->n) * 3 * g->k;
	struct addends a = {r->entropy + more * g->n * chunks, g->n * chunks};

	if (more < 0) {
		a.many = g->batch ? g->n * chunks : chunks;
		a.from = r->part + (3 * c + what) * g->n * chunks + group * a.many;
	}
	return a;
}

/* Those of lane `lane` of SHARE */
DEVICE double addends_sum(const struct addends *a, int64_t lane)
{
	double sum = 0;

	UNROLLED_BY(1) for (int64_t i = lane; i < a->many; i += SHARE * AHEAD) {
		double v[AHEAD];

		UNROLLED for (int k = 0; k < AHEAD; k++)
			v[k] = i + k * SHARE < a->many ? a->from[i + k * SHARE] : 0;
		UNROLLED for (int k = 0; k < AHEAD; k++)
			sum += v[k];
	}
	return sum;
}

/* What follows from all sums: a lane's work */
DEVICE void conclude(const struct k_loss *g, const struct loss_room *r, const double *sums, double *factor)
{
	const double *all = sums + (g->batch ? 1 : g->n) * 3 * g->k, over = loss_entropy_over(g, sums, all[2]);
	const int there = g->w_ce > 0 && all[2] > 0;

	r->result[K_LOSS_WRONG] = all[1];
	*r->share = there ? (double)g->w_ce / over : 0;
	r->result[K_LOSS_OVERLAP] = overlap_value(g, sums, factor);
	r->result[K_LOSS_ENTROPY] = there ? all[0] / over : 0;
	r->result[K_LOSS_TOTAL] = (double)g->w_dice * r->result[K_LOSS_OVERLAP] + (double)g->w_ce * r->result[K_LOSS_ENTROPY];
}

/* Of many sums a team each */
SIDE_KERNEL(loss_fold, (struct k_loss g, struct loss_room r, int64_t chunks, int64_t sums), (g, r, chunks, sums), sums, 0, 1)
{
	TEAM_FOR(t, sums) {
		const struct addends a = addends_of(&g, &r, chunks, t);
		double sum = 0;

		LANE_FOR(i, 0, a.many)
			sum += a.from[i];
		sum = team_sum(sum);
		if (FIRST_LANE)
			r.sums[t] = sum;
	}
}

/* Of many sums, which are folded: all there is to a team's work is a lane's. */
SIDE_KERNEL(loss_result_many, (struct k_loss g, struct loss_room r), (g, r), 1, 0, 1)
{
	TEAM_FOR(t, 1)
		LANE_FOR(i, t, 1)
			conclude(&g, &r, r.sums, r.factor);
}

/* Sums `first` on, as many as a team's lanes share at a time */
DEVICE void result_fold(const struct k_loss *g, const struct loss_room *r, int64_t chunks, int64_t first, int64_t sums, double *part, double *to)
{
	const int64_t many = sums - first < TEAM / SHARE ? sums - first : TEAM / SHARE;

	LANE_FOR(i, 0, many * SHARE) {
		const struct addends a = addends_of(g, r, chunks, first + i / SHARE);

		part[i] = addends_sum(&a, i % SHARE);
	}
	team_sync();
	LANE_FOR(s, 0, many) {
		double sum = 0;

		UNROLLED for (int k = 0; k < SHARE; k++)
			sum += part[s * SHARE + k];
		to[first + s] = sum;
	}
	team_sync();
}

/* Of few that are not folded: starting another kernel takes longer. All is in the team's own memory: a lane waits for it a tenth as long. */
#define RESULT_CASE(name, SET) \
	SIDE_KERNEL(name, (struct k_loss g, struct loss_room r, int64_t chunks, int64_t sums), (g, r, chunks, sums), 1, 0, 1) \
	{ \
		TEAM_FOR(t, 1) { \
			TEAM_ARRAY(double, sum, ONE_TEAM); \
			TEAM_ARRAY(double, factor, ONE_TEAM); \
			TEAM_ARRAY(double, part, TEAM); \
			\
			SET; \
			for (int64_t s = 0; s < sums; s += TEAM / SHARE) \
				result_fold(&g, &r, chunks, s, sums, part, sum); \
			LANE_FOR(i, t, 1) \
				conclude(&g, &r, sum, factor); \
			team_sync(); \
			LANE_FOR(i, t, 2 * g.n * g.k) \
				r.factor[i] = factor[i]; \
		} \
	}

RESULT_CASE(loss_result, (void)0)
RESULT_CASE(loss_result_plain, (g.overlap = K_DICE, g.entropy = K_CE, g.weight = NULL, g.regions = NULL, g.masked = 0))

/* A voxel's gradient. With a = d overlap/dp: d_j = p_j (a_j - sum_c p_c a_c); of channels by themselves p (1 - p) a; and of the entropy */
DEVICE void gradient_of(const struct k_loss *g, const struct loss_room *r, const double *f, const float *p, uint8_t label, float lse, float *d)
{
	const int each = loss_each(g), cross = g->entropy == K_CE && !each;
	const float share = (float)*r->share, ce = cross ? share * (1 - g->smoothing) : 0;
	const int64_t own = class_of(g, label);
	const float even = cross ? share * g->smoothing / (float)g->k : 0, own_ce = ce * (float)(cross && own < g->k ? loss_weight(g, own) : 0);
	float dot = 0, all = 0;

	for (int64_t c = 0; c < g->k; c++) {
		float q = probability(g, p, lse, c);

		dot += q * ((float)f[2 * c + 1] * (g->squared ? 2 * q : 1) + (is_of(g, own, c) ? (float)f[2 * c] : 0));
		all += (float)loss_weight(g, c);
	}
	for (int64_t c = 0; c < g->k; c++) {
		const int is = is_of(g, own, c);
		float q = probability(g, p, lse, c), a = (float)f[2 * c + 1] * (g->squared ? 2 * q : 1) + (is ? (float)f[2 * c] : 0);

		d[c] = each ? q * (1 - q) * a : q * (a - dot) + own_ce * (q - (is ? 1 : 0)) + even * (all * q - (float)loss_weight(g, c));
	}
	if (!cross && share > 0)
		(void)(loss_binary(g) ? binary(g, p, own, share, d) : soft_focal(g, p, own, share, d));
	for (int64_t c = 0; c < g->k && loss_ignored(g, label); c++)
		d[c] = 0;
}

DEVICE const double *factor_of(const struct k_loss *g, const struct loss_room *r, int64_t v)
{
	return r->factor + 2 * ((g->n == 1 ? 0 : over(v, (uint32_t)g->vox)) * g->k);
}

KERNEL(loss_gradient, (struct k_loss g, struct loss_room r, const float *l, const uint8_t *label, float *dl),
	(g, r, l, label, dl), items(g.n * g.vox))
{
	ITEM_FOR(v, g.n * g.vox)
		gradient_of(&g, &r, factor_of(&g, &r, v), l + v * g.k, label[v], r.lse[v], dl + v * g.k);
}

/* given's weight: host memory, copied before. */
int gpu_loss_run(const struct k_loss *given, const float *l, const uint8_t *label, float *dl, double *out, void *scratch)
{
	struct k_loss g = *given;
	struct loss_room r = room_of(&g, scratch);
	int64_t chunks = chunks_of(&g);
	const int64_t sums = (g.batch ? 1 : g.n) * 3 * g.k + 3;
	const int few = g.k <= BAND, many = sums > ONE_TEAM || 2 * g.n * g.k > ONE_TEAM;
	const int plain = g.k > 1 && g.overlap == K_DICE && g.entropy == K_CE && !g.weight && !g.regions && !g.masked;
	int bad;

	g.weight = given->weight ? r.weight : NULL;
	g.regions = given->regions ? (const uint32_t *)r.regions : NULL;
	r.result = out ? out : r.result;
	if (few)
		bad = gpu_loss_few(g, r, chunks, l, label);
	else if (!(bad = G(loss_voxels)(g, r, chunks, l, label)))
		bad = G(loss_sums)(g, r, chunks, (g.k + BAND - 1) / BAND, l, label);
	if (many)
		bad = bad || (bad = G(loss_fold)(g, r, chunks, sums)) ? bad : G(loss_result_many)(g, r);
	else if (!bad)
		bad = plain ? G(loss_result_plain)(g, r, chunks, sums) : G(loss_result)(g, r, chunks, sums);
	if (bad || !dl)
		return bad;
	return few ? gpu_loss_gradient_few(g, r, chunks, l, label, dl) : G(loss_gradient)(g, r, l, label, dl);
}

float *gpu_loss_weights(const struct k_loss *g, void *scratch)
{
	return room_of(g, scratch).weight;
}

float *gpu_loss_regions(const struct k_loss *g, void *scratch)
{
	return room_of(g, scratch).regions;
}
