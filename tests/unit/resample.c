/* lib/volume: resampling between grids that lie anyhow against plain loops in double; scores there and back on tumours. */
#include "tests/unit/random.h"
#include "tests/unit/tap.h"

#include "lib/base/rng.h"
#include "lib/stream/history.h"
#include "lib/stream/values.h"
#include "lib/volume/resample/interp_axis.h"
#include "lib/volume/history/invert.h"
#include "lib/volume/nifti/nifti.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/phantom/phantom.h"
#include "lib/volume/resample/resample.h"

static struct err e;

/* -- the same in double, voxel by voxel -- */

/* Where the world's point w lies on g: Cramer's rule. */
static void locate(const struct grid *g, const double w[3], double p[3])
{
	double a[3][3], det = 0, d[3];

	for (int r = 0; r < 3; r++) {
		d[r] = w[r] - g->affine[4 * r + 3];
		for (int i = 0; i < 3; i++)
			a[r][i] = g->affine[4 * r + i];
	}
	for (int k = -1; k < 3; k++) {
		double m[3][3], v;

		for (int r = 0; r < 3; r++)
			for (int i = 0; i < 3; i++)
				m[r][i] = i == k ? d[r] : a[r][i];
		v = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
		    m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
		if (k < 0)
			det = v;
		else
			p[k] = v / det;
	}
}

/* How far p is from where something changes: the border of what is within, and half-way between voxels. */
static double slack(const double p[3], const struct grid *g)
{
	double least = 1;

	for (int j = 0; j < 3; j++) {
		least = fmin(least, fabs(p[j] + 0.5));
		least = fmin(least, fabs(p[j] - ((double)g->size[j] - 0.5)));
		least = fmin(least, fabs(p[j] - floor(p[j]) - 0.5));
	}
	return least;
}

static int is_in(const double p[3], const struct grid *g)
{
	for (int j = 0; j < 3; j++)
		if (p[j] < -0.5 || p[j] > (double)g->size[j] - 0.5)
			return 0;
	return 1;
}

static double value(const struct tensor *t, int64_t c, const int64_t v[3])
{
	const int64_t *s = t->shape + t->rank - 3;
	int64_t k[3];

	for (int j = 0; j < 3; j++)
		k[j] = v[j] < 0 ? 0 : v[j] > s[2 - j] - 1 ? s[2 - j] - 1 : v[j];
	return tensor_value(t, ((c * s[0] + k[2]) * s[1] + k[1]) * s[2] + k[0]);
}

static double part(const double p[3], int corner, int64_t v[3])
{
	double w = 1;

	for (int j = 0; j < 3; j++) {
		double at = floor(p[j]);

		v[j] = (int64_t)at + (corner >> j & 1);
		w *= corner >> j & 1 ? p[j] - at : 1 - (p[j] - at);
	}
	return w;
}

static double linear(const struct tensor *t, int64_t c, const double p[3])
{
	double sum = 0;

	for (int k = 0; k < 8; k++) {
		int64_t v[3];
		double w = part(p, k, v);

		sum += w * value(t, c, v);
	}
	return sum;
}

/* The label by the rule; *margin: by how much. */
static double label(const struct tensor *t, const double p[3], enum interp_label how, double *margin)
{
	double best = 0, share[256] = {0};
	int64_t v[3];

	*margin = 1;
	if (how == INTERP_LABEL_NEAREST) {
		for (int j = 0; j < 3; j++)
			v[j] = (int64_t)floor(p[j] + 0.5);
		return value(t, 0, v);
	}
	for (int k = 0; k < 8; k++) {
		double w = part(p, k, v);

		share[(int)value(t, 0, v)] += w;
	}
	for (int l = 0; l < 256; l++)
		if (how == INTERP_LABEL_LINEAR ? share[l] >= 0.5 : share[l] > share[(int)best])
			best = l;
	for (int l = 0; l < 256; l++)
		*margin = fmin(*margin, how == INTERP_LABEL_LINEAR ? fabs(share[l] - 0.5) : l == (int)best ? 1 : share[(int)best] - share[l]);
	return best;
}

/* -- random grids -- */

static void fill(struct tensor *t, struct rng *r)
{
	random_fill(t, 1, 5, r);
}

static void some_affine(struct rng *r, double most, double a[16])
{
	memset(a, 0, 16 * sizeof *a);
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++)
			a[4 * i + k] = i == k ? rng_range(r, 0.6, 2) : rng_range(r, -most, most);
	a[15] = 1;
}

static void make(struct frame *f, enum dtype type, const int64_t size[3], struct rng *r)
{
	static const enum dtype labels[] = {DT_U8, DT_I16, DT_I64, DT_U32, DT_I8, DT_U16, DT_I32, DT_U64};
	const int64_t shape[4] = {2, size[2], size[1], size[0]};
	double a[16];

	frame_init(f, "volume", "case", &e);
	fill(frame_add(f, "image", type, 4, shape, &e), r);
	fill(frame_add(f, "label", labels[rng_below(r, 8)], 3, shape + 1, &e), r);
	some_affine(r, 0.3, a);
	frame_set_affine(f, a, &e);
}

/* Worst difference of the image, how many labels differ, how many voxels were compared. */
static void compare(const struct frame *was, const struct grid *g, const struct frame *f, const struct resample *o, double *worst, int *wrong, int *n)
{
	const struct tensor *p = frame_find(was, "image"), *q = frame_find(f, "image"), *l = frame_find(was, "label"), *k = frame_find(f, "label");
	const struct grid *to = &o->like;

	*worst = 0, *wrong = 0, *n = 0;
	for (int64_t i = 0; i < geo_voxels(to); i++) {
		int64_t v[3] = {i % to->size[0], i / to->size[0] % to->size[1], i / to->size[0] / to->size[1]};
		double w[3], at[3], margin = 1, want;

		for (int r = 0; r < 3; r++)
			w[r] = to->affine[4 * r] * (double)v[0] + to->affine[4 * r + 1] * (double)v[1] + to->affine[4 * r + 2] * (double)v[2] + to->affine[4 * r + 3];
		locate(g, w, at);
		if (slack(at, g) < 1e-5)
			continue;
		for (int64_t c = 0; c < 2; c++) {
			want = is_in(at, g) ? linear(p, c, at) : o->fill;
			*worst = fmax(*worst, fabs(value(q, c, v) - want) / (1 + fabs(want)));
		}
		want = is_in(at, g) ? label(l, at, o->label, &margin) : 0;
		if (margin < 1e-5)
			continue;
		*wrong += value(k, 0, v) != want;
		(*n)++;
	}
}

static void warps(struct rng *r)
{
	static const enum dtype types[] = {DT_I16, DT_F32, DT_U8, DT_F64, DT_U16, DT_I32, DT_BOOL, DT_I8, DT_U32, DT_I64};

	for (int i = 0; i < 60; i++) {
		const int64_t size[3] = {1 + (int64_t)rng_below(r, 14), 1 + (int64_t)rng_below(r, 12), 1 + (int64_t)rng_below(r, 9)};
		struct resample o = {.to = RESAMPLE_LIKE, .fill = -3.5, .label = (enum interp_label)(i % 3)};
		struct frame f, was;
		struct grid g;
		double worst, middle[3] = {0};
		int wrong, n;

		make(&f, types[i % 10], size, r);
		frame_grid(&f, &g, &e);
		some_affine(r, i % 2 ? 0.3 : 0.02, o.like.affine);
		for (int k = 0; k < 3; k++)
			o.like.size[k] = 1 + (int64_t)rng_below(r, 15);
		for (int row = 0; row < 3; row++) { /* a middle near the old one's */
			for (int k = 0; k < 3; k++)
				middle[row] += g.affine[4 * row + k] * (double)(size[k] - 1) / 2 - o.like.affine[4 * row + k] * (double)(o.like.size[k] - 1) / 2;
			o.like.affine[4 * row + 3] = middle[row] + g.affine[4 * row + 3] + rng_range(r, -0.4, 0.4);
		}
		frame_init(&was, "volume", "case", &e);
		for (int t = 0; t < f.n; t++)
			memcpy(frame_add(&was, f.t[t].name, f.t[t].dtype, f.t[t].rank, f.t[t].shape, &e)->data, f.t[t].data, f.t[t].size);
		if (resample_apply(&f, &o, &e)) {
			ok(0, "%d: %s", i, e.text);
		} else {
			compare(&was, &g, &f, &o, &worst, &wrong, &n);
			ok(worst < 1e-4 && !wrong && n, "%s to another grid: worst %.2g, %d of %d labels wrong", dtype_name(types[i % 10]), worst, wrong, n);
		}
		frame_free(&f);
		frame_free(&was);
	}
}

/* -- scores there and back -- */

/* label as prob [2,Z,Y,X]: 1 where it is. */
static void add_scores(struct frame *f)
{
	const struct tensor *l = frame_find(f, "label");
	const int64_t shape[4] = {2, l->shape[0], l->shape[1], l->shape[2]}, n = tensor_count(l);
	float *p = frame_add(f, "prob", DT_F32, 4, shape, &e)->data;

	l = frame_find(f, "label");
	for (int64_t i = 0; i < n; i++) {
		p[n + i] = tensor_value(l, i) > 0;
		p[i] = 1 - p[n + i];
	}
	frame_set_meta(f, "prob", "probabilities", &e);
}

static double dice(const struct tensor *a, const struct tensor *b)
{
	int64_t both = 0, either = 0;

	for (int64_t i = 0; i < tensor_count(a); i++) {
		int p = tensor_value(a, i) > 0, q = tensor_value(b, i) > 0;

		both += p & q;
		either += p + q;
	}
	return 2 * (double)both / (double)either;
}

/* To this spacing and back, or onto a grid that is rotated by 4 degrees and back. */
static void there_and_back(struct frame *f, const char *name, double spacing, int rotated, enum resample_align align, double least)
{
	struct resample o = {.to = RESAMPLE_SPACING, .spacing = {spacing, spacing, spacing}, .align = align};
	static const char *const words[] = {"monai", "nnunet", "zoom"};
	struct tensor truth;
	struct grid g, back;
	double d;

	frame_drop(f, "image");
	add_scores(f);
	frame_grid(f, &g, &e);
	if (rotated) {
		double c = cos(0.07), s = sin(0.07);

		o = (struct resample){.to = RESAMPLE_LIKE, .like = g};
		for (int k = 0; k < 3; k++) {
			o.like.affine[k] = c * g.affine[k] - s * g.affine[8 + k];
			o.like.affine[8 + k] = s * g.affine[k] + c * g.affine[8 + k];
		}
	}
	truth = *frame_find(f, "label");
	truth.data = malloc(truth.size);
	memcpy(truth.data, frame_find(f, "label")->data, truth.size);
	if (resample_apply(f, &o, &e) || invert_apply(f, 0, 1, &e) || frame_grid(f, &back, &e)) {
		ok(0, "%s: %s", name, e.text);
	} else {
		d = dice(&truth, frame_find(f, "pred"));
		ok(d >= least && !memcmp(&g, &back, sizeof g), "scores of %s there and back%s, %s: Dice %.4f", name, rotated ? ", rotated" : "",
		   words[align], d);
	}
	free(truth.data);
}

static void tumours(void)
{
	static const char *const cases[] = {"LUNG1-001/LUNG1-001", "LUNG1-002/LUNG1-002", "pat_3/pat_3"};
	struct phantom_opts o = {3, {96, 96, 80}, {3.6, 3.6, 3.6}, 0, {300, 400}};
	const char *data = getenv("NIIPIPE_DATA");

	for (int i = 0; i < 4; i++) {
		struct frame f = {0};

		ok(!phantom_make(&o, 0, &f, &e), "a phantom");
		there_and_back(&f, "a phantom", 5, i == 3, i % 3, 0.99);
		frame_free(&f);
	}
	for (int i = 0; i < 12; i++) {
		struct frame f = {0};
		char path[4096];

		snprintf(path, sizeof path, "%s/ct/%s_gtv.nii.gz", data ? data : "", cases[i % 3]);
		if (nii_load(path, "label", &f, &e)) {
			skip("no %s", path);
			continue;
		}
		there_and_back(&f, cases[i % 3], 1.5, i >= 9, i / 3 % 3, i < 6 ? 0.99 : 0.985);
		frame_free(&f);
	}
}

/* -- geometry -- */

static void geometry(struct rng *r)
{
	struct grid g = {{2, 3, 4}, {0}}, flat = {{2, 2, 2}, {1, 1, 0, 0, 0, 1e-4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
	struct orient o;
	double m[3][4], u[3][3];

	for (int i = 0; i < 20; i++) {
		double worst = 0;

		some_affine(r, 0.5, g.affine);
		if (geo_check_solid(&g, &e))
			continue;
		ok(!geo_between(&g, &g, m, &e), "a grid and itself");
		for (int j = 0; j < 3; j++)
			for (int k = 0; k < 4; k++)
				worst = fmax(worst, fabs(m[j][k] - (j == k)));
		ok(worst < 1e-12, "are the same: %.2g", worst);
		ok(!geo_directions(&g, u, &e), "directions");
		worst = 0;
		for (int j = 0; j < 3; j++)
			for (int k = 0; k < 3; k++)
				worst = fmax(worst, fabs(u[0][j] * u[0][k] + u[1][j] * u[1][k] + u[2][j] * u[2][k] - (j == k)));
		ok(worst < 1e-12, "are at right angles: %.2g", worst);
	}
	ok(geo_between(&flat, &g, m, &e) && !strcmp(e.text, "the old grid: affine is singular: its axes lie in a plane (volume between them 0.0001)"), "%s",
	   e.text);
	ok(geo_between(&g, &flat, m, &e) && !strncmp(e.text, "the new grid: affine is singular", 32), "%s", e.text);
	ok(orient_find(&flat, "RAS", &o, &e), "%s", e.text);
	flat.affine[0] = 0;
	ok(geo_check_solid(&flat, &e) && !strcmp(e.text, "affine: axis x has no length"), "%s", e.text);
}

/* -- smoothing -- */

static void smoothing(void)
{
	float v[5] = {0, 0, 1, 0, 0}, out[5], sum = 0;
	struct tensor t = {.dtype = DT_F32, .rank = 3, .shape = {1, 1, 5}, .size = sizeof v, .data = v};

	ok(!interp_will_smooth((const double[3]){1, 0.5, 1}) && interp_will_smooth((const double[3]){1, 1.5, 1}), "what becomes coarser is smoothed");
	ok(!interp_smooth(&t, (const double[3]){2, 1, 1}, out, &e) && near_to((double)out[2], 0.7865706, 1e-6, 0) &&
	           near_to((double)out[1], 0.1064508, 1e-6, 0),
	   "sigma 0.5: %.7f %.7f", (double)out[2], (double)out[1]);
	ok(!interp_smooth(&t, (const double[3]){1e12, 1e9, 1e300}, out, &e), "a voxel wider than any volume");
	for (int i = 0; i < 5; i++)
		sum += out[i];
	ok(fabsf(sum) < 1e-3f, "is all border: %g", (double)sum);
}

int main(void)
{
	struct rng r;

	rng_init(&r, 1, RNG_TEST, 12);
	warps(&r);
	geometry(&r);
	smoothing();
	tumours();
	return tap_done();
}
