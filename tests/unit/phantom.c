/* lib/volume/phantom: what a phantom promises about its tumours and its voxels. */
#include "tests/unit/tap.h"

#include "lib/volume/component/component.h"
#include "lib/volume/intensity/noise.h"
#include "lib/volume/phantom/phantom.h"

enum { CASES = 12 };

static double volume(const struct frame *f, const double s[3], int *low, int *high)
{
	const struct tensor *label = frame_find(f, "label"), *image = frame_find(f, "image");
	const uint8_t *l = label->data;
	const int16_t *v = image->data;
	int64_t n = tensor_count(label), hits = 0;

	for (int64_t i = 0; i < n; i++) {
		hits += l[i];
		*low = v[i] < *low ? v[i] : *low;
		*high = v[i] > *high ? v[i] : *high;
	}
	return (double)hits * s[0] * s[1] * s[2] / 1000;
}

static void tumours(void)
{
	struct phantom_opts o = {7, {96, 96, 80}, {3.6, 3.6, 3.6}, 0, {2, 40}};
	struct err e;

	for (int i = 0; i < CASES; i++) {
		struct frame f = {0};
		int low = 0, high = 0, good = !phantom_make(&o, (uint64_t)i, &f, &e);
		double v = good ? volume(&f, o.spacing, &low, &high) : 0;

		ok(good && v > 1.4 && v < 85, "phantom %d: %.1f mL of tumour", i, v);
		ok(low < -1000 && low >= -1024 && high > 300 && high <= 3071, "phantom %d: %d to %d HU", i, low, high);
		frame_free(&f);
	}
	o.healthy = 1;
	for (int i = 0; i < 2; i++) {
		struct frame f = {0};
		int low = 0, high = 0;

		ok(!phantom_make(&o, (uint64_t)i, &f, &e) && volume(&f, o.spacing, &low, &high) == 0, "healthy phantom %d", i);
		frame_free(&f);
	}
}

/* one patient on two grids: the tumour has the same volume */
static void grids(void)
{
	struct phantom_opts a = {3, {64, 64, 54}, {5.4, 5.4, 5.4}, 0, {20, 20.5}}, b = {3, {128, 128, 108}, {2.7, 2.7, 2.7}, 0, {20, 20.5}};
	struct frame f = {0}, g = {0};
	struct err e;
	int low = 0, high = 0;
	double va, vb;

	if (phantom_make(&a, 0, &f, &e) || phantom_make(&b, 0, &g, &e)) {
		ok(0, "%s", e.text);
		return;
	}
	va = volume(&f, a.spacing, &low, &high), vb = volume(&g, b.spacing, &low, &high);
	ok(near_to(va, vb, 0, 0.1), "volume on two grids: %.2f, %.2f mL", va, vb);
	ok(near_to(remainder(vb, 20.25), 0, 1.5, 0), "volume as asked for: %.2f of 20 mL or a multiple", vb);
	frame_free(&f);
	frame_free(&g);
}

/* Dice of the largest component of lo < HU < hi, 26-connected */
static double by_threshold(const struct frame *f, int lo, int hi)
{
	const struct tensor *image = frame_find(f, "image"), *label = frame_find(f, "label");
	const int16_t *v = image->data;
	const uint8_t *l = label->data;
	struct tensor mask = *label;
	struct components c;
	struct err e;
	int64_t n = tensor_count(label), both = 0, sum = 0;
	uint8_t *m = mask.data = malloc((size_t)n);

	for (int64_t i = 0; i < n; i++)
		m[i] = v[i] > lo && v[i] < hi;
	if (!component_find(&mask, 26, COMPONENT_VALUE, &c, &e)) {
		component_keep(&mask, &c, COMPONENT_VALUE, &(struct component_rule){.k = 1}, &e);
		component_free(&c);
	}
	for (int64_t i = 0; i < n; i++)
		both += m[i] && l[i], sum += m[i] + l[i];
	free(m);
	return sum ? 2.0 * (double)both / (double)sum : 1;
}

/* brightness alone does not find them */
static void thresholds(void)
{
	static const int range[][2] = {{-600, 4000}, {-300, 4000}, {-100, 4000}, {0, 4000}, {50, 4000}, {-300, -50}, {-100, 30}, {-20, 60}, {0, 100}};
	enum { RULES = sizeof range / sizeof *range };
	struct phantom_opts o = {1, {96, 96, 64}, {3.6, 3.6, 4.5}, 0, {0.5, 60}};
	double sum[RULES] = {0};
	struct err e;

	for (int i = 0; i < CASES; i++) {
		struct frame f = {0};

		if (!phantom_make(&o, (uint64_t)i, &f, &e))
			for (int k = 0; k < RULES; k++)
				sum[k] += by_threshold(&f, range[k][0], range[k][1]) / CASES;
		frame_free(&f);
	}
	for (int k = 0; k < RULES; k++)
		ok(sum[k] < 0.3, "largest component of %d to %d HU: Dice %.3f", range[k][0], range[k][1], sum[k]);
}

static void noise(void)
{
	enum { N = 64 };
	static float out[N * N], scratch[2 * (N + 4) * (N + 4)];

	for (int passes = 0; passes <= 2; passes++)
		for (int mix = 0; mix < 2; mix++) {
			double sum = 0, sq = 0, side = 0;

			noise_slice(11, 5, N, N, passes, mix, out, scratch);
			for (int i = 0; i < N * N; i++)
				sum += out[i], sq += (double)out[i] * out[i], side += i % N ? (double)out[i] * out[i - 1] : 0;
			sum /= N * N, sq /= N * N, side /= N * (N - 1);
			ok(near_to(sum, 0, 0.15, 0) && near_to(sq, 1, 0.2, 0), "noise %d %d: mean %.3f, variance %.3f", passes, mix, sum, sq);
			ok(near_to(side, passes == 0 ? 0 : passes == 1 ? 2.0 / 3 : 0.8, 0.15, 0), "noise %d %d: correlation %.3f", passes, mix, side);
		}
}

int main(void)
{
	tumours();
	grids();
	thresholds();
	noise();
	return tap_done();
}
