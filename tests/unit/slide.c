/* Sliding windows on the backend (kernels/window*.c, kernels/gpu/window.c) against plain references in double precision: gathering, blending, means,
   labels, and what windows to come may change. */
#include "tests/unit/cpu.h"

#include <float.h>

#include "kernels/pad.h"
#include "tests/unit/pair.h"

static double unit(void)
{
	return rng_uniform(&rng);
}

/* n floats on the device between lo and hi */
static float *random_floats(int64_t n, double lo, double hi)
{
	float *p = k->alloc(sizeof *p * (size_t)n, &e);

	for (int64_t i = 0; i < n; i++)
		p[i] = (float)(lo + (hi - lo) * unit());
	return p;
}

/* -- gathering ---------------------------------------------------------------------- */
static const struct k_gather gathers[] = {
	{1, {9, 12, 40}, {5, 6, 32}, {2, 3, 4}, 0, K_PAD_CONSTANT, 0.5f}, {1, {9, 12, 40}, {5, 6, 32}, {0, 0, 8}, 0, K_PAD_CONSTANT, 0},
	{1, {7, 9, 41}, {5, 6, 31}, {1, 3, 7}, 5, K_PAD_CONSTANT, 0}, {1, {4, 5, 20}, {8, 8, 32}, {-2, -1, -6}, 0, K_PAD_CONSTANT, 3},
	{3, {4, 5, 20}, {6, 8, 32}, {-1, -2, -5}, 2, K_PAD_REFLECT, 0}, {2, {4, 9, 33}, {6, 8, 36}, {-1, 1, -2}, 7, K_PAD_REPLICATE, 0},
	{1, {4, 9, 33}, {4, 8, 48}, {0, 0, -7}, 4, K_PAD_CIRCULAR, 0}, {4, {3, 3, 16}, {3, 3, 16}, {0, 0, 0}, 1, K_PAD_CONSTANT, 0}};

static void gather(const struct k_gather *g)
{
	const int64_t *roi = g->roi, *size = g->size, n = g->c * roi[0] * roi[1] * roi[2];
	float *image = random_floats(g->c * size[0] * size[1] * size[2], -1, 1), *x = random_floats(n, 9, 9);
	int bad = k->window_gather(g, image, x, &e);

	for (int64_t i = 0; i < n; i++) {
		const int64_t at[3] = {i / g->c / roi[2] / roi[1], i / g->c / roi[2] % roi[1], i / g->c % roi[2]};
		int64_t from = i % g->c, out = 0;

		for (int a = 0; a < 3; a++) {
			const int64_t p = pad_source(g->start[a] + (g->flip >> a & 1 ? roi[a] - 1 - at[a] : at[a]), size[a], g->pad);

			out |= p < 0;
			from = from * size[a] + p;
		}
		bad |= x[i] != (out ? g->fill : image[from]);
	}
	ok(!bad, "gather %lld channels, flip %d, padding %d", (long long)g->c, g->flip, g->pad);
	k->release(image), k->release(x);
}

/* -- windows that are blended --------------------------------------------------------- */
enum { DEPTH = 5, LINES = 11, WIDE_X = 80, VOXELS = DEPTH * LINES * WIDE_X, RZ = 3, RY = 6, RX = 40, WINDOW = RZ * RY * RX };

static const int64_t starts[][3] = {{0, 0, 0}, {1, 3, 17}, {2, 5, 40}, {-1, -2, -5}, {4, 8, 60}, {0, 2, 16}, {2, 0, 33}};
enum { STARTS = sizeof starts / sizeof *starts };

struct run {
	int64_t k, sums;
	int margin, soft, each;
	struct k_weight weight;
	float *rows, *acc, *sum, *logits;
	double acc_d[VOXELS * 5], sum_d[VOXELS];
};

/* What logits of a voxel are added as: `sums` numbers. */
static void scores(const struct run *r, const float *l, double *to)
{
	double p[5], most = l[0], all = 0;

	for (int c = 1; c < r->k; c++)
		most = l[c] > most ? l[c] : most;
	for (int c = 0; c < r->k; c++)
		all += p[c] = exp(l[c] - most);
	for (int c = 0; c < r->k; c++)
		p[c] = !r->soft ? l[c] : r->k > 1 && !r->each ? p[c] / all : 1 / (1 + exp(-l[c]));
	for (int c = 0; c < r->sums; c++)
		to[c] = r->margin ? p[1] - p[0] : p[c];
}

/* Voxel i of a window at start: where it lies in the slab (-1: outside), its weight, and which logits are its own. */
static int64_t place(const struct run *r, const int64_t start[3], int flip, int64_t i, double *w, int64_t *from)
{
	const int64_t d = i / RX / RY, h = i / RX % RY, x = i % RX, z = start[0] + d, y = start[1] + h, q = start[2] + x;
	const float weight = r->weight.row[0][d] * r->weight.row[1][h] * r->weight.row[2][x];

	*w = (double)(weight > r->weight.least ? weight : r->weight.least);
	*from = ((flip & 1 ? RZ - 1 - d : d) * RY + (flip & 2 ? RY - 1 - h : h)) * RX + (flip & 4 ? RX - 1 - x : x);
	return z < 0 || y < 0 || q < 0 || z >= DEPTH || y >= LINES || q >= WIDE_X ? -1 : (z * LINES + y) * WIDE_X + q;
}

static struct k_blend blend_at(const struct run *r, const int64_t start[3], int flip)
{
	return (struct k_blend){.k = r->k, .margin = r->margin, .roi = {RZ, RY, RX}, .slab = {DEPTH, LINES, WIDE_X},
	                        .start = {start[0], start[1], start[2]}, .weight = r->weight, .flip = flip, .soft = r->soft, .each = r->each};
}

static void blend(struct run *r)
{
	int bad = 0;
	double off = 0;

	for (int s = 0; s < STARTS; s++) {
		const struct k_blend g = blend_at(r, starts[s], s);

		for (int64_t i = 0; i < WINDOW * r->k; i++)
			r->logits[i] = (float)(4 * unit() - 2);
		bad |= k->window_blend(&g, r->logits, r->acc, r->sum, &e);
		for (int64_t i = 0; i < WINDOW; i++) {
			double w, p[5];
			int64_t from, to = place(r, starts[s], s, i, &w, &from);

			if (to < 0)
				continue;
			scores(r, r->logits + from * r->k, p);
			for (int64_t c = 0; c < r->sums; c++)
				r->acc_d[to * r->sums + c] += w * p[c];
			r->sum_d[to] += w;
		}
		k->copy(r->logits, r->logits, 4, K_ON_DEVICE, &e); /* what was asked for is over before logits change */
	}
	for (int64_t v = 0; v < VOXELS; v++) {
		off = fmax(off, fabs(r->sum[v] - r->sum_d[v]));
		for (int64_t c = 0; c < r->sums; c++)
			off = fmax(off, fabs(r->acc[v * r->sums + c] - r->acc_d[v * r->sums + c]));
	}
	ok(!bad && off < 1e-5, "blend of %lld classes%s%s%s: %.2g off", (long long)r->k, r->margin ? ", their margin" : "", r->each ? " by themselves" : "",
	   r->soft ? ", probabilities" : "", off);
}

static void means(const struct run *r)
{
	static const float none[2] = {7, -100};
	float *y = random_floats(VOXELS * r->sums, 0, 0);
	int bad = k->window_divide(y, r->acc, r->sum, VOXELS, r->sums, none, &e);

	for (int64_t i = 0; i < VOXELS * r->sums; i++) {
		const double s = r->sum_d[i / r->sums], want = s > 0 ? r->acc_d[i] / s : none[i % r->sums != 0];

		bad |= !(fabs(y[i] - want) < 1e-4);
	}
	ok(!bad, "their means");
	k->release(y);
}

/* Of classes by themselves, in another order than they come in */
static const uint8_t given[] = {3, 1, 2, 1, 7}, order[] = {2, 0, 4, 1, 3};

/* The same of one cut next to 0, too, by the signs of sums */
static void labels_each(const struct run *r)
{
	static const int64_t came[1][3] = {{0}};
	const struct k_cover cover = {.slab = {DEPTH, LINES, WIDE_X}, .start = came};
	const struct k_unsure u = {.middle = 0.25f, .each = 1};
	uint8_t *pred = k->alloc(VOXELS, &e);
	int bad = 0, seen = 0;
	int64_t marked, want = 0, ties = 0;

	for (int sign = 0; sign < 2; sign++) {
		struct k_decide how = {.k = r->k, .cut = sign ? FLT_MIN : 0.25f, .never = 9, .each = 1};

		memcpy(how.label, given, sizeof given);
		for (int64_t i = 0, j = 0; i < (int64_t)sizeof order; i++)
			if (order[i] < r->k)
				how.order[j++] = order[i];
		bad |= k->window_decide(&how, &cover, r->acc, r->sum, pred, &e);
		for (int64_t v = 0; v < VOXELS; v++) {
			const double *a = r->acc_d + v * r->k, s = r->sum_d[v];
			int is = 0, tie = 0, any = 0;

			for (int i = 0; i < r->k; i++) {
				const int c = how.order[i];

				is = s > 0 && a[c] >= (double)how.cut * s ? given[c] : is;
				any |= a[c] > 0.25 * s;
				tie |= fabs(a[c] - (double)how.cut * s) < 1e-4 * s;
			}
			bad |= pred[v] != is && !tie;
			seen |= 1 << is;
			want += any && !sign;
			ties += tie;
		}
	}
	bad |= k->window_count(&u, r->acc, r->sum, VOXELS, r->k, &marked, &e);
	ok(!bad && (r->k < 5 || seen == 0x8f) && seen > 1 && llabs(marked - want) <= ties, "labels of classes by themselves; %lld in some",
	   (long long)marked);
	k->release(pred);
}

/* Labels by sums, where rounding cannot decide; every voxel that no window came to. */
static void labels(const struct run *r)
{
	static const int64_t came[1][3] = {{0}};
	const struct k_decide how = {.k = r->sums, .cut = r->margin ? FLT_MIN : 0.25f, .never = (uint8_t)!r->margin};
	const struct k_unsure u = {.middle = 0.25f};
	const struct k_cover cover = {.slab = {DEPTH, LINES, WIDE_X}, .start = came};
	uint8_t *pred = k->alloc(VOXELS, &e);
	int bad = k->window_decide(&how, &cover, r->acc, r->sum, pred, &e), seen = 0;
	int64_t marked, want = 0, ties = 0;

	for (int64_t v = 0; v < VOXELS; v++) {
		const double *a = r->acc_d + v * r->sums, s = r->sum_d[v];
		int64_t best = r->sums == 1 && a[0] / s >= how.cut;
		double next = r->sums == 1 ? fabs(a[0] / s - how.cut) : 1;

		for (int64_t c = 1; c < r->sums; c++) {
			next = fabs(a[c] - a[best]) / s;
			best = a[c] > a[best] ? c : best;
		}
		best = s > 0 ? best : r->sums == 1 ? how.never : 0;
		bad |= pred[v] != best && (!(s > 0) || next > 1e-4);
		seen |= 1 << pred[v];
		want += r->sums == 1 ? a[0] > 0.25 * s : best > 0;
		ties += next < 1e-4;
	}
	bad |= k->window_count(&u, r->acc, r->sum, VOXELS, r->sums, &marked, &e);
	ok(!bad && seen == (1 << (r->sums > 1 ? r->sums : 2)) - 1 && llabs(marked - want) <= ties, "labels; %lld are no background", (long long)marked);
	k->release(pred);
}

enum { MANY = 19 }; /* doubts at once */

/* -- what windows to come may change ----------------------------------------------------- */
/* What the best leads by, and which two those are */
static double lead(const struct run *r, const double *a, double s, int of[2])
{
	of[0] = 0, of[1] = 1;
	for (int c = 1; c < r->sums && r->each; c++)
		of[0] = fabs(a[c] - 0.25 * s) < fabs(a[of[0]] - 0.25 * s) ? c : of[0];
	if (r->sums == 1 || r->each)
		return fabs(a[of[0]] - 0.25 * s);
	for (int c = 1; c < r->sums; c++)
		of[0] = a[c] > a[of[0]] ? c : of[0];
	of[1] = !of[0];
	for (int c = 0; c < r->sums; c++)
		of[1] = c != of[0] && a[c] > a[of[1]] ? c : of[1];
	return a[of[0]] - a[of[1]];
}

static void spread(const struct run *r, uint8_t *block)
{
	struct k_blend g = blend_at(r, starts[1], 6);
	double want[2] = {0};
	struct k_apart *is = k->alloc(sizeof *is, &e);
	int bad;

	g.unsure = (struct k_unsure){0.4f, 0.25f, r->each, block};
	*is = (struct k_apart){0, 0, 7};
	g.start[1] = -LINES;
	bad = k->window_spread(&g, 0.6f, r->logits, r->acc, r->sum, is, &e);
	ok(!bad && is->weights == 0 && is->spread == 7, "no window: no spread");
	g.start[1] = starts[1][1];
	for (int i = 0; i < 2; i++)
		bad |= k->window_spread(&g, 0.6f, r->logits, r->acc, r->sum, is, &e);
	for (int64_t i = 0; i < WINDOW; i++) {
		double w, p[5], by;
		int64_t from, to = place(r, g.start, 6, i, &w, &from);
		const double *a = r->acc_d + to * r->sums, s = to < 0 ? 0 : r->sum_d[to];
		int of[2];

		if (!(s > 0) || lead(r, a, s, of) >= 0.6 * s)
			continue;
		scores(r, r->logits + from * r->k, p);
		by = r->sums == 1 || r->each ? p[of[0]] - a[of[0]] / s : p[of[0]] - p[of[1]] - (a[of[0]] - a[of[1]]) / s;
		want[0] += w * by * by;
		want[1] += w;
	}
	ok(!bad && want[1] > 1 && near_to(is->squares, 2 * want[0], 0.02, 0.1) && near_to(is->weights, 2 * want[1], 0.02, 0.1),
	   "spread, twice: %g of %g, %g of %g", is->squares, 2 * want[0], is->weights, 2 * want[1]);
	ok(near_to(is->spread, 0.6 * sqrt(is->squares / is->weights), 1e-5, 2e-6), "what it is: %g", is->spread);
	k->release(is);
}

/* Of a window that begins at slice z of a slab of so many */
static void doubt(const struct run *r, uint8_t *block, int64_t first, int64_t slices)
{
	struct k_apart *apart = k->alloc(sizeof *apart, &e);
	float *whole = random_floats(DEPTH + LINES + WIDE_X, 1.5, 3);
	struct k_doubt g = {.k = r->sums, .roi = {RZ, RY, RX}, .slab = {slices, LINES, WIDE_X}, .start = {first, 2, 30}, .weight = r->weight, .times = 2,
	                    .apart = apart, .wholes = 1, .whole = {{whole, whole + DEPTH, whole + DEPTH + LINES}}, .unsure = {0.4f, 0.25f, r->each, block},
	                    .acc = r->acc, .sum = r->sum}, many[MANY];
	double want = 0, is, are[MANY] = {0};
	int bad, same = 1;

	apart->spread = 1.5f;
	bad = k->window_doubt(&g, 1, &is, &e);

	for (int64_t i = 0; i < WINDOW; i++) {
		const int64_t z = first + i / RX / RY, y = g.start[1] + i / RX % RY, x = g.start[2] + i % RX, v = (z * LINES + y) * WIDE_X + x;
		double w, s, all, left, t;
		int64_t from;
		int of[2];

		if (z < 0 || z >= slices || y >= LINES || x >= WIDE_X || !(r->sum_d[v] > 0))
			continue;
		place(r, g.start, 0, i, &w, &from);
		s = r->sum_d[v];
		all = 2.0 * whole[z] * whole[DEPTH + y] * whole[DEPTH + LINES + x];
		left = all - s;
		if (left <= 1e-4 * all)
			continue;
		t = 1 - lead(r, r->acc_d + v * r->sums, s, of) * all / (s * left) / 4.5;
		want += t > 0 ? 0.5 * t * t * t * fmin(1, 2 * w / left) : 0;
	}
	ok(!bad && want > 1 && near_to(is, want, 1e-3, 1e-2), "doubt: %g of %g", is, want);
	for (int i = 0; i < MANY; i++)
		many[i] = g, many[i].times = i == 10 ? 1 : 2;
	bad = k->window_doubt(many, MANY, are, &e);
	for (int i = 0; i < MANY; i++)
		same &= (are[i] == is) == (i != 10);
	ok(!bad && same && !k->window_doubt(many, 0, are, &e), "of %d at once: %g of %g", MANY, are[0], is);
	k->release(whole), k->release(apart);
}

static void windows(int64_t classes, int margin, int soft, int each)
{
	static struct run r;
	uint8_t *block = k->alloc(DEPTH * LINES * ((WIDE_X + K_BLOCK - 1) / K_BLOCK), &e);
	const int64_t sums = margin ? 1 : classes;

	memset(&r, 0, sizeof r);
	memset(block, 1, DEPTH * LINES * ((WIDE_X + K_BLOCK - 1) / K_BLOCK));
	r.k = classes, r.sums = sums, r.margin = margin, r.soft = soft, r.each = each;
	r.rows = random_floats(RZ + RY + RX, 0.2, 1);
	r.weight = (struct k_weight){{r.rows, r.rows + RZ, r.rows + RZ + RY}, 0.05f};
	r.acc = random_floats(VOXELS * sums, 0, 0), r.sum = random_floats(VOXELS, 0, 0), r.logits = random_floats(WINDOW * classes, 0, 0);
	blend(&r);
	means(&r);
	(each ? labels_each : labels)(&r);
	spread(&r, block);
	doubt(&r, block, 3, DEPTH);
	doubt(&r, block, -1, DEPTH);
	doubt(&r, block, 0, 2); /* the window is deeper */
	k->release(r.rows), k->release(r.acc), k->release(r.sum), k->release(r.logits), k->release(block);
}

int main(void)
{
	rng_init(&rng, 4, RNG_TEST, 0);
	k = cpu(K_FP32);
	for (size_t i = 0; k && i < sizeof gathers / sizeof *gathers; i++)
		gather(&gathers[i]);
	for (int soft = 0; k && soft < 2; soft++) {
		windows(1, 0, soft, 0);
		windows(2, 0, soft, 0);
		windows(2, 1, soft, 0);
		windows(5, 0, soft, 0);
		windows(1, 0, soft, 1);
		windows(3, 0, soft, 1);
		windows(5, 0, soft, 1);
	}
	return tap_done();
}
