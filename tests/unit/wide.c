/* Norms, layer norms and slices of values that begin anywhere, of any pitch and number of channels, fp32 and bf16, against their definitions in
   doubles: what reads several channels at once must see where it may not. */
#include "tests/unit/cpu.h"

#include "tests/unit/pair.h"

struct form { int64_t n, vox, c; int more, off; }; /* more: pitch less c; off: elements from a multiple of 64 bytes */

/* A value of a form, as the backend has it and where it begins there */
struct value { void *all, *at; int64_t n; };

static int64_t pitch_of(const struct form *s)
{
	return s->c + s->more;
}

static struct value value_of(const struct form *s, const double *x)
{
	const int64_t n = s->off + s->n * s->vox * pitch_of(s);
	float *f = k->alloc(sizeof *f * (size_t)n, &e);
	struct value v = {.n = n};

	for (int64_t i = 0; i < n; i++) {
		const int64_t at = i - s->off, c = at % pitch_of(s);

		f[i] = at < 0 || c >= s->c ? 77 : x ? (float)x[at / pitch_of(s) * s->c + c] : 0;
	}
	v.all = elements(f, n);
	v.at = (char *)v.all + s->off * (k->precision == K_BF16 ? 2 : 4);
	return v;
}

/* How far a value is from x; the 77 around it must stay. It is released. */
static double apart(const struct form *s, struct value v, const double *x)
{
	float *f = floats(v.all, v.n);
	const double atol = k->precision == K_BF16 ? 1e-2 : 1e-5, rtol = k->precision == K_BF16 ? 8e-3 : 1e-5;
	double off = worst(f + s->off, x, s->n * s->vox, s->c, pitch_of(s), atol, rtol);

	for (int i = 0; i < s->off; i++)
		off += f[i] != 77;
	k->release(f);
	return off;
}

static double sum_apart(const float *got, const double *want, int64_t c, double size)
{
	double off = 0;

	for (int64_t i = 0; i < c; i++)
		off = fmax(off, fabs(got[i] - want[i]) / (2e-5 * size + 1e-5));
	return off;
}

/* y = leaky ReLU(gamma (x - mean) rstd + beta) + res, and its gradients, of each channel of each n (or, of layers, of each voxel) by itself */
struct reference { const double *x, *dy, *res; const float *gamma, *beta; double slope, *y, *dx, *dgamma, *dbeta; };

/* count elements from `from` on in steps; their channel moves by `dc` at each */
static void normalise(const struct reference *r, int64_t from, int64_t count, int64_t step, int64_t c, int64_t dc)
{
	double mean = 0, var = 0, d1 = 0, d2 = 0;

	for (int64_t i = 0; i < count; i++)
		mean += r->x[from + i * step] / (double)count;
	for (int64_t i = 0; i < count; i++)
		var += (r->x[from + i * step] - mean) * (r->x[from + i * step] - mean) / (double)count;
	var = 1 / sqrt(var + 1e-5);
	for (int pass = 0; pass < 2; pass++)
		for (int64_t i = 0; i < count; i++) {
			const int64_t at = from + i * step, ch = c + i * dc;
			const double h = (r->x[at] - mean) * var, u = h * r->gamma[ch] + r->beta[ch], d = r->dy[at] * (u > 0 ? 1 : r->slope);

			if (!pass) {
				r->y[at] = (u > 0 ? u : r->slope * u) + (r->res ? r->res[at] : 0);
				d1 += d * r->gamma[ch] / (double)count, d2 += d * r->gamma[ch] * h / (double)count;
				r->dgamma[ch] += d * h, r->dbeta[ch] += d;
			} else {
				r->dx[at] = var * (d * r->gamma[ch] - d1 - h * d2);
			}
		}
}

static void one(const struct form *s, int layer)
{
	const int64_t n = s->n * s->vox * s->c;
	struct pair x = pair_new(n, 2), dy = pair_new(n, 1), res = pair_new(n, 1), gamma = pair_new(s->c, 1), beta = pair_new(s->c, 1);
	struct pair y = pair_new(n, 0), dx = pair_new(n, 0), sums[2] = {pair_new(s->c, 0), pair_new(s->c, 0)};
	const struct reference r = {x.d, dy.d, layer ? NULL : res.d, gamma.f, beta.f, layer ? 1 : 0.01, y.d, dx.d, sums[0].d, sums[1].d};
	const struct k_norm g = {.n = s->n, .vox = s->vox, .c = s->c, .norm = K_NORM_INSTANCE, .act = K_ACT_LRELU, .slope = 0.01f, .eps = 1e-5f, .alphas = 1,
		.xpitch = pitch_of(s), .ypitch = pitch_of(s), .rpitch = pitch_of(s)};
	const struct k_layer l = {s->n * s->vox, s->c, 1e-5f};
	float *mean = k->alloc(sizeof *mean * (size_t)(s->n * (s->vox + s->c)), &e), *rstd = k->alloc(sizeof *mean * (size_t)(s->n * (s->vox + s->c)), &e);
	void *scratch = k->alloc(layer ? k->layer_scratch(&l) : k->norm_scratch(&g), &e);
	int bad;

	for (int64_t i = 0; i < s->c; i++)
		x.d[i] = x.f[i] = held(4 + x.d[i]), gamma.f[i] += 1, gamma.d[i] += 1; /* the first of all are not like the others */
	struct value vx = value_of(s, x.d), vdy = value_of(s, dy.d), vres = value_of(s, res.d), vy = value_of(s, NULL), vdx = value_of(s, NULL);
	const struct k_norm_fwd f = {.x = vx.at, .y = vy.at, .res = vres.at, .gamma = gamma.f, .beta = beta.f, .mean = mean, .rstd = rstd};
	const struct k_norm_bwd b = {.dy = vdy.at, .x = vx.at, .dx = vdx.at, .gamma = gamma.f, .beta = beta.f, .mean = mean, .rstd = rstd,
		.dgamma = sums[0].f, .dbeta = sums[1].f};

	for (int64_t i = 0; i < (layer ? s->n * s->vox : s->n * s->c); i++)
		normalise(&r, layer ? i * s->c : i / s->c * s->vox * s->c + i % s->c, layer ? s->c : s->vox, layer ? 1 : s->c, layer ? 0 : i % s->c, layer);
	if (layer)
		bad = k->layer_forward(&l, vx.at, gamma.f, beta.f, vy.at, mean, rstd, &e) ||
			k->layer_backward(&l, vdy.at, vx.at, gamma.f, mean, rstd, vdx.at, 0, sums[0].f, sums[1].f, scratch, &e);
	else
		bad = k->norm_forward(&g, &f, scratch, &e) || k->norm_backward(&g, &b, scratch, &e);
	const double off[3] = {apart(s, vy, y.d), apart(s, vdx, dx.d), fmax(sum_apart(sums[0].f, sums[0].d, s->c, (double)(s->n * s->vox)),
		sum_apart(sums[1].f, sums[1].d, s->c, (double)(s->n * s->vox)))};
	ok(!bad && off[0] <= 1 && off[1] <= 1 && off[2] <= 1, "%s %s, n %d, %d voxels of %d, pitch +%d, from %d on: %.2g %.2g %.2g", PRECISION(k),
		layer ? "layer norm" : "instance norm", (int)s->n, (int)s->vox, (int)s->c, s->more, s->off, off[0], off[1], off[2]);
	k->release(vx.all), k->release(vdy.all), k->release(vres.all), k->release(mean), k->release(rstd), k->release(scratch);
	pair_free(x), pair_free(dy), pair_free(res), pair_free(gamma), pair_free(beta), pair_free(y), pair_free(dx), pair_free(sums[0]), pair_free(sums[1]);
}

/* Copied from a value of one form into a value of another, and added to it */
static void slice(const struct form *s, int more, int off)
{
	const struct form to = {s->n, s->vox, s->c, more, off};
	struct pair x = pair_new(s->n * s->vox * s->c, 1), y = pair_new(x.n, 0);
	struct value vx = value_of(s, x.d), copied = value_of(&to, x.d), added = value_of(&to, x.d);
	int bad = k->slice_copy(copied.at, pitch_of(&to), vx.at, pitch_of(s), s->n * s->vox, s->c, 0, &e) ||
		k->slice_copy(added.at, pitch_of(&to), vx.at, pitch_of(s), s->n * s->vox, s->c, 1, &e);
	double off_by[2];

	for (int64_t i = 0; i < x.n; i++)
		y.d[i] = 2 * x.d[i];
	off_by[0] = apart(&to, copied, x.d), off_by[1] = apart(&to, added, y.d);
	ok(!bad && off_by[0] <= 1 && off_by[1] <= 1, "%s slice of %d voxels of %d: pitch +%d from %d on to pitch +%d from %d on", PRECISION(k),
		(int)s->vox, (int)s->c, s->more, s->off, more, off);
	k->release(vx.all), pair_free(x), pair_free(y);
}

static const struct form forms[] = {
	{1, 5, 1, 0, 0}, {2, 8, 1, 0, 0}, {1, 37, 2, 0, 0}, {2, 64, 2, 0, 0}, {2, 9, 3, 0, 0}, {1, 16, 3, 5, 0}, {1, 600, 5, 0, 0}, {2, 33, 8, 0, 0},
	{2, 33, 8, 8, 8}, {1, 33, 8, 8, 4}, {1, 33, 8, 3, 0}, {1, 70, 12, 4, 4}, {2, 300, 16, 16, 16}, {1, 300, 16, 1, 1}, {1, 50, 48, 0, 0},
	{1, 20, 257, 0, 0}, {1, 40, 320, 0, 0}, {1, 7, 2056, 0, 0}, {1, 5, 2049, 3, 1},
	{1, 33003, 32, 0, 0}, /* more chunks than a team has lanes, of several rows (kernels/gpu/columns.h) */
};

static void all(enum k_precision precision)
{
	k = cpu(precision);
	for (size_t i = 0; k && i < sizeof forms / sizeof *forms; i++) {
		const struct form dense = {forms[i].n, forms[i].vox, forms[i].c, 0, 0};

		one(&forms[i], 0);
		if (!forms[i].more && !forms[i].off && forms[i].c >= 8) /* of a few channels rstd may be large: so are errors then */
			one(&dense, 1);
		if (forms[i].vox < 10000 || device_is_host(k)) /* without sums many voxels are no other case on a GPU */
			slice(&forms[i], 0, 0), slice(&dense, 8, 8), slice(&forms[i], 3, 1);
	}
}

int main(void)
{
	rng_init(&rng, 3, RNG_TEST, 0);
	all(K_FP32);
	all(K_BF16);
	return tap_done();
}
