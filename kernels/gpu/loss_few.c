/* Losses of up to BAND channels (loss.c): a lane has FOUR neighbouring voxels at a time, all of whose logits it reads at once, and makes the softmax
   again for the gradient. Bytes a voxel: reads k logits and a label in each of the two passes, writes k. */
#include "kernels/gpu/loss.h"

enum { FOUR = 4, AHEAD = 2 }; /* AHEAD of them are read before the first one's gradient is written: behind a write nothing is read ahead. */

/* What is summed: entropy; those that are not ignored; of one channel labels that are no class; then I, P, G of each channel */
enum { FEW_ENTROPY, FEW_VALID, FEW_WRONG, FEW_OVERLAP, FEW_SUMS = FEW_OVERLAP + 3 * BAND };

/* A kernel of (struct k_loss g, ..) for each number of channels, a constant to it; again for those whose entropy is the softmax's; and for those of
   them that have nothing which few losses have. Entropies of several sigmoids and focal ones (of three channels about 250 instructions and 13 bytes a
   voxel) take longer than memory does: fours 0, voxel by voxel, a tenth of the code. */
#define BARE(...) __VA_ARGS__
#define SOFT(channels) (g.k = (channels), g.entropy = K_CE, g.regions = NULL)
#define PLAIN(channels) (SOFT(channels), g.smoothing = 0, g.squared = g.masked = 0, g.weight = NULL)
#define FEW_CASE(name, which, SET, fours, least, PARAMS, ARGS) \
	SIDE_KERNEL(name##_##which, PARAMS, ARGS, g.n * chunks, 0, least) \
	{ \
		SET; \
		name##_text(fours, BARE ARGS); \
	}
#define FEW_KERNEL(name, PARAMS, ARGS) \
	DEVICE void name##_text(const int fours, BARE PARAMS); \
	FEW_CASE(name, one, (g.k = 1, g.regions = NULL), 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, one_region, g.k = 1, 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, two, g.k = 2, 0, 2, PARAMS, ARGS) \
	FEW_CASE(name, three, g.k = 3, 0, 2, PARAMS, ARGS) \
	FEW_CASE(name, four, g.k = BAND, 0, 2, PARAMS, ARGS) \
	FEW_CASE(name, soft_two, SOFT(2), 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, soft_three, SOFT(3), 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, soft_four, SOFT(BAND), 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, plain_two, PLAIN(2), 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, plain_three, PLAIN(3), 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, plain_four, PLAIN(BAND), 1, 4, PARAMS, ARGS) \
	int gpu_##name PARAMS \
	{ \
		if (g.k == 1) \
			return g.regions ? G(name##_one_region) ARGS : G(name##_one) ARGS; \
		if (g.regions) \
			return g.k == 2 ? G(name##_two) ARGS : g.k == 3 ? G(name##_three) ARGS : G(name##_four) ARGS; \
		if (g.entropy == K_CE && !(g.smoothing > 0) && !g.squared && !g.masked && !g.weight) \
			return g.k == 2 ? G(name##_plain_two) ARGS : g.k == 3 ? G(name##_plain_three) ARGS : G(name##_plain_four) ARGS; \
		if (g.entropy == K_CE) \
			return g.k == 2 ? G(name##_soft_two) ARGS : g.k == 3 ? G(name##_soft_three) ARGS : G(name##_soft_four) ARGS; \
		return g.k == 2 ? G(name##_two) ARGS : g.k == 3 ? G(name##_three) ARGS : G(name##_four) ARGS; \
	} \
	DEVICE void name##_text(const int fours, BARE PARAMS)

/* The voxels of chunk t: the first of its n, of all; those from lo to hi of that n; how many whole FOURs they begin with, aligned */
struct part { int64_t n, at, lo, hi; int fours; };

DEVICE struct part part_at(const struct k_loss *g, const int fours, int64_t chunks, int64_t t, const float *l, const uint8_t *label, const float *dl)
{
	struct part p;

	p.n = over(t, (uint32_t)chunks), p.at = p.n * g->vox, p.lo = (t - p.n * chunks) * CHUNK;
	p.hi = p.lo + CHUNK < g->vox ? p.lo + CHUNK : g->vox;
	p.fours = !fours || p.at % FOUR || (uintptr_t)l % 16 || (uintptr_t)dl % 16 || (uintptr_t)label % FOUR ? 0 : (int)(p.hi - p.lo) / FOUR;
	return p;
}

/* FOUR voxels: logits [FOUR][k]; a label a byte */
struct four { float l[FOUR * BAND]; uint32_t label; };

DEVICE struct four four_at(const struct k_loss *g, int64_t at, const float *l, const uint8_t *label)
{
	struct four f;

	UNROLLED for (int k = 0; k < g->k; k++)
		get_floats(l + at * g->k + k * 4, f.l + k * 4);
	f.label = get_bytes(label + at);
	return f;
}

/* Probabilities of a voxel: each 2 to x, below 0, over the sum, of which `all` is the logarithm to base 2 */
struct soft { float p[BAND], x[BAND], all; };

DEVICE struct soft soft_of(const struct k_loss *g, const float *l)
{
	struct soft s = {{0}, {0}, 0};
	float most = l[0], sum = 0, each;

	if (loss_each(g)) {
		UNROLLED for (int c = 0; c < g->k; c++)
			s.p[c] = inverse(1 + two_to(-LOG2_E * l[c]));
		return s;
	}
	UNROLLED for (int c = 1; c < g->k; c++)
		most = fmaxf(most, l[c]);
	UNROLLED for (int c = 0; c < g->k; c++) {
		s.x[c] = LOG2_E * (l[c] - most);
		s.p[c] = two_to(s.x[c]);
		sum += s.p[c];
	}
	each = inverse(sum), s.all = log2_of(sum);
	UNROLLED for (int c = 0; c < g->k; c++)
		s.p[c] *= each;
	return s;
}

/* Weights of the classes; and of one n what the gradient of the overlap is by I and by P, of the entropy's by a probability */
struct weights { float of[BAND], both[BAND], pred[BAND], share; };

DEVICE struct weights weights_of(const struct k_loss *g, const double *factor, const double *share)
{
	struct weights w;

	BAND_FOR(c) {
		w.of[c] = c < g->k ? (float)loss_weight(g, c) : 0;
		w.both[c] = factor && c < g->k ? (float)factor[2 * c] : 0, w.pred[c] = factor && c < g->k ? (float)factor[2 * c + 1] : 0;
	}
	w.share = share ? (float)*share : 0;
	return w;
}

/* v[own], or 0 where own is no channel */
DEVICE float own_of(const struct k_loss *g, const float *v, int own)
{
	float at = 0;

	UNROLLED for (int c = 0; c < g->k; c++)
		at = c == own ? v[c] : at;
	return at;
}

/* The channel a label says; of one channel 0 is the channel, -1 none; of regions which channels, a bit each. */
DEVICE int channel_of(const struct k_loss *g, uint32_t label)
{
	return g->regions ? (int)g->regions[label] : g->k == 1 ? (int)label - 1 : (int)label;
}

DEVICE int is_channel(const struct k_loss *g, int own, int c)
{
	return g->regions ? own >> c & 1 : c == own;
}

DEVICE float few_entropy(const struct k_loss *g, const struct weights *w, const float *l, int own, const struct soft *s)
{
	float all = 0;

	if (loss_binary(g))
		return binary(g, l, own, 0, NULL);
	if (g->entropy == K_FOCAL_SOFTMAX)
		return soft_focal(g, l, own, 0, NULL);
	UNROLLED for (int c = 0; c < g->k; c++)
		all += w->of[c] * (s->all - s->x[c]);
	return LN_2 * ((1 - g->smoothing) * own_of(g, w->of, own) * (s->all - own_of(g, s->x, own)) +
		(g->smoothing > 0 ? g->smoothing / (float)g->k * all : 0));
}

DEVICE void few_add(const struct k_loss *g, const struct weights *w, const float *l, uint32_t label, SUM sum[FEW_SUMS])
{
	const int own = channel_of(g, label);
	const struct soft s = soft_of(g, l);

	if (loss_ignored(g, (uint8_t)label))
		return;
	if (g->masked)
		sum[FEW_VALID] += 1;
	if (loss_each(g))
		sum[FEW_WRONG] += loss_wrong(g, (uint8_t)label);
	sum[FEW_ENTROPY] += few_entropy(g, w, l, own, &s);
	UNROLLED for (int c = 0; c < g->k; c++) {
		SUM *to = sum + FEW_OVERLAP + 3 * c;

		if (is_channel(g, own, c))
			to[0] += s.p[c], to[2] += 1;
		to[1] += g->squared ? s.p[c] * s.p[c] : s.p[c];
	}
}

/* loss_voxels and loss_sums in one */
FEW_KERNEL(loss_few, (struct k_loss g, struct loss_room r, int64_t chunks, const float *RESTRICT l, const uint8_t *RESTRICT label),
	(g, r, chunks, l, label))
{
	TEAM_FOR(t, g.n * chunks) {
		const struct part p = part_at(&g, fours, chunks, t, l, label, NULL);
		const struct weights w = weights_of(&g, NULL, NULL);
		SUM own[FEW_SUMS] = {0};
		double sum[FEW_SUMS], known;

		UNROLLED_BY(2) LANE_FOR(i, 0, p.fours) {
			const struct four f = four_at(&g, p.at + p.lo + i * FOUR, l, label);

			UNROLLED for (int j = 0; j < FOUR; j++)
				few_add(&g, &w, f.l + j * g.k, f.label >> 8 * j & 255, own);
		}
		LANE_FOR(v, p.at + p.lo + p.fours * FOUR, p.at + p.hi)
			few_add(&g, &w, l + v * g.k, label[v], own);
		team_sums(own, sum);
		if (FIRST_LANE) {
			known = sum[FEW_VALID] = g.masked ? sum[FEW_VALID] : (double)(p.hi - p.lo);
			UNROLLED for (int i = 0; i < 3 * g.k; i++) {
				r.part[i * g.n * chunks + t] = sum[FEW_OVERLAP + i];
				known -= i % 3 == 2 ? sum[FEW_OVERLAP + i] : 0;
			}
			r.entropy[t] = sum[FEW_ENTROPY], r.wrong[t] = loss_each(&g) ? sum[FEW_WRONG] : known, r.valid[t] = sum[FEW_VALID];
		}
	}
}

/* As loss.c's gradient_of, of a voxel's probabilities: what it is of any channel, then what it is more of the label's */
DEVICE void few_gradient(const struct k_loss *g, const struct weights *w, const float *l, uint32_t label, float *d)
{
	const int own = channel_of(g, label), each = loss_each(g), cross = g->entropy == K_CE && !each;
	const float ce = cross ? w->share * (1 - g->smoothing) * own_of(g, w->of, own) : 0, even = cross ? w->share * g->smoothing / (float)g->k : 0;
	const struct soft s = soft_of(g, l);
	const float both = own_of(g, w->both, own), both_part = own_of(g, s.p, own) * both;
	float a[BAND], dot = both_part, all = 0;

	UNROLLED for (int c = 0; c < g->k; c++) {
		a[c] = w->pred[c] * (g->squared ? 2 * s.p[c] : 1);
		dot += s.p[c] * a[c], all += w->of[c];
	}
	UNROLLED for (int c = 0; c < g->k; c++) {
		d[c] = s.p[c] * (a[c] + (ce - dot)) + even * (all * s.p[c] - w->of[c]);
		if (c == own)
			d[c] += both_part - ce;
	}
	UNROLLED for (int c = 0; c < g->k; c++)
		if (each)
			d[c] = s.p[c] * (1 - s.p[c]) * (a[c] + (is_channel(g, own, c) ? w->both[c] : 0));
	if (!cross && w->share > 0)
		(void)(loss_binary(g) ? binary(g, l, own, w->share, d) : soft_focal(g, l, own, w->share, d));
	UNROLLED for (int c = 0; c < g->k; c++)
		d[c] = loss_ignored(g, (uint8_t)label) ? 0 : d[c];
}

DEVICE void few_gradients(const struct k_loss *g, const struct weights *w, const struct four *f, float *dl)
{
	float d[FOUR * BAND];

	UNROLLED for (int j = 0; j < FOUR; j++)
		few_gradient(g, w, f->l + j * g->k, f->label >> 8 * j & 255, d + j * g->k);
	UNROLLED for (int k = 0; k < g->k; k++)
		give_quad(dl + k * 4, quad_of(d + k * 4));
}

FEW_KERNEL(loss_gradient_few, (struct k_loss g, struct loss_room r, int64_t chunks, const float *RESTRICT l, const uint8_t *RESTRICT label,
	float *RESTRICT dl), (g, r, chunks, l, label, dl))
{
	TEAM_FOR(t, g.n * chunks) {
		const struct part p = part_at(&g, fours, chunks, t, l, label, dl);
		const struct weights w = weights_of(&g, r.factor + 2 * p.n * g.k, r.share);

		LANE_FOR(lane, 0, TEAM)
			UNROLLED_BY(1) for (int i = (int)lane; i < p.fours; i += AHEAD * TEAM) {
				struct four f[AHEAD];

				UNROLLED for (int m = 0; m < AHEAD; m++)
					f[m] = four_at(&g, p.at + p.lo + (i + m * TEAM < p.fours ? i + m * TEAM : i) * FOUR, l, label);
				UNROLLED for (int m = 0; m < AHEAD; m++)
					if (i + m * TEAM < p.fours)
						few_gradients(&g, &w, &f[m], dl + (p.at + p.lo + (i + m * TEAM) * FOUR) * g.k);
			}
		LANE_FOR(v, p.at + p.lo + p.fours * FOUR, p.at + p.hi) {
			float d[BAND];

			few_gradient(&g, &w, l + v * g.k, label[v], d);
			UNROLLED for (int c = 0; c < g.k; c++)
				dl[v * g.k + c] = d[c];
		}
	}
}
