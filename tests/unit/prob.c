/* lib/volume/prob: the Dice rule against a search over all masks, against RankSEG's package (tests/golden/make_prob.py), and against the expected
   Dice. */
#include "tests/unit/tap.h"

#include "lib/stream/stream.h"
#include "lib/volume/prob/prob.h"

enum { N = 10 };

static const struct prob_rule plain = {.kind = PROB_DICE};

/* A number in (0,1) from Weyl's sequence; the same on every machine. */
static float next(void)
{
	static uint32_t u = 12345;

	u = u * 1664525 + 1013904223;
	return ((float)(u >> 9) + 0.5f) / (1 << 23);
}

/* What the rule maximises, for the mask's bits. */
static double approximate(const float *p, unsigned mask)
{
	double in = 0, all = 0;
	int n = 0;

	for (int i = 0; i < N; i++) {
		all += (double)p[i];
		in += mask >> i & 1 ? (double)p[i] : 0;
		n += mask >> i & 1;
	}
	return 2 * in / (n + all + 1);
}

/* The expected Dice itself: over every truth there may be, voxels independent; nothing found and nothing there counts 0, as in the paper. */
static double expected(const float *p, unsigned mask)
{
	double sum = 0;

	for (unsigned truth = 1; truth < 1u << N; truth++) {
		double chance = 1;

		for (int i = 0; i < N; i++)
			chance *= truth >> i & 1 ? (double)p[i] : 1 - (double)p[i];
		sum += chance * 2 * __builtin_popcount(truth & mask) / (__builtin_popcount(truth) + __builtin_popcount(mask));
	}
	return sum;
}

static unsigned best_mask(const float *p, double (*score)(const float *, unsigned))
{
	unsigned best = 0;

	for (unsigned m = 1; m < 1u << N; m++)
		if (score(p, m) > score(p, best))
			best = m;
	return best;
}

static unsigned found_mask(const float *p)
{
	uint8_t pred[N];
	unsigned m = 0;

	if (prob_rule_dice(&plain, p, 1, PROB_PROBABILITIES, 1, N, pred) >= 0)
		return 0;
	for (int i = 0; i < N; i++)
		m |= (unsigned)pred[i] << i;
	return m;
}

static void brute_force(void)
{
	int exact = 0, cases = 0;
	double lost = 0, gained = 0;

	for (int k = 0; k < 40; k++) {
		float p[N], most = 0;
		unsigned m, half = 0;
		double power = 0.3 + 0.1 * k;

		for (int i = 0; i < N; i++) {
			p[i] = (float)pow((double)next(), power);
			most = p[i] > most ? p[i] : most;
			half |= (unsigned)(p[i] > 0.5f) << i;
		}
		if (most <= 0.5f)
			continue;
		m = found_mask(p);
		cases++;
		exact += approximate(p, m) >= approximate(p, best_mask(p, approximate)) - 1e-12;
		if (k % 4 == 0) {
			double d = expected(p, best_mask(p, expected)) - expected(p, m);

			lost = d > lost ? d : lost;
			gained += expected(p, m) - expected(p, half);
		}
	}
	ok(cases > 20 && exact == cases, "the best of all masks in %d of %d cases", exact, cases);
	ok(lost < 0.03, "its expected Dice is at most %.4f below the best there is", lost);
	ok(gained > 0, "and above that of p > 1/2, by %.4f in all", gained);
}

static void edges(void)
{
	float p[N] = {0.5f, 0.4f, 0.3f, 0.5f, 0, 0, 0, 0, 0, 0};

	ok(found_mask(p) == 0, "nothing where nothing is more probable than not");
	p[4] = 1;
	ok(found_mask(p) == 0x1b, "else what raises the ratio: %#x", found_mask(p));
	p[2] = NAN;
	ok(prob_rule_dice(&plain, p, 1, PROB_PROBABILITIES, 1, N, (uint8_t[N]){0}) == 0, "not finite: the slice");
	ok(prob_rule_dice(&plain, p, 1, PROB_PROBABILITIES, 5, 2, (uint8_t[N]){0}) == 1, "the first of them");
}

/* Two classes and a background: each voxel one label, of a class whose set it is in. */
static void classes(void)
{
	/* 3 classes, 1 slice, 6 voxels */
	const float p[3][6] = {{0.1f, 0.1f, 0.2f, 0.9f, 0.98f, 0.3f}, {0.9f, 0.8f, 0.1f, 0.05f, 0.01f, 0.35f}, {0, 0.1f, 0.7f, 0.05f, 0.01f, 0.35f}};
	uint8_t pred[6];

	ok(prob_rule_dice(&plain, &p[0][0], 3, PROB_PROBABILITIES, 1, 6, pred) < 0 && !memcmp(pred, "\1\1\2\0\0\2", 6),
	   "three classes: %d%d%d%d%d%d", pred[0], pred[1], pred[2], pred[3], pred[4], pred[5]);
}

static void logits(void)
{
	float p[2][N], l[2][N];
	uint8_t a[N], b[N];

	for (int i = 0; i < N; i++) {
		p[1][i] = next();
		p[0][i] = 1 - p[1][i];
		l[0][i] = 3;
		l[1][i] = 3 + logf(p[1][i] / p[0][i]);
	}
	ok(prob_rule_dice(&plain, &p[0][0], 2, PROB_PROBABILITIES, 2, N / 2, a) < 0 &&
	   prob_rule_dice(&plain, &l[0][0], 2, PROB_LOGITS, 2, N / 2, b) < 0 && !memcmp(a, b, N),
	   "logits give what their probabilities give");
}

static void golden(void)
{
	const struct prob_rule dice = {.kind = PROB_DICE};
	struct err e = {""};
	struct stream *s = stream_open("tests/golden/prob.ts", &e);
	struct frame f = {0};
	int n = 0;

	for (; s && stream_next(s, &f, &e) == 1; n++) {
		const struct tensor *want, *pred;
		int64_t count = 0;

		ok(!prob_labels(&f, &dice, &e), "%s", frame_id(&f));
		want = frame_find(&f, "want"), pred = frame_find(&f, "pred");
		for (size_t i = 0; i < want->size; i++)
			count += ((const uint8_t *)pred->data)[i];
		ok(want->size == pred->size && !memcmp(want->data, pred->data, want->size), "as RankSEG-RMA: %lld voxels", (long long)count);
		frame_free(&f);
	}
	ok(n == 5 && !*e.text, "5 golden cases %s", e.text);
	stream_close(s);
}

static void rules(void)
{
	struct prob_rule r;
	struct err e;
	const float p[4][4] = {{0.4f, 0.1f, 0.9f, 0.2f}, {0.3f, 0.2f, 0.05f, 0.3f}, {0.2f, 0.6f, 0.03f, 0.3f}, {0.1f, 0.1f, 0.02f, 0.2f}};
	uint8_t pred[4];

	r = prob_rule_make(0, 3, (double[]){0.3, 0.3, 0.1}, 1);
	ok(!prob_rule_labels(&r, PROB_PROBABILITIES, &p[0][0], 4, 4, 4, pred) &&
	   !memcmp(pred, "\1\2\0\1", 4), "thresholds of classes: %d%d%d%d", pred[0], pred[1], pred[2], pred[3]);
	ok(prob_rule_check(&r, 3, PROB_LOGITS, &e) && !strcmp(e.text, "3 thresholds for 3 classes (expected one, or one for each class but the first)"),
	   "%s", e.text);
}

int main(void)
{
	brute_force();
	edges();
	classes();
	logits();
	golden();
	rules();
	return tap_done();
}
