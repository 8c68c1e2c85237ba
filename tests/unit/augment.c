/* lib/volume/augment: each transform, given what is drawn, against batchgeneratorsv2, MONAI and scipy (tests/golden/augment.ts); places in the world;
   what is drawn; values that are not finite. */
#include "tests/unit/tap.h"

#include <omp.h>

#include "lib/stream/stream.h"
#include "lib/volume/augment/augment_math.h"
#include "lib/volume/augment/augment_parts.h"

enum { MOST = 24 };

static struct frame golden;

/* -- golden -- */

/* A frame with one tensor, image or label, of the golden one's values. */
static void frame_of(const char *name, struct frame *f)
{
	static const double affine[16] = {2, 0.5, 0, 10, 0, 3, 0.25, 20, 0, 0, 4, 30, 0, 0, 0, 1};
	const struct tensor *t = frame_find(&golden, name);
	struct err e;
	struct tensor *to;

	frame_init(f, "patch", "a", &e);
	frame_set_affine(f, affine, &e);
	to = frame_add(f, t->dtype == DT_F32 ? "image" : "label", t->dtype, t->rank, t->shape, &e);
	memcpy(to->data, t->data, t->size);
}

static double differ(const struct tensor *a, const struct tensor *b)
{
	double most = 0;

	if (tensor_count(a) != tensor_count(b) || a->dtype != b->dtype)
		return INFINITY;
	for (int64_t i = 0; i < tensor_count(a); i++) {
		double d = a->dtype == DT_F32 ? fabs((double)((float *)a->data)[i] - (double)((float *)b->data)[i])
		                              : abs(((uint8_t *)a->data)[i] - ((uint8_t *)b->data)[i]);

		most = d > most || isnan(d) ? d : most;
	}
	return most;
}

/* angles of x y z, scale (3), shear (6), translation (3), flat axis */
static int do_warp(struct frame *f, const int64_t *shape, const double *v)
{
	struct augment a = augment_default;
	struct augment_draw d = {0};
	struct augment_moved m;
	struct grid g;
	struct err e;

	augment_settle(&a, &e);
	for (int i = 0; i < 3; i++)
		a.size[i] = shape[2 - i];
	d.on[AUGMENT_ROTATE] = d.on[AUGMENT_SPATIAL_SCALE] = d.on[AUGMENT_SHEAR] = d.on[AUGMENT_TRANSLATE] = 1;
	memcpy(d.v[AUGMENT_ROTATE], v, 3 * sizeof *v);
	memcpy(d.v[AUGMENT_SPATIAL_SCALE], v + 3, 3 * sizeof *v);
	memcpy(d.v[AUGMENT_SHEAR], v + 6, 6 * sizeof *v);
	memcpy(d.v[AUGMENT_TRANSLATE], v + 12, 3 * sizeof *v);
	return frame_grid(f, &g, &e) || augment_move(f, &g, &a, &d, 0, &m, &e);
}

static int do_turn(struct frame *f, const double *v)
{
	struct augment a = augment_default;
	struct augment_draw d = {.on = {[AUGMENT_TURN] = 1}};
	struct augment_moved m;
	struct grid g;
	struct err e;
	int bad;

	augment_settle(&a, &e);
	d.v[AUGMENT_TURN][2] = v[0];
	bad = frame_grid(f, &g, &e) || augment_move(f, &g, &a, &d, 0, &m, &e);
	json_decref(m.undo);
	return bad;
}

static int do_elastic(const struct tensor *points, const struct tensor *want, double *off)
{
	const int64_t size[3] = {want->shape[3], want->shape[2], want->shape[1]};
	struct augment a = augment_default;
	struct augment_elastic f;
	float row[3 * MOST];
	struct err e;

	a.elastic_spacing = 4;
	if (augment_elastic_make(&f, size, &a, -1, 1, 0, &e) || f.points[0] * f.points[1] * f.points[2] * 3 != tensor_count(points))
		return -1;
	memcpy(f.p, points->data, points->size);
	*off = 0;
	for (int64_t z = 0; z < size[2]; z++)
		for (int64_t y = 0; y < size[1]; y++) {
			augment_elastic_row(&f, z, y, 3, size[0] - 3, row);
			for (int64_t k = 0; k < 3 * (size[0] - 3); k++) {
				int64_t i = k / (size[0] - 3), x = 3 + k % (size[0] - 3), at = ((i * size[2] + z) * size[1] + y) * size[0] + x;

				*off = fmax(*off, fabs((double)row[k] - (double)((float *)want->data)[at]));
			}
		}
	free(f.p);
	return 0;
}

static void one_case(const char *line)
{
	char what[16], source[16], result[16];
	double v[16] = {0}, off = INFINITY;
	int at = 0, used, bad = 0;
	const struct tensor *want;
	int64_t size[3];
	struct frame f;
	struct err e;
	float *image;

	if (sscanf(line, "%15s %15s %15s%n", what, source, result, &at) != 3 || !(want = frame_find(&golden, result))) {
		ok(0, "a case: %s", line);
		return;
	}
	for (int n = 0; n < 16 && sscanf(line + at, "%lf%n", &v[n], &used) == 1; at += used)
		n++;
	frame_of(source, &f);
	image = f.t[0].data;
	for (int i = 0; i < 3; i++)
		size[i] = f.t[0].shape[f.t[0].rank - 1 - i];
	if (!strcmp(what, "blur"))
		bad = augment_blur(image, size, v, &e);
	else if (!strcmp(what, "contrast"))
		augment_contrast(image, size, v[0], v[1] != 0);
	else if (!strcmp(what, "lowres"))
		bad = augment_lowres(image, size, v, &e);
	else if (!strcmp(what, "gamma"))
		augment_gamma(image, size, v[0], v[1] != 0, v[2] != 0);
	else if (!strcmp(what, "warp"))
		bad = do_warp(&f, want->shape, v);
	else if (!strcmp(what, "turn"))
		bad = do_turn(&f, v);
	else
		bad = do_elastic(&f.t[0], want, &off);
	if (!bad && strcmp(what, "elastic"))
		off = differ(&f.t[0], want);
	ok(!bad && off <= (strcmp(source, "label") ? strcmp(what, "turn") ? 2e-5 : 0 : 0), "%s: off by %g", line, off);
	frame_free(&f);
}

static void peers(void)
{
	char *cases = strdup(frame_meta(&golden, "cases")), *left = cases, *line;
	int n = 0;

	for (; (line = strsep(&left, "\n")); n++)
		one_case(line);
	ok(n == 30, "%d cases", n);
	free(cases);
}

/* -- functions -- */

static void functions(void)
{
	double worst[4] = {0};

	for (int i = 1; i <= 100000; i++) {
		float x = (float)i * 1e-5f, s, c, p;

		worst[0] = fmax(worst[0], fabs((double)math_log2(x) - log2((double)x)));
		p = x * 40 - 38;
		worst[1] = fmax(worst[1], fabs((double)math_exp2(p) / exp2((double)p) - 1));
		math_turn(x, &s, &c);
		worst[2] = fmax(worst[2], fabs((double)s - sin(2 * 3.14159265358979323846 * (double)x)));
		worst[3] = fmax(worst[3], fabs((double)c - cos(2 * 3.14159265358979323846 * (double)x)));
	}
	ok(worst[0] < 2e-6 && worst[1] < 5e-7 && worst[2] < 6e-7 && worst[3] < 6e-7, "log2, exp2, sine, cosine: off by %.2g %.2g %.2g %.2g", worst[0],
	   worst[1], worst[2], worst[3]);
}

/* -- places in the world -- */

static const double affine[16] = {2, 0, 0, 10, 0, 3, 0, 20, 0, 0, 4, 30, 0, 0, 0, 1};

/* image = 2 x - 3 y + z of the world, linear, so that interpolation inside is exact; label = 1 */
static void make(struct frame *f, const int64_t size[3])
{
	struct err e;
	float *v;

	frame_init(f, "patch", "a", &e);
	frame_set_affine(f, affine, &e);
	v = frame_add(f, "image", DT_F32, 4, (int64_t[]){1, size[2], size[1], size[0]}, &e)->data;
	memset(frame_add(f, "label", DT_I64, 3, (int64_t[]){size[2], size[1], size[0]}, &e)->data, 1, (size_t)(8 * size[0] * size[1] * size[2]));
	for (int64_t z = 0; z < size[2]; z++)
		for (int64_t y = 0; y < size[1]; y++)
			for (int64_t x = 0; x < size[0]; x++)
				*v++ = (float)(2 * (2 * x + 10) - 3 * (3 * y + 20) + (4 * z + 30));
}

/* Largest difference of an inner voxel from what the world says; how many inner voxels there were. */
static double in_place(const struct frame *f, const struct grid *was, int64_t *inner)
{
	struct grid g;
	struct err e;
	const float *v = frame_find(f, "image")->data;
	const int64_t *label = frame_find(f, "label")->data;
	double most = 0;

	*inner = 0;
	frame_grid(f, &g, &e);
	for (int64_t z = 0; z < g.size[2]; z++)
		for (int64_t y = 0; y < g.size[1]; y++)
			for (int64_t x = 0; x < g.size[0]; x++, v++, label++) {
				double w[3], at[3];
				int in = 1;

				for (int r = 0; r < 3; r++) {
					const double *a = g.affine + 4 * r;

					w[r] = a[0] * (double)x + a[1] * (double)y + a[2] * (double)z + a[3];
					at[r] = (w[r] - affine[4 * r + 3]) / affine[5 * r];
					in &= at[r] > -1e-9 && at[r] < (double)was->size[r] - 1 + 1e-9;
				}
				*inner += in;
				if (in)
					most = fmax(most, fmax(fabs((double)*v - (2 * w[0] - 3 * w[1] + w[2])), *label == 0x0101010101010101 ? 0 : 1));
			}
	return most;
}

static void flips(void)
{
	struct err e;

	for (int k = 0; k < 8; k++) {
		int flip[3] = {k & 1, k >> 1 & 1, k >> 2};
		const int64_t size[3] = {5, 4, 3};
		struct grid g = {.size = {5, 4, 3}};
		struct frame f;
		int64_t inner;

		make(&f, size);
		ok(!augment_flip(&f, flip, &e) && in_place(&f, &g, &inner) == 0 && inner == 60, "flip %d%d%d: every voxel keeps its value and its place",
		   flip[0], flip[1], flip[2]);
		frame_free(&f);
	}
}

/* Options in `a`, all certain. */
static void moved(const char *name, struct augment a, const int64_t size[3], double tolerance, int64_t least)
{
	struct frame f;
	struct grid was;
	struct err e;
	double most = 0, one;
	int64_t inner, fewest = INT64_MAX;

	augment_settle(&a, &e);
	for (uint64_t i = 0; i < 20; i++) {
		make(&f, size);
		frame_grid(&f, &was, &e);
		one = augment_frame(&a, &f, i, &e) ? INFINITY : in_place(&f, &was, &inner);
		most = fmax(most, one);
		fewest = inner < fewest ? inner : fewest;
		frame_free(&f);
	}
	ok(most <= tolerance && fewest >= least, "%s: values at their place in the world to %g, at least %lld voxels inside", name, most,
	   (long long)fewest);
}

static void places(void)
{
	struct augment a = augment_default;

	memcpy(a.v[AUGMENT_FLIP], (double[]){1, 1, 1}, sizeof a.v[0]);
	memcpy(a.v[AUGMENT_TURN], (double[]){1, 1, 1}, sizeof a.v[0]);
	moved("turns and flips of a cube", a, (int64_t[]){7, 7, 7}, 0, 343);
	moved("half turns and flips", a, (int64_t[]){7, 5, 4}, 0, 140);
	memcpy(a.size, (int64_t[]){4, 4, 3}, sizeof a.size);
	moved("and cut", a, (int64_t[]){7, 7, 8}, 0, 48);
	memcpy(a.size, (int64_t[]){8, 8, 3}, sizeof a.size);
	moved("and grown", a, (int64_t[]){7, 6, 8}, 0, 7 * 6 * 3);
	memcpy(a.v[AUGMENT_ROTATE], (double[]){30, 60, 180}, sizeof a.v[0]);
	memcpy(a.v[AUGMENT_SPATIAL_SCALE], (double[]){0.7, 1.4}, 2 * sizeof(double));
	a.v[AUGMENT_SHEAR][0] = 0.2;
	memcpy(a.v[AUGMENT_TRANSLATE], (double[]){2, 1, 0.5}, sizeof a.v[0]);
	memcpy(a.size, (int64_t[]){10, 10, 10}, sizeof a.size);
	moved("warps, turns, flips", a, (int64_t[]){20, 19, 18}, 2e-4, 700);
	a.dummy_2d = AUGMENT_2D_AUTO;
	memcpy(a.size, (int64_t[]){13, 13, 4}, sizeof a.size);
	moved("in a plane", a, (int64_t[]){20, 20, 4}, 2e-4, 400);
}

/* Angles of nnU-Net's preset, of many patches of a size: the largest about each axis. */
static void angles(const char *name, int64_t x, int64_t y, int64_t z, double given, double wx, double wy, double wz)
{
	const double want[3] = {wx, wy, wz};
	struct augment a = augment_default;
	struct augment_draw d;
	double most[3] = {0};
	struct err e;
	int bad = 0;

	a.preset = AUGMENT_NNUNET;
	a.rotate_2d = given;
	augment_settle(&a, &e);
	for (uint64_t i = 0; i < 2000; i++) {
		augment_draw(&a, (int64_t[]){x, y, z}, i, 0, &d);
		for (int k = 0; k < 3 && d.on[AUGMENT_ROTATE]; k++)
			most[k] = fmax(most[k], fabs(d.v[AUGMENT_ROTATE][k]));
		bad += d.on[AUGMENT_LOWRES] && z == 1 && d.v[AUGMENT_LOWRES][2] != 1;
		bad += d.on[AUGMENT_SPATIAL_SCALE] && z == 1 && d.v[AUGMENT_SPATIAL_SCALE][2] != 1;
	}
	for (int k = 0; k < 3; k++)
		bad += most[k] > want[k] || most[k] < 0.95 * want[k];
	ok(!bad, "angles of %s: %g, %g, %g", name, most[0], most[1], most[2]);
}

static void slices(void)
{
	angles("a cube", 64, 64, 64, NAN, 30, 30, 30);
	angles("a thin patch", 64, 48, 16, NAN, 0, 0, 180);
	angles("a slice", 64, 48, 1, NAN, 0, 0, 180);
	angles("a long slice", 64, 40, 1, NAN, 0, 0, 15);
	angles("a long slice with --rotate-2d", 64, 40, 1, 90, 0, 0, 90);
	angles("a long coronal slice", 64, 1, 96, NAN, 0, 180, 0);
	angles("a longer coronal slice", 64, 1, 97, NAN, 0, 15, 0);
}

/* A plane's warp leaves the slices apart; an elastic one stays within its displacement. */
static void flat_and_elastic(void)
{
	const int64_t box[3] = {16, 16, 5};
	struct augment a = augment_default;
	struct grid g;
	struct frame f;
	struct err e;
	const float *v;
	double most = 0;
	int bad = 0;

	a.dummy_2d = AUGMENT_2D_AUTO;
	a.v[AUGMENT_ELASTIC][0] = 3;
	a.elastic_spacing = 6;
	memcpy(a.size, (int64_t[]){16, 16, 4}, sizeof a.size); /* cut by an odd number: between slices, were it not for the flat axis */
	augment_settle(&a, &e);
	make(&f, box);
	v = frame_find(&f, "image")->data;
	for (int64_t i = 0; i < 16 * 16 * 5; i++)
		((float *)frame_find(&f, "image")->data)[i] = (float)(i / 256);
	((float *)frame_find(&f, "image")->data)[256 * 3 + 7] = NAN;
	bad += augment_frame(&a, &f, 1, &e);
	v = frame_find(&f, "image")->data;
	for (int64_t z = 0; z < 4; z++)
		for (int64_t y = 4; y < 12; y++)
			for (int64_t x = 4; x < 12; x++)
				bad += fabsf(v[(z * 16 + y) * 16 + x] - (float)z) > 1e-6f;
	ok(!bad && augment_flat_axis(&a, a.size) == 2, "an elastic warp in a plane mixes no slices, nor does their NaN get out");
	frame_free(&f);

	a.dummy_2d = AUGMENT_3D;
	memset(a.size, 0, sizeof a.size);
	for (uint64_t i = 0; i < 10; i++) {
		make(&f, (int64_t[]){16, 16, 16});
		frame_grid(&f, &g, &e);
		bad += augment_frame(&a, &f, i, &e);
		v = frame_find(&f, "image")->data;
		for (int64_t z = 4; z < 12; z++)
			for (int64_t y = 4; y < 12; y++)
				for (int64_t x = 4; x < 12; x++) {
					double was = (double)(2 * (2 * x + 10) - 3 * (3 * y + 20) + (4 * z + 30));

					most = fmax(most, fabs((double)v[(z * 16 + y) * 16 + x] - was));
				}
		frame_free(&f);
	}
	ok(!bad && most > 4 && most <= 3 * (4 + 9 + 4), "elastic: moved by something, by no more than said (%g)", most);
}

/* The image is the label as floats: linear and nearest of the same places differ by less than one voxel's share, and on the whole by little. */
static void together(void)
{
	const int64_t box[3] = {24, 20, 22};
	struct augment a = augment_default;
	double most = 0, sum = 0, ones = 0;
	struct err e;
	int bad = 0;

	memcpy(a.v[AUGMENT_ROTATE], (double[]){30, 30, 180}, sizeof a.v[0]);
	memcpy(a.v[AUGMENT_SPATIAL_SCALE], (double[]){0.6, 1.2}, 2 * sizeof(double));
	memcpy(a.v[AUGMENT_FLIP], (double[]){1, 1, 1}, sizeof a.v[0]);
	memcpy(a.v[AUGMENT_TURN], (double[]){1, 1, 1}, sizeof a.v[0]);
	memcpy(a.size, (int64_t[]){16, 16, 16}, sizeof a.size);
	a.v[AUGMENT_ELASTIC][0] = 3;
	a.elastic_spacing = 8;
	a.scale_each = 1;
	augment_settle(&a, &e);
	for (uint64_t i = 0; i < 20; i++) {
		struct frame f;
		float *v;
		int64_t *label;

		make(&f, box);
		v = frame_find(&f, "image")->data;
		label = frame_find(&f, "label")->data;
		for (int64_t k = 0; k < 24 * 20 * 22; k++) {
			int64_t x = k % 24 - 10, y = k / 24 % 20 - 8, z = k / 480 - 11;

			label[k] = x * x + 2 * y * y + 3 * z * z < 90 || (x > 5 && y > 5);
			v[k] = (float)label[k];
		}
		bad += augment_frame(&a, &f, i, &e);
		v = frame_find(&f, "image")->data;
		label = frame_find(&f, "label")->data;
		for (int64_t k = 0; k < 16 * 16 * 16; k++) {
			double d = fabs((double)v[k] - (double)label[k]);

			most = fmax(most, d);
			sum += d;
			ones += (double)label[k];
		}
		frame_free(&f);
	}
	ok(!bad && most <= 0.875001 && sum / ones < 0.25 && ones > 20 * 400, "image and label move together: off by %.3f, on the whole by %.3f of %g", most,
	   sum / ones, ones);
}

/* -- draws -- */

static const int64_t size[3] = {64, 64, 32};

struct seen { double on, low, high, mean; };

static struct seen look(const struct augment *a, int t, int value, int n)
{
	struct seen s = {0, INFINITY, -INFINITY, 0};
	struct augment_draw d;

	for (int i = 0; i < n; i++) {
		augment_draw(a, size, (uint64_t)i, 0, &d);
		if (!d.on[t])
			continue;
		s.on++;
		s.low = fmin(s.low, d.v[t][value]);
		s.high = fmax(s.high, d.v[t][value]);
		s.mean += d.v[t][value];
	}
	s.mean /= s.on;
	s.on /= n;
	return s;
}

static void draws_of(enum augment_preset preset, const char *name)
{
	static const struct { int preset, t; double on, low, high, mean; } want[] = {
		{AUGMENT_HACKATHON, AUGMENT_FLIP, 0.5, 1, 1, 1}, {AUGMENT_HACKATHON, AUGMENT_SCALE, 1, 0.9, 1.1, 1},
		{AUGMENT_HACKATHON, AUGMENT_SHIFT, 1, -0.1, 0.1, 0}, {AUGMENT_NNUNET, AUGMENT_ROTATE, 0.2, -30, 30, 0},
		{AUGMENT_NNUNET, AUGMENT_SPATIAL_SCALE, 0.2, 0.7, 1.4, 1.05}, {AUGMENT_NNUNET, AUGMENT_NOISE, 0.1, 0, 0.1, 0.05},
		{AUGMENT_NNUNET, AUGMENT_BLUR, 0.1, 0.5, 1, 0.75}, {AUGMENT_NNUNET, AUGMENT_BRIGHTNESS, 0.15, 0.75, 1.25, 1},
		{AUGMENT_NNUNET, AUGMENT_CONTRAST, 0.15, 0.75, 1.25, 1}, {AUGMENT_NNUNET, AUGMENT_LOWRES, 0.125, 0.5, 1, 0.75},
		{AUGMENT_NNUNET, AUGMENT_GAMMA_INVERTED, 0.1, 0.7, 1.5, 1.05}, {AUGMENT_NNUNET, AUGMENT_GAMMA, 0.3, 0.7, 1.5, 1.05},
		{AUGMENT_NNUNET, AUGMENT_FLIP, 0.875, 0, 1, 0.571},
	};
	struct augment a = augment_default;
	struct err e;
	int n = 20000;

	a.preset = (int)preset;
	augment_settle(&a, &e);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct seen s;
		double width = want[i].high - want[i].low, on = want[i].on;

		if (want[i].preset != (int)preset)
			continue;
		s = look(&a, want[i].t, 0, n);
		ok(fabs(s.on - on) <= 4.5 * sqrt(on * (1 - on) / n) && s.low >= want[i].low && s.high <= want[i].high &&
		   s.low <= want[i].low + 0.02 * width && s.high >= want[i].high - 0.02 * width && fabs(s.mean - want[i].mean) <= 0.04 * width + 1e-9,
		   "%s, %s: in %.4f of the frames, from %.3f to %.3f, mean %.3f", name, augment_table[want[i].t].name, s.on, s.low, s.high, s.mean);
	}
}

static void other_draws(void)
{
	static const struct { int t, value; double v[3], low, high; } want[] = {
		{AUGMENT_TURN, 2, {0, 0, 1}, 1, 3}, {AUGMENT_TURN, 0, {1, 0, 0}, 2, 2}, {AUGMENT_SHEAR, 3, {0.3}, -0.3, 0.3},
		{AUGMENT_TRANSLATE, 1, {1, 7, 2}, -7, 7},
		{AUGMENT_ELASTIC, 0, {5}, 0, 5}, {AUGMENT_DROPOUT, 0, {2, 6}, 2, 6}, {AUGMENT_CONTRAST, 0, {1.5, 2}, 1.5, 2},
	};

	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct augment a = augment_default;
		double width = want[i].high - want[i].low;
		struct seen s;
		struct err e;

		memcpy(a.v[want[i].t], want[i].v, sizeof want[i].v);
		a.prob[want[i].t] = 0.3;
		augment_settle(&a, &e);
		s = look(&a, want[i].t, want[i].value, 20000);
		ok(fabs(s.on - 0.3) < 0.015 && s.low >= want[i].low && s.high <= want[i].high && s.low <= want[i].low + 0.02 * width &&
		   s.high >= want[i].high - 0.02 * width && fabs(s.mean - (want[i].low + want[i].high) / 2) <= 0.03 * width + 1e-9,
		   "%s: in %.4f of the frames, from %.3f to %.3f, mean %.3f", augment_table[want[i].t].name, s.on, s.low, s.high, s.mean);
	}
}

/* What is drawn does not depend on the other options, and does on seed, index and, where it is each channel's, the channel. */
static void apart(void)
{
	struct augment all = augment_default, one;
	struct augment_draw d, other, channel;
	struct err e;
	int bad = 0, same = 0;

	all.preset = AUGMENT_NNUNET;
	augment_settle(&all, &e);
	for (int t = 0; t < AUGMENT_COUNT; t++) {
		one = augment_default;
		memcpy(one.v[t], all.v[t], sizeof one.v[t]);
		one.prob[t] = all.prob[t], one.each[t] = all.each[t];
		if (isnan(one.v[t][0]))
			continue;
		augment_settle(&one, &e);
		for (uint64_t i = 0; i < 200; i++) {
			augment_draw(&all, size, i, 1, &d);
			augment_draw(&one, size, i, 1, &other);
			augment_draw(&one, size, i, 2, &channel);
			bad += d.on[t] != other.on[t] || memcmp(d.v[t], other.v[t], sizeof d.v[t]);
			same += !memcmp(d.v[t], channel.v[t], sizeof d.v[t]) != !augment_table[t].channels;
			one.seed = 1;
			augment_draw(&one, size, i, 1, &other);
			same += augment_table[t].count && !memcmp(d.v[t], other.v[t], sizeof d.v[t]);
			one.seed = 0;
		}
	}
	ok(!bad && !same, "draws: independent of other options; other channels, other seeds: other numbers");
}

/* -- values -- */

static void noise(void)
{
	const int64_t one[3] = {100, 100, 100}, part[3] = {100, 100, 1};
	float *v = calloc(2000000, sizeof *v), *w = v + 1000000;
	double m[5] = {0}, within = 0, pairs = 0;

	omp_set_num_threads(2);
	augment_noise(v, one, 2, 3, 4, 0);
	omp_set_num_threads(1);
	augment_noise(w, one, 2, 3, 4, 0);
	ok(!memcmp(v, w, 1000000 * sizeof *v), "noise: the same for one thread and two");
	for (int i = 0; i < 1000000; i++) {
		double x = (double)v[i] / 2, p = 1;

		for (int k = 0; k < 5; k++, p *= x)
			m[k] += p;
		within += fabs(x) < 1;
		pairs += i ? x * (double)v[i - 1] / 2 : 0;
	}
	ok(fabs(m[1]) < 4500 && fabs(m[2] / 1e6 - 1) < 0.007 && fabs(m[3]) < 18000 && fabs(m[4] / 1e6 - 3) < 0.05 && fabs(within / 1e6 - 0.68269) < 0.0025 &&
	   fabs(pairs) < 4500, "noise is normal: mean %.4f, variance %.4f, third %.4f, fourth %.4f, within 1: %.4f, with its neighbour %.4f", m[1] / 1e6,
	   m[2] / 1e6, m[3] / 1e6, m[4] / 1e6, within / 1e6, pairs / 1e6);
	memset(w, 0, 40000);
	augment_noise(w, part, 2, 3, 4, 1);
	ok(memcmp(v, w, 40000), "another channel has other noise");
	free(v);
}

/* NaN and infinity; all the same; one voxel; nothing finite. */
static void odd_values(void)
{
	enum { N = 7 * 5 * 3 };
	const int64_t box[3] = {7, 5, 3}, one[3] = {1, 1, 1};
	const double sigma[3] = {0.5, 1, 10}, zoom[3] = {0.5, 0.5, 0.5};
	float v[N], w[N];
	int bad = 0, lost = 0;
	struct err e;

	for (int i = 0; i < N; i++)
		v[i] = (float)(i % 11);
	v[5] = NAN, v[6] = INFINITY, v[7] = -INFINITY;
	for (int k = 0; k < 4; k++) {
		memcpy(w, v, sizeof w);
		if (k < 2)
			augment_gamma(w, box, 1.3, k, 0);
		else
			augment_contrast(w, box, 1.2, 1);
		bad += !isnan(w[5]) || fabsf(w[6] - 10) > 1e-5f || fabsf(w[7]) > 1e-5f;
		for (int i = 0; i < N; i++)
			bad += i != 5 && !(w[i] > -1e-5f && w[i] < 10.00001f);
	}
	ok(!bad, "gamma, contrast: NaN stays, infinity becomes the least or greatest value, the others know nothing of them");
	for (int i = 0; i < N; i++)
		v[i] = 3;
	augment_gamma(v, box, 0.7, 0, 1);
	augment_gamma(v, box, 0.7, 1, 1);
	augment_contrast(v, box, 1.25, 1);
	lost = augment_blur(v, box, sigma, &e) | augment_lowres(v, box, zoom, &e);
	for (int i = 0; i < N; i++)
		bad += fabsf(v[i] - 3) > 1e-5f;
	ok(!bad && !lost, "a constant image stays as it is");
	v[0] = -2;
	augment_gamma(v, one, 0.7, 1, 1);
	augment_contrast(v, one, 1.25, 1);
	lost = augment_blur(v, one, sigma, &e) | augment_lowres(v, one, zoom, &e);
	ok(!lost && fabsf(v[0] + 2) < 1e-6f, "so does one voxel");
	for (int i = 0; i < N; i++)
		v[i] = NAN;
	augment_gamma(v, box, 0.7, 1, 1);
	augment_contrast(v, box, 1.25, 1);
	for (int i = 0; i < N; i++)
		bad += !isnan(v[i]);
	ok(!bad && augment_stats(v, N).count == 0, "and nothing but NaN");
}

static void statistics(void)
{
	enum { N = 100003 };
	float *v = malloc(N * sizeof *v);
	struct augment_stats a, b;
	double sum = 0, squares = 0;

	for (int i = 0; i < N; i++) {
		v[i] = (float)(i * 7919LL % 10007) - 3000;
		sum += (double)v[i];
		squares += (double)v[i] * (double)v[i];
	}
	omp_set_num_threads(1);
	a = augment_stats(v, N);
	omp_set_num_threads(2);
	b = augment_stats(v, N);
	ok(a.count == N && a.min == -3000 && a.max == 7006 && near_to(a.mean, sum / N, 0, 1e-12) && a.mean == b.mean && a.sd == b.sd &&
	   near_to(a.sd, sqrt(squares / N - sum / N * sum / N), 0, 1e-10), "statistics, the same for any number of threads");
	free(v);
}

static void dropout(void)
{
	const int64_t cube[3] = {5, 4, 3}, box[2][6] = {{1, 1, 1, 2, 2, 1}, {4, 3, 0, 1, 1, 3}};
	float v[60];
	int n = 0;

	for (int i = 0; i < 60; i++)
		v[i] = 1;
	augment_dropout(v, cube, box[0], -5);
	augment_dropout(v, cube, box[1], -5);
	for (int i = 0; i < 60; i++)
		n += v[i] == -5;
	ok(n == 7 && v[26] == -5 && v[32] == -5 && v[19] == -5 && v[59] == -5, "dropout: the boxes and no voxel more");
}

int main(void)
{
	struct err e;
	struct stream *s = stream_open("tests/golden/augment.ts", &e);

	if (!s || stream_next(s, &golden, &e) != 1) {
		ok(0, "%s", e.text);
		return tap_done();
	}
	peers();
	functions();
	flips();
	places();
	slices();
	flat_and_elastic();
	together();
	draws_of(AUGMENT_HACKATHON, "hackathon");
	draws_of(AUGMENT_NNUNET, "nnunet");
	other_draws();
	apart();
	noise();
	odd_values();
	statistics();
	dropout();
	frame_free(&golden);
	stream_close(s);
	return tap_done();
}
