/* lib/volume: boxes, resampling and normalization of random frames against plain loops in double. */
#include "tests/unit/random.h"
#include "tests/unit/tap.h"

#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"
#include "lib/volume/crop/box.h"
#include "lib/volume/crop/crop.h"
#include "lib/volume/history/invert.h"
#include "lib/volume/intensity/normalize.h"
#include "lib/base/option.h"
#include "lib/volume/prob/prob.h"
#include "lib/volume/resample/resample.h"

static struct err e;

static void fill(struct tensor *t, struct rng *r)
{
	random_fill(t, 8, 120, r);
}

/* image [2,Z,Y,X] of a type, label I16, a mask of U64 that rides along, a vector that is off the grid */
static void make(struct frame *f, enum dtype type, const int64_t size[3], struct rng *r)
{
	const int64_t image[4] = {2, size[2], size[1], size[0]}, odd[1] = {5};
	double a[16] = {0};

	frame_init(f, "volume", "case", &e);
	fill(frame_add(f, "image", type, 4, image, &e), r);
	fill(frame_add(f, "label", DT_I16, 3, image + 1, &e), r);
	fill(frame_add(f, "mask", DT_U64, 3, image + 1, &e), r);
	fill(frame_add(f, "odd", DT_I32, 1, odd, &e), r);
	a[0] = -rng_range(r, 0.5, 3), a[6] = rng_range(r, 0.5, 3), a[9] = rng_range(r, 0.5, 3), a[15] = 1;
	a[3] = rng_range(r, -100, 100), a[7] = rng_range(r, -100, 100);
	frame_set_affine(f, a, &e);
}

static int same(const struct frame *f, const char *name, const struct tensor *want)
{
	const struct tensor *t = frame_find(f, name);

	return t && t->dtype == want->dtype && t->size == want->size && !memcmp(t->shape, want->shape, (size_t)t->rank * sizeof *t->shape) &&
	       !memcmp(t->data, want->data, t->size);
}

static void copy(struct frame *to, const struct frame *f)
{
	frame_init(to, "volume", "case", &e);
	frame_set_meta(to, "affine", frame_meta(f, "affine"), &e);
	for (int i = 0; i < f->n; i++)
		memcpy(frame_add(to, f->t[i].name, f->t[i].dtype, f->t[i].rank, f->t[i].shape, &e)->data, f->t[i].data, f->t[i].size);
}

static const enum dtype types[] = {DT_BOOL, DT_U8, DT_I8, DT_U16, DT_I16, DT_U32, DT_I32, DT_F32, DT_U64, DT_I64, DT_F64};
enum { TYPES = sizeof types / sizeof *types };

static double at(const struct tensor *t, int64_t c, int64_t z, int64_t y, int64_t x)
{
	const int64_t *s = t->shape + t->rank - 3;

	return tensor_value(t, ((c * s[0] + z) * s[1] + y) * s[2] + x);
}

/* -- boxes -- */

static int box_is_right(const struct frame *was, const struct frame *f, const struct box *b, const struct grid *g, double background)
{
	const struct tensor *p = frame_find(was, "image"), *q = frame_find(f, "image");

	for (int64_t c = 0; c < 2; c++)
		for (int64_t z = b->lo[2]; z < b->hi[2]; z++)
			for (int64_t y = b->lo[1]; y < b->hi[1]; y++)
				for (int64_t x = b->lo[0]; x < b->hi[0]; x++) {
					int in = x >= 0 && y >= 0 && z >= 0 && x < g->size[0] && y < g->size[1] && z < g->size[2];

					if (at(q, c, z - b->lo[2], y - b->lo[1], x - b->lo[0]) != (in ? at(p, c, z, y, x) : background))
						return 0;
				}
	return 1;
}

static void boxes(struct rng *r)
{
	for (int i = 0; i < 4 * TYPES; i++) {
		const int64_t size[3] = {1 + (int64_t)rng_below(r, 9), 1 + (int64_t)rng_below(r, 7), 1 + (int64_t)rng_below(r, 5)};
		struct frame f, was, back;
		struct grid g, cut;
		struct box b;

		make(&f, types[i % TYPES], size, r);
		copy(&was, &f);
		frame_grid(&f, &g, &e);
		cut = g;
		for (int k = 0; k < 3; k++) {
			b.lo[k] = (int64_t)rng_below(r, 12) - 6;
			b.hi[k] = b.lo[k] + 1 + (int64_t)rng_below(r, 14);
		}
		ok(!box_cut(&f, &cut, &b, i % 2, &e) && box_is_right(&was, &f, &b, &g, i % 2), "cut %s", dtype_name(types[i % TYPES]));
		ok(same(&f, "odd", frame_find(&was, "odd")) && frame_find(&f, "mask")->dtype == DT_U64, "what is off the grid stays");
		frame_free(&f);
		/* a box around all comes back whole */
		copy(&back, &was);
		for (int k = 0; k < 3; k++) {
			b.lo[k] = -(int64_t)rng_below(r, 4);
			b.hi[k] = size[k] + (int64_t)rng_below(r, 4);
		}
		cut = g;
		ok(!box_cut(&back, &cut, &b, 0, &e) && !box_paste(&back, &g, &b, &e) && same(&back, "image", frame_find(&was, "image")) &&
		           same(&back, "label", frame_find(&was, "label")) && same(&back, "mask", frame_find(&was, "mask")) &&
		           !strcmp(frame_meta(&back, "affine"), frame_meta(&was, "affine")),
		   "and pasted");
		frame_free(&back);
		frame_free(&was);
	}
}

/* -- resampling -- */

static double linear_at(const struct tensor *t, int64_t c, const double p[3])
{
	const int64_t *s = t->shape + t->rank - 3;
	double sum = 0;

	for (int corner = 0; corner < 8; corner++) {
		int64_t v[3];
		double w = 1;

		for (int i = 0; i < 3; i++) {
			double x = fmin(p[i], (double)(s[2 - i] - 1)), lo = floor(x);

			v[i] = (int64_t)lo + (corner >> i & 1);
			w *= corner >> i & 1 ? x - lo : 1 - (x - lo);
			v[i] = v[i] < s[2 - i] ? v[i] : s[2 - i] - 1;
		}
		sum += w * at(t, c, v[2], v[1], v[0]);
	}
	return sum;
}

static double nearest_at(const struct tensor *t, const double p[3])
{
	const int64_t *s = t->shape + t->rank - 3;
	int64_t v[3];

	for (int i = 0; i < 3; i++)
		v[i] = (int64_t)fmin(nearbyint(p[i]), (double)(s[2 - i] - 1));
	return at(t, 0, v[2], v[1], v[0]);
}

/* Worst difference of the image, and how many labels differ. */
static double worst(const struct frame *was, const struct frame *f, const double ratio[3], int64_t *wrong)
{
	const struct tensor *p = frame_find(was, "image"), *q = frame_find(f, "image"), *l = frame_find(was, "label"), *k = frame_find(f, "label");
	double most = 0;

	*wrong = 0;
	for (int64_t c = 0; c < 2; c++)
		for (int64_t z = 0; z < q->shape[1]; z++)
			for (int64_t y = 0; y < q->shape[2]; y++)
				for (int64_t x = 0; x < q->shape[3]; x++) {
					const double at_[3] = {(double)x * ratio[0], (double)y * ratio[1], (double)z * ratio[2]};

					most = fmax(most, fabs(linear_at(p, c, at_) - at(q, c, z, y, x)) / (1 + fabs(linear_at(p, c, at_))));
					*wrong += nearest_at(l, at_) != at(k, 0, z, y, x);
				}
	return most;
}

static void resamplings(struct rng *r)
{
	for (int i = 0; i < 3 * TYPES; i++) {
		const int64_t size[3] = {1 + (int64_t)rng_below(r, 14), 1 + (int64_t)rng_below(r, 12), 1 + (int64_t)rng_below(r, 9)};
		struct resample o = {.to = RESAMPLE_SPACING, .interp = INTERP_LINEAR};
		struct frame f, was;
		struct grid g, to;
		double s[3], ratio[3], bad;
		int64_t wrong;

		make(&f, types[i % TYPES], size, r);
		copy(&was, &f);
		frame_grid(&f, &g, &e);
		geo_spacing(&g, s);
		for (int k = 0; k < 3; k++) {
			o.spacing[k] = s[k] * rng_range(r, 0.3, 2.5);
			ratio[k] = o.spacing[k] / s[k];
		}
		if (resample_apply(&f, &o, &e) || frame_grid(&f, &to, &e)) {
			ok(0, "%s", e.text);
			continue;
		}
		bad = worst(&was, &f, ratio, &wrong);
		ok(bad < 1e-4 && !wrong && frame_find(&f, "image")->dtype == DT_F32 && frame_find(&f, "mask")->dtype == DT_U64,
		   "%s %lldx%lldx%lld -> %lldx%lldx%lld: worst %.2g, %lld labels wrong", dtype_name(types[i % TYPES]), (long long)size[0], (long long)size[1],
		   (long long)size[2], (long long)to.size[0], (long long)to.size[1], (long long)to.size[2], bad, (long long)wrong);
		ok(!invert_apply(&f, 1, 0, &e) && !strcmp(frame_meta(&f, "affine"), frame_meta(&was, "affine")) &&
		           frame_find(&f, "label")->size == frame_find(&was, "label")->size,
		   "and back on its grid");
		frame_free(&f);
		frame_free(&was);
	}
}

/* -- scores to labels while they are brought back -- */

static void some_steps(struct frame *f, int i, struct rng *r)
{
	struct resample o = {.to = RESAMPLE_SPACING, .align = i & 1 ? RESAMPLE_NNUNET : RESAMPLE_MONAI, .label = i & 2 ? INTERP_LABEL_LINEAR : 0};
	struct crop c = crop_default;
	struct grid g;

	if (i % 3)
		ok(!crop_apply(f, &c, &e) && !frame_settle(f, &e), "to what is above 0");
	if (i % 5 == 4)
		memcpy(o.orient, "SAL", 4);
	for (int twice = i % 7 == 0; twice >= 0; twice--) {
		for (int k = 0; k < 3; k++)
			o.spacing[k] = rng_range(r, 0.4, 2);
		resample_apply(f, &o, &e);
	}
	if (i % 4 == 0) {
		frame_grid(f, &g, &e);
		o = (struct resample){.to = RESAMPLE_LIKE, .like = g};
		for (int k = 0; k < 3; k++) {
			o.like.size[k] = 3 + (int64_t)rng_below(r, 6);
			for (int row = 0; row < 3; row++)
				o.like.affine[4 * row + k] *= i % 8 ? -0.7 : 0.7;
			for (int row = 0; i % 8 && row < 3; row++)
				o.like.affine[4 * row + 3] += g.affine[4 * row + k] * (double)(g.size[k] - 1);
		}
		for (int row = 0; i % 12 == 0 && row < 3; row++)
			o.like.affine[4 * row + 1] += 0.2 * o.like.affine[4 * row];
		ok(!resample_apply(f, &o, &e), "to a grid: %s", e.text);
	}
	c = (struct crop){.to = CROP_WHOLE, .margin_voxels = {1, 0, 2}, .multiple = {1, 1, 1}};
	if (i & 1)
		ok(!crop_apply(f, &c, &e) && !frame_settle(f, &e), "the whole, and more");
}

static void argmaxes(struct rng *r)
{
	for (int i = 0; i < 24; i++) {
		const int64_t size[3] = {4 + (int64_t)rng_below(r, 14), 4 + (int64_t)rng_below(r, 12), 4 + (int64_t)rng_below(r, 19)};
		const int64_t shape[4] = {2 + (int64_t)rng_below(r, 4), size[2], size[1], size[0]};
		struct frame f, g;

		make(&f, DT_F32, size, r);
		if (i % 6 == 5) {
			double a[16];

			frame_affine(&f, a, &e);
			for (int row = 0; row < 3; row++)
				a[4 * row + 2] += 0.3 * a[4 * row + 1];
			frame_set_affine(&f, a, &e);
		}
		fill(frame_add(&f, "prob", DT_F32, 4, shape, &e), r);
		frame_set_meta(&f, "prob", i & 1 ? "probabilities" : "logits", &e);
		e.text[0] = 0;
		some_steps(&f, i, r);
		copy(&g, &f);
		frame_set_meta(&g, "history", frame_meta(&f, "history"), &e);
		frame_set_meta(&g, "prob", frame_meta(&f, "prob"), &e);
		ok(!invert_apply(&f, 1, 0, &e) && !prob_labels(&f, &(struct prob_rule){0}, &e) && !invert_apply(&g, 1, 1, &e) &&
		           same(&g, "pred", frame_find(&f, "pred")) && !frame_find(&g, "prob") && !strcmp(frame_meta(&f, "affine"), frame_meta(&g, "affine")),
		   "argmax on the way is argmax at the end (%s)", e.text);
		frame_free(&f);
		frame_free(&g);
	}
}

/* -- intensities -- */

static double moments_error(const struct frame *was, const struct frame *f, int nonzero)
{
	const struct tensor *p = frame_find(was, "image"), *q = frame_find(f, "image");
	double n = 0, mean = 0, var = 0, most = 0, std;

	for (int64_t i = 0; i < tensor_count(p); i++)
		if (!nonzero || tensor_value(p, i) != 0)
			mean += tensor_value(p, i), n++;
	mean = n ? mean / n : 0;
	for (int64_t i = 0; i < tensor_count(p); i++)
		if (!nonzero || tensor_value(p, i) != 0)
			var += (tensor_value(p, i) - mean) * (tensor_value(p, i) - mean);
	std = n && var > 0 ? sqrt(var / n) : 1;
	for (int64_t i = 0; i < tensor_count(p); i++) {
		double x = tensor_value(p, i), want = nonzero && x == 0 ? 0 : (x - mean) / std;

		most = fmax(most, fabs(want - tensor_value(q, i)));
	}
	return most;
}

static void normalizations(struct rng *r)
{
	static const enum dtype some[] = {DT_BOOL, DT_U8, DT_I8, DT_U16, DT_I16, DT_F32, DT_F64};
	const int64_t size[3] = {67, 43, 5}; /* more than one chunk of sums, and a part of one */

	for (int i = 0; i < 14; i++) {
		struct normalize o = {i < 7 ? NORMALIZE_ZSCORE : NORMALIZE_NONZERO}, again;
		struct frame f, was;
		json_t *args, *twice;

		make(&f, some[i % 7], size, r);
		copy(&was, &f);
		ok(!normalize_apply(&f, &o, &e) && !frame_settle(&f, &e) && moments_error(&was, &f, i >= 7) < 2e-5, "z-score of %s: %.2g", dtype_name(some[i % 7]),
		   moments_error(&was, &f, i >= 7));
		args = normalize_json(&o);
		ok(!normalize_parse(&again, args, &e), "its options can be read");
		twice = normalize_json(&again);
		ok(json_equal(args, twice), "and are the same again");
		json_decref(args);
		json_decref(twice);
		frame_free(&f);
		frame_free(&was);
	}
}

static void shear(void)
{
	struct grid g = {{2, 2, 2}, {1, 0.0005, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};

	ok(!geo_check_right(&g, &e), "rounding is no shear");
	g.affine[2] = 0.01;
	ok(geo_check_right(&g, &e) && !strcmp(e.text, "affine is sheared: axes x and z are not at right angles (cosine 0.01)"), "%s", e.text);
}

int main(void)
{
	struct rng r;

	rng_init(&r, 1, RNG_TEST, 11);
	boxes(&r);
	resamplings(&r);
	argmaxes(&r);
	normalizations(&r);
	shear();
	return tap_done();
}
