/* Losses of up to BAND channels (loss.c): a lane has FOUR neighbouring voxels at a time, all of whose logits it reads at once, and makes the softmax
   again for the gradient. Bytes a voxel: reads k logits and a label in each of the two passes, writes k. */
#include "kernels/gpu/loss.h"

enum { FOUR = 4 };

/* What is summed: I, P, G of each channel; entropy; labels that are no class; those that are not ignored */
enum { FEW_ENTROPY = 3 * BAND, FEW_WRONG, FEW_VALID, FEW_SUMS };

/* A kernel of (struct k_loss g, ..) for each number of channels, a constant to it, and again for those whose entropy is the softmax's */
#define FEW_CASE(name, which, SET, least, PARAMS, ARGS) \
	SIDE_KERNEL(name##_##which, PARAMS, ARGS, g.n * chunks, 0, least) \
	{ \
		SET; \
		name##_text ARGS; \
	}
#define FEW_KERNEL(name, PARAMS, ARGS) \
	DEVICE void name##_text PARAMS; \
	FEW_CASE(name, one, g.k = 1, 4, PARAMS, ARGS) \
	FEW_CASE(name, two, g.k = 2, 2, PARAMS, ARGS) \
	FEW_CASE(name, three, g.k = 3, 2, PARAMS, ARGS) \
	FEW_CASE(name, four, g.k = BAND, 2, PARAMS, ARGS) \
	FEW_CASE(name, soft_two, (g.k = 2, g.entropy = K_CE), 4, PARAMS, ARGS) \
	FEW_CASE(name, soft_three, (g.k = 3, g.entropy = K_CE), 4, PARAMS, ARGS) \
	FEW_CASE(name, soft_four, (g.k = BAND, g.entropy = K_CE), 4, PARAMS, ARGS) \
	int gpu_##name PARAMS \
	{ \
		if (g.k == 1) \
			return G(name##_one) ARGS; \
		if (g.entropy == K_CE) \
			return g.k == 2 ? G(name##_soft_two) ARGS : g.k == 3 ? G(name##_soft_three) ARGS : G(name##_soft_four) ARGS; \
		return g.k == 2 ? G(name##_two) ARGS : g.k == 3 ? G(name##_three) ARGS : G(name##_four) ARGS; \
	} \
	DEVICE void name##_text PARAMS

/* The voxels of chunk t: the first of its n, of all; and those from lo to hi of that n */
struct part { int64_t n, at, lo, hi; int whole; };

DEVICE struct part part_at(const struct k_loss *g, int64_t chunks, int64_t t, const float *l, const uint8_t *label, const float *dl)
{
	struct part p;

	p.n = over(t, (uint32_t)chunks), p.at = p.n * g->vox, p.lo = (t - p.n * chunks) * CHUNK;
	p.hi = p.lo + CHUNK < g->vox ? p.lo + CHUNK : g->vox;
	p.whole = p.at % FOUR == 0 && (uintptr_t)l % 16 == 0 && (uintptr_t)dl % 16 == 0 && (uintptr_t)label % FOUR == 0;
	return p;
}

/* FOUR voxels, or the n that are left: logits [FOUR][k]; a label a byte */
struct four { float l[FOUR * BAND]; uint32_t label; int n; };

DEVICE struct four four_at(const struct k_loss *g, const struct part *p, int64_t i, const float *l, const uint8_t *label)
{
	const int64_t v = p->lo + i * FOUR, at = p->at + v;
	struct four f;

	f.n = p->hi - v < FOUR ? (int)(p->hi - v) : FOUR, f.label = 0;
	if (p->whole && f.n == FOUR) {
		UNROLLED for (int k = 0; k < g->k; k++)
			get_floats(l + at * g->k + k * 4, f.l + k * 4);
		f.label = get_bytes(label + at);
		return f;
	}
	UNROLLED for (int k = 0; k < FOUR * g->k; k++)
		f.l[k] = k < f.n * g->k ? l[at * g->k + k] : 0;
	UNROLLED for (int j = 0; j < FOUR; j++)
		f.label |= (j < f.n ? (uint32_t)label[at + j] : 0) << 8 * j;
	return f;
}

/* Probabilities of a voxel, and the logarithm of the softmax's sum */
struct soft { float p[BAND], lse; };

DEVICE struct soft soft_of(const struct k_loss *g, const float *l)
{
	struct soft s = {{0}, 0};
	float most = l[0], sum = 0, each;

	if (g->k == 1) {
		s.p[0] = inverse(1 + two_to(-LOG2_E * l[0]));
		return s;
	}
	UNROLLED for (int c = 1; c < g->k; c++)
		most = fmaxf(most, l[c]);
	UNROLLED for (int c = 0; c < g->k; c++) {
		s.p[c] = two_to(LOG2_E * (l[c] - most));
		sum += s.p[c];
	}
	each = inverse(sum);
	UNROLLED for (int c = 0; c < g->k; c++)
		s.p[c] *= each;
	s.lse = most + logf(sum);
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

/* The channel a label says; of one channel 0 is the channel, -1 none. */
DEVICE int channel_of(const struct k_loss *g, uint32_t label)
{
	return g->k == 1 ? (int)label - 1 : (int)label;
}

DEVICE float few_entropy(const struct k_loss *g, const struct weights *w, const float *l, int own, float lse)
{
	float all = 0;

	if (loss_binary(g))
		return binary(g, l, own, 0, NULL);
	if (g->entropy == K_FOCAL_SOFTMAX)
		return soft_focal(g, l, own, 0, NULL);
	UNROLLED for (int c = 0; c < g->k; c++)
		all += w->of[c] * (lse - l[c]);
	return (1 - g->smoothing) * own_of(g, w->of, own) * (lse - own_of(g, l, own)) + (g->smoothing > 0 ? g->smoothing / (float)g->k * all : 0);
}

DEVICE void few_add(const struct k_loss *g, const struct weights *w, const float *l, uint32_t label, SUM sum[FEW_SUMS])
{
	const int own = channel_of(g, label);
	const struct soft s = soft_of(g, l);

	if (loss_ignored(g, (uint8_t)label))
		return;
	sum[FEW_WRONG] += label >= (g->k == 1 ? 2 : g->k);
	sum[FEW_VALID] += 1;
	if (g->w_ce > 0)
		sum[FEW_ENTROPY] += few_entropy(g, w, l, own, s.lse);
	UNROLLED for (int c = 0; c < g->k; c++) {
		sum[3 * c] += c == own ? s.p[c] : 0;
		sum[3 * c + 1] += g->squared ? s.p[c] * s.p[c] : s.p[c];
		sum[3 * c + 2] += c == own;
	}
}

/* loss_voxels and loss_sums in one */
FEW_KERNEL(loss_few, (struct k_loss g, struct loss_room r, int64_t chunks, const float *RESTRICT l, const uint8_t *RESTRICT label),
	(g, r, chunks, l, label))
{
	TEAM_FOR(t, g.n * chunks) {
		const struct part p = part_at(&g, chunks, t, l, label, NULL);
		const struct weights w = weights_of(&g, NULL, NULL);
		SUM own[FEW_SUMS] = {0};
		double sum[FEW_SUMS];

		UNROLLED_BY(2) LANE_FOR(i, 0, (p.hi - p.lo + FOUR - 1) / FOUR) {
			const struct four f = four_at(&g, &p, i, l, label);

			UNROLLED for (int j = 0; j < FOUR; j++)
				if (j < f.n)
					few_add(&g, &w, f.l + j * g.k, f.label >> 8 * j & 255, own);
		}
		team_sums(own, sum);
		UNROLLED for (int i = 0; i < 3 * BAND; i++)
			if (FIRST_LANE && i < 3 * g.k)
				r.part[3 * t * g.k + i] = sum[i];
		if (FIRST_LANE)
			r.entropy[t] = sum[FEW_ENTROPY], r.wrong[t] = sum[FEW_WRONG], r.valid[t] = sum[FEW_VALID];
	}
}

/* As loss.c's gradient_of, of a voxel's probabilities */
DEVICE void few_gradient(const struct k_loss *g, const struct weights *w, const float *l, uint32_t label, float *d)
{
	const int own = channel_of(g, label), cross = g->entropy == K_CE && g->k > 1;
	const float ce = cross ? w->share * (1 - g->smoothing) * own_of(g, w->of, own) : 0, even = cross ? w->share * g->smoothing / (float)g->k : 0;
	const struct soft s = soft_of(g, l);
	float a[BAND], dot = 0, all = 0;

	UNROLLED for (int c = 0; c < g->k; c++) {
		a[c] = w->pred[c] * (g->squared ? 2 * s.p[c] : 1) + (c == own ? w->both[c] : 0);
		dot += s.p[c] * a[c], all += w->of[c];
	}
	UNROLLED for (int c = 0; c < g->k; c++)
		d[c] = g->k == 1 ? s.p[c] * (1 - s.p[c]) * a[c] :
			s.p[c] * (a[c] - dot) + ce * (s.p[c] - (c == own ? 1 : 0)) + even * (all * s.p[c] - w->of[c]);
	if (!cross && w->share > 0)
		(void)(loss_binary(g) ? binary(g, l, own, w->share, d) : soft_focal(g, l, own, w->share, d));
	UNROLLED for (int c = 0; c < g->k; c++)
		d[c] = loss_ignored(g, (uint8_t)label) ? 0 : d[c];
}

FEW_KERNEL(loss_gradient_few, (struct k_loss g, struct loss_room r, int64_t chunks, const float *RESTRICT l, const uint8_t *RESTRICT label,
	float *RESTRICT dl), (g, r, chunks, l, label, dl))
{
	TEAM_FOR(t, g.n * chunks) {
		const struct part p = part_at(&g, chunks, t, l, label, dl);
		const struct weights w = weights_of(&g, r.factor + 2 * p.n * g.k, r.result + GPU_LOSS_SHARE);

		UNROLLED_BY(2) LANE_FOR(i, 0, (p.hi - p.lo + FOUR - 1) / FOUR) {
			const struct four f = four_at(&g, &p, i, l, label);
			float d[FOUR * BAND], *to = dl + (p.at + p.lo + i * FOUR) * g.k;

			UNROLLED for (int j = 0; j < FOUR; j++)
				few_gradient(&g, &w, f.l + j * g.k, f.label >> 8 * j & 255, d + j * g.k);
			if (p.whole && f.n == FOUR)
				UNROLLED for (int k = 0; k < g.k; k++)
					give_quad(to + k * 4, quad_of(d + k * 4));
			else
				UNROLLED for (int k = 0; k < FOUR * g.k; k++)
					if (k < f.n * g.k)
						to[k] = d[k];
		}
	}
}
