/* kernels/scale.c, drop.c, label.c: the CPU backend's changes of resolution, dropout and gates against their definitions, with one thread and two. */
#include "tests/unit/cpu.h"

#include <omp.h>

#include "tests/ref/ref.h"
#include "tests/unit/pair.h"


struct ctx { const double *x; double *y; int64_t c; int back; };

static void pair_sum(void *arg, int64_t small, int64_t large, double w)
{
	const struct ctx *a = arg;
	int64_t from = a->back ? small : large, to = a->back ? large : small;

	for (int64_t i = 0; i < a->c; i++)
		a->y[to * a->c + i] += w * a->x[from * a->c + i];
}

struct change { int kind, n, c, small[3], factor[3], xmore, ymore, add; };

static void change(const struct change *s)
{
	struct k_scale g = {.kind = s->kind, .n = s->n, .c = s->c, .xpitch = s->c + s->xmore, .ypitch = s->c + s->ymore};
	int64_t small = s->n, large;

	for (int i = 0; i < 3; i++)
		g.small[i] = s->small[i], g.factor[i] = s->factor[i], small *= s->small[i];
	large = small * s->factor[0] * s->factor[1] * s->factor[2];
	for (int back = 0; back < 2; back++) {
		int shrinks = (g.kind == K_SCALE_MEAN) != back;
		int64_t in = shrinks ? large : small, out = shrinks ? small : large, ip = back ? g.ypitch : g.xpitch, op = back ? g.xpitch : g.ypitch;
		struct pair x = pair_new(in * g.c, 1), y = pair_new(out * g.c, 1);
		float *wx = widen(x.f, in, g.c, ip), *wy = widen(y.f, out, g.c, op), *again = widen(y.f, out, g.c, op);
		struct ctx a = {x.d, y.d, g.c, !shrinks};
		int bad;
		double off;

		if (!s->add)
			memset(y.d, 0, sizeof *y.d * (size_t)y.n);
		ref_scale(&g, pair_sum, &a);
		omp_set_num_threads(1);
		bad = k->scale(&g, back, wx, wy, s->add, &e);
		off = worst(wy, y.d, out, g.c, op, 1e-6 * (back ? s->factor[0] * s->factor[1] * s->factor[2] : 1), 1e-6);
		omp_set_num_threads(2);
		bad |= k->scale(&g, back, wx, again, s->add, &e) || memcmp(wy, again, sizeof *wy * (size_t)(out * op));
		ok(!bad && off <= 1, "%s%s n %d c %d small %dx%dx%d factor %d%d%d pitch +%d +%d add %d: %.2g", s->kind == K_SCALE_MEAN ? "mean" : "linear",
			back ? " back" : "", s->n, s->c, s->small[0], s->small[1], s->small[2], s->factor[0], s->factor[1], s->factor[2], s->xmore, s->ymore, s->add,
			off);
		k->release(wx), k->release(wy), k->release(again), pair_free(x), pair_free(y);
	}
}

static const struct change changes[] = {
	{K_SCALE_MEAN, 1, 1, {1, 1, 1}, {1, 1, 1}, 0, 0, 0}, {K_SCALE_MEAN, 2, 3, {2, 3, 5}, {2, 2, 2}, 0, 0, 0},
	{K_SCALE_MEAN, 1, 16, {3, 1, 4}, {1, 2, 2}, 4, 1, 1}, {K_SCALE_MEAN, 1, 33, {1, 2, 3}, {3, 1, 4}, 0, 3, 0},
	{K_SCALE_LINEAR, 1, 1, {1, 1, 1}, {2, 2, 2}, 0, 0, 0}, {K_SCALE_LINEAR, 2, 3, {2, 3, 5}, {2, 2, 2}, 0, 0, 0},
	{K_SCALE_LINEAR, 1, 16, {3, 1, 4}, {1, 2, 2}, 0, 16, 1}, {K_SCALE_LINEAR, 1, 33, {2, 3, 2}, {3, 2, 4}, 5, 2, 0},
	{K_SCALE_LINEAR, 1, 8, {5, 7, 3}, {2, 2, 2}, 0, 0, 1}, {K_SCALE_LINEAR, 2, 20, {1, 2, 3}, {8, 1, 5}, 0, 0, 0},
	{K_SCALE_LINEAR, 2, 8, {11, 7, 3}, {2, 2, 2}, 0, 0, 0}, {K_SCALE_LINEAR, 1, 24, {6, 2, 19}, {2, 2, 2}, 8, 16, 0},
};

/* bf16's results are those of fp32 from the same numbers, rounded: by half a unit, 2^-9, and as much again for what rounds otherwise by a hair */
static void halves(const struct change *s, int back)
{
	const struct k_backend *half = cpu(K_BF16), *whole = cpu(K_FP32);
	const struct k_scale g = {.kind = s->kind, .n = s->n, .c = s->c, .xpitch = s->c + s->xmore, .ypitch = s->c + s->ymore,
		.small = {s->small[0], s->small[1], s->small[2]}, .factor = {2, 2, 2}};
	const int64_t small = g.n * g.small[0] * g.small[1] * g.small[2], large = 8 * small, shrinks = (g.kind == K_SCALE_MEAN) != back;
	const int64_t in = shrinks ? large : small, out = shrinks ? small : large, ip = back ? g.ypitch : g.xpitch, op = back ? g.xpitch : g.ypitch;
	struct pair x = pair_new(in * ip, 1), want = pair_new(out * op, 1), got = pair_new(out * op, 0);
	void *hx, *hy;
	int bad = !half || !(hx = half->alloc((size_t)(in * ip) * 2, &e)) || !(hy = half->alloc((size_t)(out * op) * 2, &e));

	if (bad) {
		ok(0, "%s", e.text);
		return;
	}
	bad = half->from_floats(hx, 0, x.f, in * ip, 1, 0, &e) || half->to_floats(x.f, hx, 0, in * ip, 1, &e) ||
		half->from_floats(hy, 0, want.f, out * op, 1, 0, &e) || half->to_floats(want.f, hy, 0, out * op, 1, &e) ||
		whole->scale(&g, back, x.f, want.f, s->add, &e) || half->scale(&g, back, hx, hy, s->add, &e) ||
		half->to_floats(got.f, hy, 0, out * op, 1, &e);
	for (int64_t i = 0; i < out * op; i++)
		bad |= !(fabsf(got.f[i] - want.f[i]) <= fabsf(want.f[i]) / 256 + 1e-5f);
	ok(!bad, "%s%s, n %d c %d small %dx%dx%d pitch +%d +%d add %d, bf16", s->kind == K_SCALE_MEAN ? "mean" : "linear", back ? " back" : "", s->n, s->c,
		s->small[0], s->small[1], s->small[2], s->xmore, s->ymore, s->add);
	half->release(hx), half->release(hy), pair_free(x), pair_free(want), pair_free(got);
}

static const struct change half_changes[] = {
	{K_SCALE_MEAN, 2, 16, {11, 5, 6}, {2, 2, 2}, 0, 0, 0}, {K_SCALE_LINEAR, 2, 16, {11, 5, 6}, {2, 2, 2}, 0, 0, 0},
	{K_SCALE_LINEAR, 2, 24, {9, 10, 17}, {2, 2, 2}, 8, 16, 1}, {K_SCALE_LINEAR, 1, 8, {1, 1, 31}, {2, 2, 2}, 0, 8, 0},
	{K_SCALE_LINEAR, 1, 40, {17, 8, 1}, {2, 2, 2}, 0, 0, 0},
};

/* Against lib/base/rng.h's Philox, element by element */
static void drop(int64_t vox, int64_t c, float rate, int more, int add, int64_t span)
{
	struct k_drop g = {.rate = rate, .key = {0x12345678u, 9}, .at = {RNG_DROPOUT, 77, 0xdeadbeefu}, .span = span};
	struct pair x = pair_new(vox * c, 1), y = pair_new(vox * c, 1);
	float *wx = widen(x.f, vox, c, c + more), *wy = widen(y.f, vox, c, c + 2 * more), *again = widen(y.f, vox, c, c + 2 * more);
	int64_t dropped = 0;
	int bad;

	for (int64_t i = 0; i < vox * c; i++) {
		int64_t at = span ? i / c / span * ((c + 3) / 4 * 4) + i % c : i;
		const uint32_t ctr[4] = {(uint32_t)(at / 4), g.at[0], g.at[1], g.at[2]};
		uint32_t word[4];
		int out;

		rng_philox(ctr, g.key, word);
		out = word[at % 4] < (uint32_t)((double)rate * 4294967296.0);
		dropped += out;
		y.d[i] = (add ? y.d[i] : 0) + (out ? 0 : x.d[i] * (double)(1 / (1 - rate)));
	}
	omp_set_num_threads(1);
	bad = k->drop(&g, wx, c + more, wy, c + 2 * more, vox, c, add, &e);
	omp_set_num_threads(2);
	bad |= k->drop(&g, wx, c + more, again, c + 2 * more, vox, c, add, &e) || memcmp(wy, again, sizeof *wy * (size_t)(vox * (c + 2 * more)));
	ok(!bad && worst(wy, y.d, vox, c, c + 2 * more, 1e-7, 1e-6) <= 1, "dropout %g of %lld x %lld: %lld dropped", (double)rate, (long long)vox,
		(long long)c, (long long)dropped);
	ok(span || vox * c < 1000 || fabs((double)dropped / (double)(vox * c) - (double)rate) < 0.02, "that is about as many as asked for");
	k->release(wx), k->release(wy), k->release(again), pair_free(x), pair_free(y);
}

/* Against PyTorch's alpha_dropout of these values at this rate, forward and back: the same draws as other dropout's, other values. */
static void drop_alpha(int more, int add)
{
	enum { VOX = 501, C = 6 };
	const double rows[2][2][2] = {{{0.8845683336, -1.0595482588}, {-1.2678132057, -1.0595482588}}, {{0.8609526157 * 0.5, 0}, {0.8609526157 * -2, 0}}};
	struct k_drop g = {.rate = 0.3f, .key = {5, 9}, .at = {RNG_DROPOUT, 7, 1}};
	struct pair x = pair_new(VOX * C, 1), m = pair_new(VOX * C, 0), y = pair_new(VOX * C, 1), ref = pair_copy(y);
	int bad = 0;

	for (int64_t i = 0; i < x.n; i++)
		x.f[i] = i % 2 ? -2 : 0.5f, m.f[i] = 1;
	bad |= k->drop(&g, m.f, C, m.f, C, VOX, C, 0, &e);
	for (g.alpha = K_ALPHA; g.alpha <= K_ALPHA_BACK; g.alpha++) {
		float *wx = widen(x.f, VOX, C, C + more), *wy = widen(y.f, VOX, C, C + 2 * more), *again = widen(y.f, VOX, C, C + 2 * more);

		for (int64_t i = 0; i < x.n; i++)
			ref.d[i] = (add ? y.d[i] : 0) + rows[g.alpha - K_ALPHA][i % 2][m.f[i] == 0];
		omp_set_num_threads(1);
		bad |= k->drop(&g, wx, C + more, wy, C + 2 * more, VOX, C, add, &e);
		omp_set_num_threads(2);
		bad |= k->drop(&g, wx, C + more, again, C + 2 * more, VOX, C, add, &e) || memcmp(wy, again, sizeof *wy * (size_t)(VOX * (C + 2 * more)));
		ok(!bad && worst(wy, ref.d, VOX, C, C + 2 * more, 1e-6, 1e-6) <= 1, "alpha dropout%s, pitch +%d, add %d", g.alpha == K_ALPHA ? "" : ", back", more,
			add);
		k->release(wx), k->release(wy), k->release(again);
	}
	pair_free(x), pair_free(m), pair_free(y), pair_free(ref);
}

static void gate(int64_t vox, int64_t c, int more, int add)
{
	const int64_t yp = c + more + more % 2;
	struct pair x = pair_new(vox * c, 1), s = pair_new(vox, 1), y = pair_new(vox * c, 0), dy = pair_new(vox * c, 1), dx = pair_new(vox * c, 1);
	struct pair ds = pair_new(vox, 1);
	float *wx = widen(x.f, vox, c, c + more), *wy = widen(y.f, vox, c, yp), *wdy = widen(dy.f, vox, c, yp);
	int bad = k->gate(wx, c + more, s.f, wy, yp, vox, c, &e);

	for (int64_t i = 0; i < vox * c; i++) {
		y.d[i] = x.d[i] * s.d[i / c];
		dx.d[i] = (add ? dx.d[i] : 0) + dy.d[i] * s.d[i / c];
	}
	for (int64_t v = 0; v < vox; v++) {
		ds.d[v] = add ? ds.d[v] : 0;
		for (int64_t i = 0; i < c; i++)
			ds.d[v] += dy.d[v * c + i] * x.d[v * c + i];
	}
	bad |= k->gate_back(wdy, yp, wx, c + more, s.f, dx.f, ds.f, add, add, vox, c, &e);
	ok(!bad && worst(wy, y.d, vox, c, yp, 1e-7, 1e-6) <= 1 && worst(dx.f, dx.d, vox, c, c, 1e-6, 1e-6) <= 1 &&
		worst(ds.f, ds.d, vox, 1, 1, 1e-6 * (double)c, 1e-6) <= 1, "gate of %lld x %lld pitch +%d add %d", (long long)vox, (long long)c, more, add);
	k->release(wx), k->release(wy), k->release(wdy);
	pair_free(x), pair_free(s), pair_free(y), pair_free(dy), pair_free(dx), pair_free(ds);
}

static void labels(void)
{
	const int64_t small[3] = {2, 3, 4};
	const int factor[3] = {1, 2, 4};
	enum { LARGE = 2 * 2 * 6 * 16 };
	uint8_t *large = on_device(k, NULL, LARGE), *got = on_device(k, NULL, 2 * 24);
	int bad = 0;

	for (int i = 0; i < LARGE; i++)
		large[i] = (uint8_t)rng_below(&rng, 256);
	bad |= k->label_down(got, large, 2, small, factor, &e);
	for (int i = 0; i < 48; i++)
		bad |= got[i] != large[((i / 24 * 2 + i % 24 / 12) * 6 + i / 4 % 3 * 2 + 1) * 16 + i % 4 * 4 + 2];
	ok(!bad, "labels at a lower resolution: the voxel in the middle, the upper of two");
	k->release(large), k->release(got);
}

/* Floats into a slice of wider elements and back: the same where the elements hold them; added to themselves, twice that. What lies beside stays. */
static void there_and_back(int64_t vox, int64_t c, int64_t more)
{
	const size_t width = k->precision == K_BF16 ? 2 : 4;
	struct pair x = pair_new(vox * c, 3), back = pair_new(vox * (c + more), 0);
	char *wide = k->alloc((size_t)(vox * (c + more)) * width, &e);
	int bad = k->from_floats(wide, 0, back.f, vox, c + more, 0, &e);

	for (int times = 1; times <= 2; times++) {
		bad |= k->from_floats(wide, c + more, x.f, vox, c, times > 1, &e) || k->to_floats(back.f, wide, c + more, vox, c, &e);
		for (int64_t i = 0; i < vox * c; i++)
			bad |= back.f[i] != (float)times * x.f[i];
	}
	bad |= k->to_floats(back.f, wide, 0, vox, c + more, &e);
	for (int64_t i = 0; i < vox * (c + more); i++)
		bad |= i % (c + more) >= c ? back.f[i] != 0 : back.f[i] != 2 * x.f[i / (c + more) * c + i % (c + more)];
	ok(!bad, "%s: floats into elements and back, %lld x %lld of %lld", PRECISION(k), (long long)vox, (long long)c, (long long)(c + more));
	k->release(wide), pair_free(x), pair_free(back);
}

static void identities(int64_t oc, int64_t taps)
{
	struct pair w = pair_new(oc * oc * taps, 1);
	int bad = k->conv_identity(w.f, oc, taps, &e);

	for (int64_t i = 0; i < oc * oc * taps; i++)
		bad |= w.f[i] != (float)w.d[i] + (i / taps / oc == i / taps % oc && i % taps == taps / 2);
	ok(!bad, "%lld channels of %lld taps add what they read", (long long)oc, (long long)taps);
	pair_free(w);
}

static void conversions(void)
{
	for (int p = K_BF16; p && (k = cpu(p)); p--) {
		there_and_back(1, 1, 0), there_and_back(77, 5, 3), there_and_back(1001, 16, 16), there_and_back(50, 37, 1), there_and_back(33, 130, 0);
		identities(1, 1), identities(5, 27), identities(16, 15);
	}
}

int main(void)
{
	rng_init(&rng, 3, RNG_TEST, 0);
	k = cpu(K_FP32);
	if (!k)
		return tap_done();
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
		change(&changes[i]);
	for (size_t i = 0; i < 2 * sizeof half_changes / sizeof *half_changes; i++)
		halves(&half_changes[i / 2], i % 2);
	ok(k->scale(&(struct k_scale){.n = 1, .c = 1, .small = {1, 1, 1}, .factor = {1, 17, 1}}, 0, NULL, NULL, 0, &e) &&
		!strcmp(e.text, "a change of resolution by 17 (1 to 16)"), "%s", e.text);
	drop(1, 1, 0.5f, 0, 0, 0), drop(1001, 7, 0.3f, 0, 0, 0), drop(513, 16, 0.1f, 3, 1, 0), drop(99, 5, 0, 0, 0, 0), drop(4099, 1, 0.9f, 1, 0, 0);
	drop(10, 7, 0.5f, 0, 0, 5), drop(22, 130, 0.3f, 1, 1, 11), drop(60, 16, 0.5f, 0, 0, 20), drop(32, 24, 0.3f, 8, 1, 8);
	drop_alpha(0, 0), drop_alpha(3, 1), drop_alpha(2, 1);
	gate(1, 1, 0, 0), gate(77, 5, 3, 1), gate(33, 16, 0, 0), gate(50, 37, 1, 1), gate(50, 32, 8, 1), gate(9, 160, 4, 0);
	labels();
	conversions();
	return tap_done();
}
