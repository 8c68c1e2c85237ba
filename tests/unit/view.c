/* lib/volume/view: which way is up, what is outlined. */
#include "tests/unit/tap.h"

#include "lib/base/rng.h"
#include "lib/stream/history.h"
#include "lib/volume/view/view.h"

enum { N = 8 };

/* A cube of N voxels with a bright octant on the patient's right, front, top.
   axes: the world axis (0 R, 1 A, 2 S) of x, y, z, negative signs by flip. */
static int octant(struct frame *f, const int axes[3], const int flip[3], struct err *e)
{
	const int64_t shape[4] = {1, N, N, N};
	double a[16] = {0};
	float *v;

	if (frame_init(f, "volume", "cube", e) || !frame_add(f, "image", DT_F32, 4, shape, e))
		return -1;
	v = f->t[0].data;
	for (int i = 0; i < N * N * N; i++) {
		int p[3] = {i % N, i / N % N, i / N / N}, bright = 1;

		for (int k = 0; k < 3; k++)
			bright &= (p[k] >= N / 2) != flip[k];
		v[i] = (float)bright;
	}
	for (int k = 0; k < 3; k++)
		a[4 * axes[k] + k] = flip[k] ? -2 : 2;
	a[15] = 1;
	return frame_set_affine(f, a, e);
}

static int white(const struct draw *d, int64_t x, int64_t y)
{
	return d->rgb[3 * (y * d->w + x)] > 128;
}

static void orientation(void)
{
	static const int axes[4][3] = {{0, 1, 2}, {0, 2, 1}, {2, 0, 1}, {1, 2, 0}};
	struct err e;

	for (int i = 0; i < 32; i++) {
		const int flip[3] = {i & 1, i >> 1 & 1, i >> 2 & 1};
		struct frame f = {0};
		int good = !octant(&f, axes[i / 8], flip, &e);

		for (int plane = 0; good && plane < 3; plane++) {
			struct view_opts o = {.tensor = "image", .plane = (enum cut_plane)plane, .slice = -1, .montage = 2, .zoom = 8, .close = -1};
			struct draw d;

			good = !view_draw(&f, &o, &d, &e);
			if (!good)
				break;
			/* two tiles side by side, of 64 pixels; the bright layer is in one of them */
			good = d.w == 128 && d.h > 64;
			for (int t = 0; good && t < 2; t++) {
				int first = white(&d, 16, 16), second = white(&d, 80, 16);

				good = first + second == 1 && !white(&d, 48, 48) && !white(&d, 112, 48) && !white(&d, 48, 16) && !white(&d, 16, 48);
			}
			draw_free(&d);
		}
		ok(good, "right, front and top are where they belong: axes %d%d%d, flips %d%d%d", axes[i / 8][0], axes[i / 8][1], axes[i / 8][2], flip[0], flip[1],
		   flip[2]);
		frame_free(&f);
	}
}

/* pixels of a colour in the slice, which is above the legend */
static int seen(const struct draw *d, struct draw_colour c)
{
	int n = 0;

	for (int64_t i = 0; i < d->w * 8 * N; i++)
		n += !memcmp(d->rgb + 3 * i, &c, 3);
	return n;
}

static void outlines(void)
{
	static const int axes[3] = {0, 1, 2}, flip[3] = {1, 1, 0};
	const int64_t shape[3] = {N, N, N};
	struct view_opts o = {.tensor = "image", .slice = -1, .zoom = 8, .close = -1};
	struct frame f = {0};
	struct draw d;
	struct err e;
	uint8_t *l, *p;

	octant(&f, axes, flip, &e);
	l = frame_add(&f, "label", DT_U8, 3, shape, &e)->data, p = frame_add(&f, "pred", DT_U8, 3, shape, &e)->data;
	memset(l, 0, N * N * N), memset(p, 0, N * N * N);
	for (int y = 2; y < 6; y++)
		for (int x = 2; x < 6; x++)
			l[(5 * N + y) * N + x] = 1;
	ok(!view_draw(&f, &o, &d, &e) && near_to(seen(&d, VIEW_TRUTH), 112, 8, 0), "truth has an outline of its colour: %d", seen(&d, VIEW_TRUTH));
	ok(!seen(&d, VIEW_PRED) && !seen(&d, VIEW_SAME), "no prediction, no other colour");
	draw_free(&d);
	memcpy(p, l, N * N * N);
	ok(!view_draw(&f, &o, &d, &e) && !seen(&d, VIEW_TRUTH) && near_to(seen(&d, VIEW_SAME), 112, 8, 0), "both in the same place have theirs");
	draw_free(&d);
	for (int i = 0; i < N * N * N; i++)
		p[i] = 7 * p[i];
	ok(!view_draw(&f, &o, &d, &e) && !seen(&d, VIEW_SAME) && seen(&d, VIEW_TRUTH) >= 40 && seen(&d, VIEW_PRED) >= 40 &&
	   near_to(seen(&d, VIEW_TRUTH) + seen(&d, VIEW_PRED), 112, 8, 0), "of another label it is not the same: both colours");
	draw_free(&d);
	memset(l, 0, N * N * N);
	ok(!view_draw(&f, &o, &d, &e) && near_to(seen(&d, VIEW_PRED), 112, 8, 0), "so has prediction alone");
	draw_free(&d);
	for (int y = 2; y < 6; y++)
		p[(5 * N + y) * N + 4] = p[(5 * N + y) * N + 5] = 3;
	ok(!view_draw(&f, &o, &d, &e) && near_to(seen(&d, VIEW_PRED), 112 + 30, 8, 0), "labels that touch have an outline between them: %d",
	   seen(&d, VIEW_PRED));
	draw_free(&d);
	frame_free(&f);
}

/* A box of 4x4 voxels in a volume whose voxels are 1x3x2 mm and whose axes are turned by 30 degrees in the plane: 4x12 mm on the picture, half of it
   predicted. */
static void shapes(void)
{
	const int64_t shape[3] = {N, N, N};
	const double c = cos(M_PI / 6), s = sin(M_PI / 6), a[16] = {-c, 3 * s, 0, 0, -s, -3 * c, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1};
	struct view_opts o = {.tensor = "image", .slice = 5, .zoom = 8, .close = -1, .marks = VIEW_FILL, .plain = 1,
	                      .window = VIEW_VALUES, .lo = 0, .hi = 1};
	struct frame f = {0};
	struct draw d;
	struct err e;
	uint8_t *l, *p;
	int n = 0;

	frame_init(&f, "volume", "box", &e), frame_set_affine(&f, a, &e);
	memset(frame_add(&f, "image", DT_U8, 3, shape, &e)->data, 0, N * N * N);
	l = frame_add(&f, "label", DT_U8, 3, shape, &e)->data, p = frame_add(&f, "pred", DT_U8, 3, shape, &e)->data;
	memset(l, 0, N * N * N), memset(p, 0, N * N * N);
	for (int i = 0; i < 16; i++) {
		l[(5 * N + 2 + i / 4) * N + 2 + i % 4] = 1;
		p[(5 * N + 2 + i / 4) * N + 2 + i % 4] = i % 4 < 2;
	}
	ok(!view_draw(&f, &o, &d, &e) && d.w == 64 && d.h == 192, "voxels keep their shape: %lldx%lld", (long long)d.w, (long long)d.h);
	for (int64_t i = 0; i < d.w * d.h; i++)
		n += d.rgb[3 * i] + d.rgb[3 * i + 1] + d.rgb[3 * i + 2] > 0;
	ok(near_to(n, 4 * 4 * 8 * 24, 0, 0.1), "all of the mask is filled: %d", n);
	ok(d.rgb[3 * (96 * 64 + 24)] == 89 && d.rgb[3 * (96 * 64 + 24) + 2] == 0, "yellow over both");
	ok(d.rgb[3 * (96 * 64 + 40)] == 0 && d.rgb[3 * (96 * 64 + 40) + 2] == 89, "blue over truth alone");
	draw_free(&d);
	o.close = 1.5;
	ok(!view_draw(&f, &o, &d, &e) && d.w == 8 * 8 && d.h == 24 * 6, "close: the box and 1.5 mm, whole voxels: %lldx%lld", (long long)d.w,
	   (long long)d.h);
	draw_free(&d);
	frame_free(&f);
}

/* What the values are in HU, by type, history and range. */
static void ranges(void)
{
	static const double a[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
	static const struct { enum dtype type; float least, most; const char *tool; double to[2]; double lo, hi, scale, shift; } want[] = {
		{DT_I16, -1024, 3000, NULL, {0}, -1000, 400, 1, 0},
		{DT_I16, 0, 1, NULL, {0}, -1000, 400, 1, 0},
		{DT_F32, -1024, 3000, NULL, {0}, -1000, 400, 1, 0},
		{DT_F32, 0, 1, NULL, {0}, 0, 1, 0, 0},
		{DT_F32, 0, 1, "nii-normalize", {0, 1}, 24.0 / 1349, 1424.0 / 1349, 1349, -1024},
		{DT_F32, -1, 1, "nii-normalize", {-1, 1}, 48.0 / 1349 - 1, 2848.0 / 1349 - 1, 674.5, -349.5},
		{DT_F32, -3, 5, "nii-augment", {0}, -3, 5, 0, 0},
	};
	const int64_t shape[3] = {3, 2, 2};
	struct err e;

	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct frame f = {0};
		struct tensor *t;
		struct view_range r;
		struct grid g;
		struct cut c;

		frame_init(&f, "volume", "v", &e), frame_set_affine(&f, a, &e);
		t = frame_add(&f, "image", want[i].type, 3, shape, &e);
		for (int k = 0; k < 12; k++)
			if (want[i].type == DT_F32)
				((float *)t->data)[k] = k & 1 ? want[i].least : want[i].most;
			else
				((int16_t *)t->data)[k] = (int16_t)(k & 1 ? want[i].least : want[i].most);
		if (want[i].tool)
			history_push(&f, want[i].tool, json_pack("{s:b, s:[f, f, f, f]}", "clip", 1, "range", -1024., 325., want[i].to[0], want[i].to[1]), NULL, NULL, &e);
		frame_grid(&f, &g, &e);
		c = cut_of(&g, CUT_AXIAL);
		ok(!view_range(&f, &c, t, 0, &r, &e) && near_to(r.lo, want[i].lo, 1e-12, 0) && near_to(r.hi, want[i].hi, 1e-12, 0) && r.scale == want[i].scale &&
		   r.shift == want[i].shift, "range %zu: %g..%g, HU = %g v + %g", i, r.lo, r.hi, r.scale, r.shift);
		frame_free(&f);
	}
}

/* A box of 5x3x1 voxels (x right, y front, z up of the body, 2x2x3 mm; turned and mirrored in 32 ways on the grid) beside a longer one that stands
   upright: the line goes through the flat one from corner to corner, as the mesh has it. */
static void recist(void)
{
	static const int axes[4][3] = {{0, 1, 2}, {0, 2, 1}, {2, 0, 1}, {1, 2, 0}};
	static const double mm[3] = {2, 2, 3};
	const int64_t shape[3] = {N, N, N};
	struct err e;

	for (int i = 0; i < 32; i++) {
		const int flip[3] = {i & 1, i >> 1 & 1, i >> 2 & 1}, *axis = axes[i / 8];
		struct frame f = {0};
		struct view_line l, none;
		double a[16] = {0}, dx, dy;
		struct grid g;
		struct cut c;
		uint8_t *v;

		frame_init(&f, "volume", "v", &e);
		v = frame_add(&f, "label", DT_U8, 3, shape, &e)->data;
		memset(v, 0, N * N * N);
		for (int k = 0; k < 3; k++)
			a[4 * axis[k] + k] = flip[k] ? -mm[axis[k]] : mm[axis[k]];
		a[15] = 1;
		frame_set_affine(&f, a, &e);
		for (int k = 0; k < N * N * N; k++) {
			int p[3] = {k % N, k / N % N, k / N / N}, w[3];

			for (int j = 0; j < 3; j++)
				w[axis[j]] = flip[j] ? N - 1 - p[j] : p[j];
			v[k] = (w[0] >= 1 && w[0] < 6 && w[1] >= 2 && w[1] < 5 && w[2] == 5) || (w[0] == 7 && w[1] == 7);
		}
		frame_grid(&f, &g, &e);
		c = cut_of(&g, CUT_AXIAL);
		ok(!view_measure(&c, cut_mask(&f, "label", &g), a, &l, &e) && !view_measure(&c, NULL, a, &none, &e) && none.mm == 0, "measured: way %d", i);
		dx = 2 * (l.end[1][0] - l.end[0][0]), dy = 2 * (l.end[1][1] - l.end[0][1]);
		ok(near_to(l.mm, hypot(10, 4), 1e-12, 0) && near_to(hypot(dx, dy), l.mm, 1e-12, 0), "its length, and between its ends: %g, %g",
		   l.mm, hypot(dx, dy));
		/* the patient's right, world's high x, is on the left: voxels 1 to 5 of 8 are pixels 6 to 2; what is in front, world's high y, is on top */
		ok(fmin(l.end[0][0], l.end[1][0]) == 1.5 && fmax(l.end[0][0], l.end[1][0]) == 6.5 && fmin(l.end[0][1], l.end[1][1]) == 3 &&
		   fmax(l.end[0][1], l.end[1][1]) == 5, "where it lies: %g,%g to %g,%g", l.end[0][0], l.end[0][1], l.end[1][0], l.end[1][1]);
		ok(l.layer == (flip[c.across.axis] ? N - 1 - 5 : 5), "its layer");
		frame_free(&f);
	}
}

/* Layers that must be shown take the places of others; what is left rises and is there once. */
static void included(void)
{
	struct rng r;
	int good = 1;

	rng_init(&r, 1, RNG_TEST, 0);
	for (int trial = 0; trial < 2000 && good; trial++) {
		int64_t layer[8], must[3], n = 1 + (int64_t)rng_below(&r, 8), at = -1;
		int n_must = 1 + (int)rng_below(&r, 3);

		for (int64_t i = 0; i < n; i++)
			layer[i] = at += 1 + (int64_t)rng_below(&r, 4);
		for (int i = 0; i < n_must; i++)
			must[i] = (int64_t)rng_below(&r, 40);
		n_must = n_must > n ? (int)n : n_must;
		cut_include(layer, n, must, n_must);
		for (int64_t i = 1; i < n; i++)
			good &= layer[i] > layer[i - 1];
		for (int i = 0; i < n_must; i++) {
			int found = 0;

			for (int64_t k = 0; k < n; k++)
				found |= layer[k] == must[i];
			good &= found;
		}
	}
	ok(good, "layers that must be shown are, 2000 times");
}

/* A length with no room beside its line is not written on it: a row of 24 of 32 voxels, at the edge that the text would be at. */
static void length_clear(void)
{
	const int64_t shape[4] = {1, 1, 32, 32};
	const double a[16] = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
	const struct view_opts o = {.tensor = "image", .slice = -1, .zoom = 16, .close = -1, .marks = VIEW_BARE, .recist = 1};
	int good = 1;

	for (int which = 0; which < 2; which++) {
		const struct draw_colour c = which ? VIEW_PRED : VIEW_TRUTH;
		struct frame f = {0};
		struct draw d;
		struct err e;
		uint8_t *m;

		good = good && !frame_init(&f, "volume", "row", &e) && frame_add(&f, "image", DT_F32, 4, shape, &e) &&
		       frame_add(&f, which ? "pred" : "label", DT_U8, 3, shape + 1, &e) && !frame_set_affine(&f, a, &e);
		m = good ? f.t[1].data : NULL;
		for (int i = 0; good && i < 24; i++)
			m[8 * 32 + (which ? 1 + i : 7 + i)] = 1;
		good = good && !view_draw(&f, &o, &d, &e);
		for (int64_t x = (which ? 3 : 9) * 16; good && x < (which ? 23 : 29) * 16; x++)
			good &= !memcmp(d.rgb + 3 * ((8 * 16 + 8) * d.w + x), &c, 3);
		if (good)
			draw_free(&d);
		frame_free(&f);
	}
	ok(good, "a length with no room beside its line is not written on it");
}

int main(void)
{
	included();
	length_clear();
	recist();
	ranges();
	orientation();
	outlines();
	shapes();
	return tap_done();
}
