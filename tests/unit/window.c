/* lib/net/window and kernels/window: the grid, the importance map, and whole volumes against MONAI (tests/golden/make_window.py). */
#include "tests/unit/tap.h"

#include "kernels/window.c" /* the kernels themselves, on a table of our own: no oneDNN needed */
#include "lib/base/mem.h"
#include "lib/net/window.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"

static void *host_alloc(size_t n, struct err *e)
{
	return mem_new(n, 1, "test", e);
}

static int host_copy(void *to, const void *from, size_t n, enum k_copy dir, struct err *e)
{
	(void)dir, (void)e;
	memcpy(to, from, n);
	return 0;
}

static int host_zero(void *p, size_t n, struct err *e)
{
	(void)e;
	memset(p, 0, n);
	return 0;
}

static struct k_backend table = {.abi = K_ABI, .name = "cpu", .alloc = host_alloc, .release = free, .copy = host_copy, .zero = host_zero,
                                 .window_gather = k_window_gather, .window_blend = k_window_blend, .window_divide = k_window_divide};

/* -- the grid -------------------------------------------------------------------- */
static void grid_is(int64_t size, int64_t roi, double overlap, int n, const int64_t *want)
{
	struct window_grid g;
	struct err e;
	int good = !window_grid_make(&g, (int64_t[]){size, size, size}, (int64_t[]){roi, roi, roi}, overlap, &e);

	good = good && g.count[0] == n && g.total == (int64_t)n * n * n;
	for (int i = 0; good && i < n; i++)
		good = g.start[0][i] == want[i] && g.start[1][i] == want[i] && g.start[2][i] == want[i];
	ok(good, "starts of %lld in %lld at overlap %g", (long long)roi, (long long)size, overlap);
	window_grid_free(&g);
}

static void step_is(int64_t roi, double overlap, int64_t step)
{
	struct window_grid g;
	struct err e;

	ok(!window_grid_make(&g, (int64_t[]){1000, 1, 1}, (int64_t[]){roi, 1, 1}, overlap, &e) && g.start[0][1] == step, "step of %lld at overlap %g",
	   (long long)roi, overlap);
	window_grid_free(&g);
}

static void grids(void)
{
	static const int64_t size[3] = {9, 5, 20}, roi[3] = {4, 8, 8};
	struct window_grid g;
	struct err e;
	int64_t s[3];

	grid_is(300, 96, 0.25, 4, (int64_t[]){0, 72, 144, 204});
	grid_is(300, 96, 0.5, 6, (int64_t[]){0, 48, 96, 144, 192, 204});
	grid_is(96, 96, 0.5, 1, (int64_t[]){0});
	grid_is(97, 96, 0.5, 2, (int64_t[]){0, 1});
	grid_is(144, 96, 0.5, 2, (int64_t[]){0, 48});
	grid_is(145, 96, 0.5, 3, (int64_t[]){0, 48, 49});
	grid_is(91, 96, 0.5, 1, (int64_t[]){-2}); /* 2 before, 3 behind */
	grid_is(5, 3, 0.9, 3, (int64_t[]){0, 1, 2});
	grid_is(1, 1, 0, 1, (int64_t[]){0});
	step_is(80, 0.9, 7); /* 7.999.. in doubles */
	step_is(160, 0.9, 15);
	step_is(128, 0.7, 38);
	ok(!window_grid_make(&g, size, roi, 0.5, &e) && g.total == 4 * 1 * 4, "anisotropic windows");
	window_start(&g, 1, s);
	ok(s[0] == 0 && s[1] == -1 && s[2] == 4, "x runs fastest");
	window_start(&g, 15, s);
	ok(s[0] == 5 && s[1] == -1 && s[2] == 12, "the last window is shifted in");
	window_grid_free(&g);
	ok(window_grid_make(&g, size, roi, 1, &e) && !strcmp(e.text, "overlap 1 is not in [0,1)"), "overlap 1 is refused");
	ok(window_grid_make(&g, size, (int64_t[]){4, 0, 4}, 0, &e), "a window of nothing is refused");
}

static void maps(void)
{
	static const int64_t odd[3] = {5, 7, 9}, big[3] = {96, 96, 96};
	struct err e;
	float *w = window_weights(odd, WINDOW_GAUSSIAN, 0.125, &e), least = 1;

	ok(w && w[(2 * 7 + 3) * 9 + 4] == 1, "the Gaussian is 1 at the true centre");
	for (int i = 0; w && i < 5 * 7 * 9; i++)
		least = w[i] < least ? w[i] : least;
	ok(least == 1e-3f, "and never below 1e-3");
	free(w);
	w = window_weights(odd, WINDOW_GAUSSIAN, 1, &e);
	ok(w && near_to(w[0], exp(-4 / 50.0 - 9 / 98.0 - 16 / 162.0), 0, 1e-6), "nor below its own minimum");
	free(w);
	w = window_weights(big, WINDOW_GAUSSIAN, 0.125, &e);
	ok(w && near_to(w[(48 * 96 + 48) * 96 + 30], exp(-(0.25 + 0.25 + 17.5 * 17.5) / 288), 0, 1e-5), "sigma is a fraction of the window");
	free(w);
	w = window_weights(odd, WINDOW_CONSTANT, 0.125, &e);
	ok(w && w[0] == 1 && w[5 * 7 * 9 - 1] == 1, "constant");
	free(w);
	ok(!window_weights(odd, WINDOW_GAUSSIAN, 0, &e) && !strcmp(e.text, "sigma 0 is not above 0"), "sigma 0 is refused");
}

/* -- the golden predictor: class 0 is the first channel, 1 that times a ramp over the window, 2 the last channel times the ramp ---------- */
struct ramp { int64_t channels, classes, n, roi[3]; float *x, *y; };

static float *ramp_input(void *arg, int64_t n, const int64_t roi[3], struct err *e)
{
	struct ramp *r = arg;
	size_t vox = (size_t)(n * roi[0] * roi[1] * roi[2]);

	free(r->x);
	free(r->y);
	r->n = n;
	memcpy(r->roi, roi, sizeof r->roi);
	r->x = mem_new(vox * (size_t)r->channels, sizeof(float), "test", e);
	r->y = mem_new(vox * (size_t)r->classes, sizeof(float), "test", e);
	return r->x;
}

static const float *ramp_run(void *arg, struct err *e)
{
	struct ramp *r = arg;
	const float *x = r->x;
	float *y = r->y;

	(void)e;
	for (int64_t i = 0; i < r->n * r->roi[0] * r->roi[1] * r->roi[2]; i++, x += r->channels, y += r->classes) {
		int64_t w = i % r->roi[2], h = i / r->roi[2] % r->roi[1], d = i / r->roi[2] / r->roi[1] % r->roi[0];
		float at = (float)(1 + 0.125 * (double)d - 0.0625 * (double)h + 0.03125 * (double)w);

		y[0] = x[0];
		y[1] = x[0] * at;
		if (r->classes == 3)
			y[2] = x[r->channels - 1] * at;
	}
	return r->y;
}

struct seen { const struct tensor *want; int64_t z, plane, slabs; double worst; int order; };

static int compare_slab(void *arg, int64_t z, int64_t n, const float *l, struct err *e)
{
	struct seen *s = arg;
	const float *want = s->want->data;
	int64_t classes = s->want->shape[0], volume = s->want->shape[1] * s->plane;

	(void)e;
	s->order |= z != s->z || n < 1;
	s->z = z + n;
	s->slabs++;
	for (int64_t v = z * s->plane; v < (z + n) * s->plane; v++)
		for (int64_t c = 0; c < classes; c++) {
			double d = fabs((double)*l++ - (double)want[c * volume + v]);

			s->worst = !(d <= s->worst) ? d : s->worst;
		}
	return 0;
}

static struct window_opts case_opts(const json_t *c)
{
	struct window_opts o = WINDOW_DEFAULTS;
	double fill;

	json_get_ints(c, "roi", o.roi, 3);
	o.overlap = json_number_value(json_object_get(c, "overlap"));
	o.sigma = json_number_value(json_object_get(c, "sigma"));
	fill = json_number_value(json_object_get(c, "fill"));
	o.fill = (float)fill;
	o.mode = strcmp(json_string_value(json_object_get(c, "mode")), "gaussian") ? WINDOW_CONSTANT : WINDOW_GAUSSIAN;
	return o;
}

static void golden_case(const struct frame *f, const char *device, int64_t batch)
{
	const struct tensor *image = frame_find(f, "image"), *want = frame_find(f, "prob");
	json_t *c = json_loads(frame_meta(f, "case"), 0, NULL);
	struct window_opts o = case_opts(c);
	struct ramp r = {.channels = image->shape[0], .classes = want->shape[0]};
	struct window_predictor p = {r.channels, r.classes, ramp_input, ramp_run, &r};
	struct seen s = {.want = want, .plane = image->shape[2] * image->shape[3]};
	struct err e = {""};
	char *text = json_dumps(c, JSON_COMPACT);
	int bad;

	table.name = device;
	o.batch = batch;
	bad = window_run(&o, &table, &p, image->data, image->shape + 1, compare_slab, &s, &e);
	ok(!bad && !s.order && s.z == image->shape[1] && s.worst <= 1e-5, "as MONAI: %s batch %lld %s", device, (long long)batch, text);
	if (bad || s.worst > 1e-5)
		printf("# worst %g %s\n", s.worst, e.text);
	free(text);
	json_decref(c);
	free(r.x);
	free(r.y);
}

static void golden(void)
{
	struct err e = {""};
	struct stream *s = stream_open("tests/golden/window.ts", &e);
	struct frame f = {0};
	int n = 0;

	for (; s && stream_next(s, &f, &e) == 1; n++) {
		golden_case(&f, "cpu", 1);
		golden_case(&f, "cpu", 3);
		golden_case(&f, "other", 2);
		frame_free(&f);
	}
	ok(n == 13 && !*e.text, "13 golden cases %s", e.text);
	stream_close(s);
}

/* -- what a model says of its patches ------------------------------------------------ */
static void roi_meta(void)
{
	static const char *const bad[] = {"", "1,2", "1,2,3,4", "1,2,x", "1,2,0", " 1,2,3", "1;2;3"};
	struct frame f;
	struct err e;
	int64_t roi[3] = {64, 160, 128};

	frame_init(&f, "model", "m", &e);
	ok(window_roi_get(&f, roi, &e) == 1, "roi absent");
	ok(!window_roi_set(&f, roi, &e) && !strcmp(frame_meta(&f, "roi"), "128,160,64"), "roi is kept as X,Y,Z");
	memset(roi, 0, sizeof roi);
	ok(!window_roi_get(&f, roi, &e) && roi[0] == 64 && roi[1] == 160 && roi[2] == 128, "and read back");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		frame_set_meta(&f, "roi", bad[i], &e);
		ok(window_roi_get(&f, roi, &e) == -1, "roi '%s' is refused", bad[i]);
	}
	frame_free(&f);
}

int main(void)
{
	grids();
	maps();
	golden();
	roi_meta();
	return tap_done();
}
