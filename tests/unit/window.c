/* lib/net/window and kernels/window: the grid, the importance map, and whole volumes against MONAI (tests/golden/make_window.py). */
#include "tests/unit/tap.h"

#include <float.h>
#include <sys/mman.h>

#include "kernels/window.c" /* the kernels themselves, on a table of our own: no oneDNN needed */
#include "kernels/window_decide.c"
#include "kernels/window_doubt.c"
#include "kernels/window_gather.c"
#include "kernels/window_head.c"
#include "lib/base/mem.h"
#include "lib/net/window/window.h"
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

/* In a device's place all is done at once: no mark is waited for. */
static int host_queue(enum k_line l, void *to, const void *from, size_t n, enum k_copy dir, struct err *e)
{
	(void)l;
	return host_copy(to, from, n, dir, e);
}

static struct k_mark *host_mark_new(struct err *e)
{
	return host_alloc(1, e);
}

static void host_mark_free(struct k_mark *m)
{
	free(m);
}

static int host_mark(struct k_mark *m, enum k_line l, struct err *e)
{
	(void)m, (void)l, (void)e;
	return 0;
}

static int host_follow(enum k_line l, struct k_mark *m, struct err *e)
{
	return host_mark(m, l, e);
}

static int host_await(struct k_mark *m, struct err *e)
{
	return host_mark(m, K_COMPUTE, e);
}

static struct k_backend table = {.abi = K_ABI, .name = "cpu", .alloc = host_alloc, .release = free, .copy = host_copy, .zero = host_zero,
                                 .host_alloc = host_alloc, .host_release = free, .queue = host_queue, .mark_new = host_mark_new,
                                 .mark_free = host_mark_free, .mark = host_mark, .follow = host_follow, .await = host_await,
                                 .window_gather = k_window_gather, .window_blend = k_window_blend, .window_sum = k_window_sum,
                                 .window_head = k_window_head,
                                 .window_divide = k_window_divide, .window_decide = k_window_decide, .window_spread = k_window_spread,
                                 .window_doubt = k_window_doubt, .window_count = k_window_count};

/* -- the grid -------------------------------------------------------------------- */
/* A cube's grid has these starts on every axis, z slowest. */
static void grid_is(enum window_grid_kind kind, int64_t size, int64_t roi, double overlap, int n, const int64_t *want)
{
	struct window_grid g;
	struct err e;
	int good = !window_grid_make(&g, kind, (int64_t[]){size, size, size}, (int64_t[]){roi, roi, roi}, overlap, &e) && g.total == (int64_t)n * n * n;

	for (int64_t i = 0; good && i < g.total; i++)
		good = g.at[i].start[0] == want[i / n / n] && g.at[i].start[1] == want[i / n % n] && g.at[i].start[2] == want[i % n];
	ok(good, "starts of %lld in %lld at overlap %g", (long long)roi, (long long)size, overlap);
	window_grid_free(&g);
}

static void step_is(int64_t roi, double overlap, int64_t step)
{
	struct window_grid g;
	struct err e;

	ok(!window_grid_make(&g, WINDOW_MONAI, (int64_t[]){1, 1, 1000}, (int64_t[]){1, 1, roi}, overlap, &e) && g.at[1].start[2] == step,
	   "step of %lld at overlap %g", (long long)roi, overlap);
	window_grid_free(&g);
}

static void start_is(const struct window_grid *g, int64_t i, int64_t z, int64_t y, int64_t x, const char *what)
{
	const int64_t *s = g->at[i].start;

	ok(s[0] == z && s[1] == y && s[2] == x, "%s", what);
}

/* Every voxel lies in a coarse window, whose neighbours start at most 3/4 of a window on; all come by rising z. */
static void coarse_covers(enum window_grid_kind kind, int64_t size, int64_t roi, double overlap)
{
	struct window_grid g;
	struct err e;
	int64_t end = 0, coarse = 0;
	int good = !window_grid_make(&g, kind, (int64_t[]){size, roi, roi}, (int64_t[]){roi, roi, roi}, overlap, &e);

	for (int64_t i = 0; good && i < g.total; i++) {
		good = !i || g.at[i].start[0] >= g.at[i - 1].start[0];
		if (!g.at[i].coarse)
			continue;
		good = good && g.at[i].start[0] <= end && (!end || g.at[i].start[0] - (end - roi) <= roi * 3 / 4 || roi * 3 / 4 < roi * (1 - overlap));
		end = g.at[i].start[0] + roi;
		coarse++;
	}
	ok(good && end == size, "%lld coarse of %lld windows cover %lld at overlap %g", (long long)coarse, (long long)g.total, (long long)size, overlap);
	window_grid_free(&g);
}

static void grids(void)
{
	static const int64_t size[3] = {9, 5, 20}, roi[3] = {4, 8, 8};
	struct window_grid g;
	struct err e;

	grid_is(WINDOW_MONAI, 300, 96, 0.25, 4, (int64_t[]){0, 72, 144, 204});
	grid_is(WINDOW_MONAI, 300, 96, 0.5, 6, (int64_t[]){0, 48, 96, 144, 192, 204});
	grid_is(WINDOW_MONAI, 96, 96, 0.5, 1, (int64_t[]){0});
	grid_is(WINDOW_MONAI, 97, 96, 0.5, 2, (int64_t[]){0, 1});
	grid_is(WINDOW_MONAI, 144, 96, 0.5, 2, (int64_t[]){0, 48});
	grid_is(WINDOW_MONAI, 145, 96, 0.5, 3, (int64_t[]){0, 48, 49});
	grid_is(WINDOW_MONAI, 91, 96, 0.5, 1, (int64_t[]){-2}); /* 2 before, 3 behind */
	grid_is(WINDOW_MONAI, 5, 3, 0.9, 3, (int64_t[]){0, 1, 2});
	grid_is(WINDOW_MONAI, 1, 1, 0, 1, (int64_t[]){0});
	grid_is(WINDOW_NNUNET, 300, 96, 0.5, 6, (int64_t[]){0, 41, 82, 122, 163, 204});
	grid_is(WINDOW_NNUNET, 110, 64, 0.5, 3, (int64_t[]){0, 23, 46});
	grid_is(WINDOW_NNUNET, 96, 96, 0.5, 1, (int64_t[]){0});
	grid_is(WINDOW_NNUNET, 91, 96, 0.5, 1, (int64_t[]){-2});
	step_is(80, 0.9, 7); /* 7.999.. in doubles */
	step_is(160, 0.9, 15);
	step_is(128, 0.7, 38);
	ok(!window_grid_make(&g, WINDOW_MONAI, size, roi, 0.5, &e) && g.total == 4 * 1 * 4, "anisotropic windows");
	start_is(&g, 1, 0, -1, 4, "x runs fastest");
	start_is(&g, 15, 5, -1, 12, "the last window is shifted in");
	window_grid_free(&g);
	ok(!window_grid_make(&g, WINDOW_STAGGERED, (int64_t[]){9, 5, 20}, (int64_t[]){4, 5, 8}, 0.25, &e) && g.total == 3 * 3 + 2 * 2,
	   "staggered: two grids");
	start_is(&g, 0, 0, 0, 0, "the first as nnU-Net's");
	start_is(&g, 3, 1, 0, 3, "the second between");
	start_is(&g, 5, 2, 0, 0, "by rising z");
	window_grid_free(&g);
	ok(!window_grid_make(&g, WINDOW_NNUNET, (int64_t[]){9, 5, 20}, (int64_t[]){1, 5, 8}, 0.5, &e) && g.total == 9 * 4 && g.at[4].start[0] == 1,
	   "windows of one slice: each once");
	window_grid_free(&g);
	ok(!window_grid_make(&g, WINDOW_STAGGERED, (int64_t[]){9, 5, 20}, (int64_t[]){1, 5, 8}, 0.25, &e) && g.total == 9 * 3 + 9 * 2,
	   "staggered in the slices alone");
	window_grid_free(&g);
	coarse_covers(WINDOW_MONAI, 300, 96, 0.8);
	coarse_covers(WINDOW_MONAI, 301, 10, 0.9);
	coarse_covers(WINDOW_NNUNET, 333, 64, 0.8);
	coarse_covers(WINDOW_STAGGERED, 333, 64, 0.7);
	coarse_covers(WINDOW_MONAI, 96, 96, 0.8);
	coarse_covers(WINDOW_MONAI, 200, 96, 0);
	ok(window_grid_make(&g, WINDOW_MONAI, size, roi, 1, &e) && !strcmp(e.text, "overlap 1 is not in [0,1)"), "overlap 1 is refused");
	ok(window_grid_make(&g, WINDOW_MONAI, size, (int64_t[]){4, 0, 4}, 0, &e), "a window of nothing is refused");
	ok(window_grid_make(&g, WINDOW_MONAI, (int64_t[]){4000, 4000, 4000}, (int64_t[]){8, 8, 8}, 0.999, &e) &&
	   !strncmp(e.text, "a list of 63664587657 windows needs ", 36) && strstr(e.text, " MB, there are ") && strstr(e.text, ": take a smaller --overlap"),
	   "more windows than memory: %s", e.text);
}

/* The importance map [z,y,x], of its rows. */
static float *map_of(const int64_t roi[3], enum window_mode mode, double sigma, struct err *e)
{
	struct k_weight rows;
	float *all = window_weight_rows(roi, mode, sigma, &rows, e), *w = all ? malloc((size_t)(roi[0] * roi[1] * roi[2]) * sizeof *w) : NULL;

	for (int64_t i = 0; w && i < roi[0] * roi[1] * roi[2]; i++)
		w[i] = fmaxf(rows.row[0][i / roi[2] / roi[1]] * rows.row[1][i / roi[2] % roi[1]] * rows.row[2][i % roi[2]], rows.least);
	free(all);
	return w;
}

static void maps(void)
{
	static const int64_t odd[3] = {5, 7, 9}, big[3] = {96, 96, 96};
	struct err e;
	float *w = map_of(odd, WINDOW_GAUSSIAN, 0.125, &e), least = 1;

	ok(w && w[(2 * 7 + 3) * 9 + 4] == 1, "the Gaussian is 1 at the true centre");
	for (int i = 0; w && i < 5 * 7 * 9; i++)
		least = w[i] < least ? w[i] : least;
	ok(least == 1e-3f, "and never below 1e-3");
	free(w);
	w = map_of(odd, WINDOW_GAUSSIAN, 1, &e);
	ok(w && near_to(w[0], exp(-4 / 50.0 - 9 / 98.0 - 16 / 162.0), 0, 1e-6), "nor below its own minimum");
	free(w);
	w = map_of(big, WINDOW_GAUSSIAN, 0.125, &e);
	ok(w && near_to(w[(48 * 96 + 48) * 96 + 30], exp(-(0.25 + 0.25 + 17.5 * 17.5) / 288), 0, 1e-5), "sigma is a fraction of the window");
	free(w);
	w = map_of(odd, WINDOW_CONSTANT, 0.125, &e);
	ok(w && w[0] == 1 && w[5 * 7 * 9 - 1] == 1, "constant");
	free(w);
	w = map_of(big, WINDOW_NNUNET_GAUSSIAN, 0.125, &e);
	ok(w && w[(48 * 96 + 48) * 96 + 48] == 1 && near_to(w[(48 * 96 + 48) * 96], exp(-8), 0, 1e-5), "nnU-Net's is 1 at half the window");
	free(w);
	w = map_of(big, WINDOW_NNUNET_GAUSSIAN, 0.01, &e);
	ok(w && w[0] == w[(48 * 96 + 48) * 96 + 43] && w[0] > 0 && w[(48 * 96 + 48) * 96 + 44] > w[0], "cut off at 4 sigma, zeros made the smallest other");
	free(w);
	ok(!map_of(odd, WINDOW_GAUSSIAN, 0, &e) && !strcmp(e.text, "sigma 0 is not above 0"), "sigma 0 is refused");
}

/* -- the golden predictor: class 0 is the first channel, 1 that times a ramp over the window, 2 the last channel times the ramp ---------- */
struct ramp { int64_t channels, classes, n, roi[3]; float scale, *x, *y; };

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

static int64_t ramp_part; /* slices that are handed on at once; 0: all */

static int ramp_run(void *arg, net_take_fn *take, void *take_arg, struct err *e)
{
	struct ramp *r = arg;
	const float *x = r->x;
	float *y = r->y;

	for (int64_t i = 0; i < r->n * r->roi[0] * r->roi[1] * r->roi[2]; i++, x += r->channels, y += r->classes) {
		int64_t w = i % r->roi[2], h = i / r->roi[2] % r->roi[1], d = i / r->roi[2] / r->roi[1] % r->roi[0];
		float at = (float)(1 + 0.125 * (double)d - 0.0625 * (double)h + 0.03125 * (double)w) * r->scale;

		y[0] = x[0];
		y[1] = x[0] * at;
		if (r->classes == 3)
			y[2] = x[r->channels - 1] * at;
	}
	for (int64_t i = 0, n = ramp_part ? ramp_part : r->roi[0]; i < r->n; i++)
		for (int64_t z = 0; z < r->roi[0]; z += n)
			if (take(take_arg, i, z, r->roi[0] - z < n ? r->roi[0] - z : n, r->y + (i * r->roi[0] + z) * r->roi[1] * r->roi[2] * r->classes, e))
				return -1;
	return 0;
}

struct seen { const struct tensor *want; int64_t v, slabs; double worst; int order; };

static int compare_slab(void *arg, int64_t first, int64_t n, const void *made, struct err *e)
{
	struct seen *s = arg;
	const float *want = s->want->data, *l = made;
	int64_t classes = s->want->shape[0], volume = s->want->shape[1] * s->want->shape[2] * s->want->shape[3];

	(void)e;
	s->order |= first != s->v || n < 1;
	s->v = first + n;
	s->slabs++;
	for (int64_t v = first; v < first + n; v++)
		for (int64_t c = 0; c < classes; c++) {
			double d = fabs((double)*l++ - (double)want[c * volume + v]);

			s->worst = !(d <= s->worst) ? d : s->worst;
		}
	return 0;
}

static int case_word(const json_t *c, const char *key, const char *const *words)
{
	int i = 0;

	while (words[i] && strcmp(words[i], json_string_value(json_object_get(c, key))))
		i++;
	return i;
}

static struct window_opts case_opts(const json_t *c)
{
	static const char *const grid_words[] = {"monai", "nnunet", NULL}, *const mode_words[] = {"gaussian", "constant", "nnunet", NULL},
	                  *const pad_words[] = {"constant", "reflect", "replicate", "circular", NULL};
	struct window_opts o = WINDOW_DEFAULTS;
	const json_t *mirror = json_object_get(c, "mirror");

	json_get_ints(c, "roi", o.roi, 3);
	o.overlap = json_number_value(json_object_get(c, "overlap"));
	o.sigma = json_number_value(json_object_get(c, "sigma"));
	o.fill = (float)json_number_value(json_object_get(c, "fill"));
	o.mode = (enum window_mode)case_word(c, "mode", mode_words);
	o.grid = (enum window_grid_kind)case_word(c, "grid", grid_words);
	o.padding = (enum k_pad)case_word(c, "padding", pad_words);
	for (size_t i = 0; i < json_array_size(mirror); i++)
		o.mirror |= 1 << json_integer_value(json_array_get(mirror, i));
	o.soft = json_is_true(json_object_get(c, "prob"));
	return o;
}

enum { MODELS = 3 };

static void golden_case(const struct frame *f, const char *device, int64_t batch)
{
	const struct tensor *image = frame_find(f, "image"), *want = frame_find(f, "prob");
	json_t *c = json_loads(frame_meta(f, "case"), 0, NULL);
	struct window_opts o = case_opts(c);
	int models = (int)json_integer_value(json_object_get(c, "models"));
	struct ramp r[MODELS];
	struct window_predictor p[MODELS];
	struct seen s = {.want = want};
	struct err e = {""};
	char *text = json_dumps(c, JSON_COMPACT);
	int bad;

	for (int i = 0; i < models; i++) {
		r[i] = (struct ramp){.channels = image->shape[0], .classes = want->shape[0], .scale = 1 - 0.75f * (float)i};
		p[i] = (struct window_predictor){r[i].channels, r[i].classes, ramp_input, ramp_run, &r[i]};
	}
	table.name = device;
	o.batch = batch;
	bad = window_run(&o, &table, p, models, image, compare_slab, &s, &e);
	ok(!bad && !s.order && s.v == image->shape[1] * image->shape[2] * image->shape[3] && s.worst <= 1e-5, "as the peer: %s batch %lld %s", device,
	   (long long)batch, text);
	if (bad || s.worst > 1e-5)
		printf("# worst %g %s\n", s.worst, e.text);
	free(text);
	json_decref(c);
	for (int i = 0; i < models; i++) {
		free(r[i].x);
		free(r[i].y);
	}
}

static void golden(void)
{
	struct err e = {""};
	struct stream *s = stream_open("tests/golden/window.ts", &e);
	struct frame f = {0};
	int n = 0;

	for (; s && stream_next(s, &f, &e) == 1; n++) {
		golden_case(&f, "cpu", 1);
		ramp_part = 3;
		golden_case(&f, "cpu", 3);
		ramp_part = 0;
		golden_case(&f, "other", 2);
		frame_free(&f);
	}
	ok(n == 34 && !*e.text, "34 golden cases %s", e.text);
	stream_close(s);
}

/* -- slabs against the whole volume at once, bit for bit ---------------------------------- */
enum { Z = 23, Y = 12, X = 14, VOX = Z * Y * X, K = 2 };
static const int64_t roi_small[3] = {6, 5, 7};

struct kept { float *to; int64_t most; }; /* voxels that came at once */

static int keep_slab(void *arg, int64_t v, int64_t n, const void *l, struct err *e)
{
	struct kept *k = arg;

	(void)e;
	memcpy(k->to + v * K, l, sizeof *k->to * (size_t)(n * K));
	k->most = n > k->most ? n : k->most;
	return 0;
}

static void fill_image(float *v)
{
	uint32_t u = 1;

	for (int i = 0; i < VOX; i++) {
		u = u * 1664525 + 1013904223;
		v[i] = (float)(u >> 24) / 64;
	}
}

/* sum(w * logits) / sum(w) over a whole volume, windows in the grid's order, flips in theirs. */
static void whole(const struct window_opts *o, const float *image, float *acc)
{
	static float sum[VOX];
	struct window_grid g;
	struct err e;
	float *w = map_of(o->roi, o->mode, o->sigma, &e);

	memset(sum, 0, sizeof sum);
	memset(acc, 0, sizeof *acc * VOX * K);
	window_grid_make(&g, o->grid, (int64_t[]){Z, Y, X}, o->roi, o->overlap, &e);
	for (int64_t i = 0; i < g.total; i++)
		for (int flip = 0; flip < 8; flip++)
			for (int64_t j = 0; j < o->roi[0] * o->roi[1] * o->roi[2] && !(flip & ~o->mirror); j++) {
				int64_t at[3] = {j / o->roi[2] / o->roi[1], j / o->roi[2] % o->roi[1], j % o->roi[2]}, in[3], v;
				float ramp;

				for (int a = 0; a < 3; a++)
					in[a] = flip & 1 << a ? o->roi[a] - 1 - at[a] : at[a];
				v = ((g.at[i].start[0] + at[0]) * Y + g.at[i].start[1] + at[1]) * X + g.at[i].start[2] + at[2];
				ramp = (float)(1 + 0.125 * (double)in[0] - 0.0625 * (double)in[1] + 0.03125 * (double)in[2]);
				acc[K * v] += w[j] * image[v];
				acc[K * v + 1] += w[j] * (image[v] * ramp);
				sum[v] += w[j];
			}
	for (int v = 0; v < VOX; v++)
		for (int c = 0; c < K; c++)
			acc[K * v + c] /= sum[v];
	window_grid_free(&g);
	free(w);
}

static float ramp_scale = 1;

/* The ramp over an image of some type; what came into `to`. */
static int ramped(const struct window_opts *o, const struct tensor *image, float *to)
{
	struct ramp r = {.channels = 1, .classes = K, .scale = ramp_scale};
	struct window_predictor p = {1, K, ramp_input, ramp_run, &r};
	struct kept k = {to};
	struct err e = {""};
	int bad = window_run(o, &table, &p, 1, image, keep_slab, &k, &e);

	if (bad)
		printf("# %s\n", e.text);
	free(r.x);
	free(r.y);
	return bad;
}

static float image[VOX], want[VOX * K], got[VOX * K];
static const struct tensor image_tensor = {.dtype = DT_F32, .rank = 4, .shape = {1, Z, Y, X}, .size = sizeof image, .data = image};

static struct window_opts small_opts(double overlap, enum window_grid_kind grid, int mirror)
{
	struct window_opts o = WINDOW_DEFAULTS;

	memcpy(o.roi, roi_small, sizeof o.roi);
	o.overlap = overlap;
	o.grid = grid;
	o.mirror = mirror;
	return o;
}

static void slabs(void)
{
	static const double overlaps[] = {0, 0.25, 0.8};

	fill_image(image);
	table.name = "cpu";
	ramp_part = 4;
	for (int grid = 0; grid < 3; grid++)
		for (int i = 0; i < 3; i++) {
			struct window_opts o = small_opts(overlaps[i], (enum window_grid_kind)grid, i == 1 ? 5 : 0);

			whole(&o, image, want);
			ok(!ramped(&o, &image_tensor, got) && !memcmp(got, want, sizeof got), "grid %d, overlap %g: slabs give the whole's bytes", grid, overlaps[i]);
			o.room = 0;
			ok(!ramped(&o, &image_tensor, got) && !memcmp(got, want, sizeof got), "with accumulators in a file, too");
			o.room = WINDOW_ROOM;
			o.refine = 1e-6;
			o.mirror = 0;
			ok(!ramped(&o, &image_tensor, got), "refined");
			memcpy(want, got, sizeof want);
			o.room = 0;
			ok(!ramped(&o, &image_tensor, got) && !memcmp(got, want, sizeof got), "refined, with accumulators in a file");
		}
	ramp_part = 0;
}

/* Everything that a run may be asked for at once: what its predictors were given, one after the other, over the whole volume at once. The image
   counts its voxels, so what a predictor is given says which window it is, and how it is turned. */
enum { ROI = 6 * 5 * 7, MOST = 1 << 12 };
struct given { int64_t start[3]; int flip; float logits[K * ROI]; };
static struct given given[MOST];
static int gave;

static void place_of(float v, int64_t at[3])
{
	const int64_t i = (int64_t)(v * 1024);

	at[0] = i / X / Y, at[1] = i / X % Y, at[2] = i % X;
}

static int noted_run(void *arg, net_take_fn *take, void *take_arg, struct err *e)
{
	const struct ramp *r = arg;
	const int bad = ramp_run(arg, take, take_arg, e);

	for (int64_t j = 0; j < r->n && gave < MOST; j++) {
		struct given *g = &given[gave++];
		int64_t end[3];

		place_of(r->x[j * ROI], g->start);
		place_of(r->x[j * ROI + ROI - 1], end);
		g->flip = 0;
		for (int a = 0; a < 3; a++)
			if (end[a] < g->start[a]) {
				g->flip |= 1 << a;
				g->start[a] = end[a];
			}
		memcpy(g->logits, r->y + j * ROI * K, sizeof g->logits);
	}
	return bad;
}

static void replayed(const struct window_opts *o, float *to)
{
	static float sum[VOX], acc[VOX * K];
	const float none[2] = {o->soft ? 1 : 0, o->soft ? 0 : WINDOW_NEVER};
	struct k_weight weight;
	struct err e;
	float *w = window_weight_rows(o->roi, o->mode, o->sigma, &weight, &e);

	memset(sum, 0, sizeof sum);
	memset(acc, 0, sizeof acc);
	for (int i = 0; i < gave; i++) {
		struct k_blend b = {.k = K, .slab = {Z, Y, X}, .weight = weight, .flip = given[i].flip, .soft = o->soft};

		memcpy(b.roi, o->roi, sizeof b.roi);
		memcpy(b.start, given[i].start, sizeof b.start);
		k_window_blend(&b, given[i].logits, acc, sum, &e);
	}
	k_window_divide(to, acc, sum, VOX, K, none, &e);
	free(w);
}

static const uint8_t *within_mask(void)
{
	static uint8_t mask[VOX];

	for (int i = 0; i < VOX; i++)
		mask[i] = i / X / Y == 9 && i % X < 4;
	return mask;
}

/* In memory, and with accumulators in a file or on a device: windows of how many hundredths run, and all give the whole's bytes. */
static void noted(const char *what, struct window_opts *o, int models, int64_t least, int64_t most)
{
	static const struct { const char *device; size_t room; } ways[] = {{"cpu", WINDOW_ROOM}, {"cpu", 0}, {"other", WINDOW_ROOM}};
	static int turn;
	const int pair[] = {0, 1 + turn++ % 2};

	for (int i = 0; i < 2; i++) {
		const int way = pair[i];
		struct ramp r[2] = {{.channels = 1, .classes = K, .scale = 1}, {.channels = 1, .classes = K, .scale = 1.5f}};
		struct window_predictor p[2] = {{1, K, ramp_input, noted_run, &r[0]}, {1, K, ramp_input, noted_run, &r[1]}};
		struct kept k = {got};
		struct window_stats s = {0};
		struct err e = {""};
		const int64_t times = models << __builtin_popcount((unsigned)o->mirror);
		int bad;

		table.name = ways[way].device;
		o->room = ways[way].room;
		o->stats = &s;
		gave = 0;
		ramp_part = i ? 4 : 0;
		bad = window_run(o, &table, p, models, &image_tensor, keep_slab, &k, &e);
		replayed(o, want);
		ok(!bad && gave == s.run * times && gave < MOST && s.run >= s.total * least / 100 && s.run <= s.total * most / 100 &&
		   !memcmp(got, want, sizeof got), "grid %d, batches of %lld, %s, %s, %zu MB: %lld of %lld windows, the whole's bytes %s", o->grid,
		   (long long)o->batch, what, ways[way].device, ways[way].room >> 20, (long long)s.run, (long long)s.total, e.text);
		for (int m = 0; m < 2; m++) {
			free(r[m].x);
			free(r[m].y);
		}
	}
	table.name = "cpu";
	ramp_part = 0;
}

static void noted_runs(void)
{
	const struct tensor mask = {.dtype = DT_U8, .rank = 3, .shape = {Z, Y, X}, .size = VOX, .data = (void *)within_mask()};

	for (int i = 0; i < VOX; i++)
		image[i] = (float)i / 1024;
	for (int grid = 0; grid < 3; grid++)
		for (int64_t batch = 1; batch <= 4; batch += 3) {
			struct window_opts o = small_opts(0.65, (enum window_grid_kind)grid, 0);

			o.batch = batch;
			noted("all", &o, 1, 100, 100);
			o.mirror = 2;
			o.soft = batch > 1;
			noted("mirrored, two models", &o, 2, 100, 100);
			o.mirror = 1;
			o.refine = 0.01;
			noted("refined, two models", &o, 2, 5, 95);
			o.soft = 0;
			o.skip_air = 1;
			o.air = 1.5;
			noted("refined, air", &o, 1, 3, 80);
			o.refine = 0;
			o.soft = batch > 1;
			noted("air", &o, 1, 20, 90);
			o.within = &mask;
			noted("air, within", &o, 1, 1, 40);
		}
}

/* Slices of more than is gone through at once: they come in parts, out of a file the same as from memory. */
static void parts(void)
{
	enum { SIDE = 900, PLANE = SIDE * SIDE };
	float *v = malloc(2 * PLANE * sizeof *v), *one = malloc(2 * PLANE * K * sizeof *one), *two = malloc(2 * PLANE * K * sizeof *two);
	const struct tensor t = {.dtype = DT_F32, .rank = 4, .shape = {1, 2, SIDE, SIDE}, .size = 2 * PLANE * sizeof *v, .data = v};
	struct window_opts o = small_opts(0, WINDOW_MONAI, 0);
	struct ramp r = {.channels = 1, .classes = K, .scale = 1};
	struct window_predictor p = {1, K, ramp_input, ramp_run, &r};
	struct kept a = {one, 0}, b = {two, 0};
	struct err e = {""};
	int good = 1;

	for (int i = 0; i < 2 * PLANE; i++)
		v[i] = (float)(i % 97);
	o.roi[0] = 2, o.roi[1] = o.roi[2] = SIDE / 2;
	ok(!window_run(&o, &table, &p, 1, &t, keep_slab, &a, &e) && a.most < PLANE, "in memory: %lld voxels at once", (long long)a.most);
	for (int i = 0; i < 2 * PLANE && good; i++)
		good = near_to(one[i * K], v[i], 1e-5, 1e-6);
	ok(good, "each window's voxels are what they were");
	o.room = 0;
	ok(!window_run(&o, &table, &p, 1, &t, keep_slab, &b, &e) && b.most < PLANE, "in a file: %lld voxels at once", (long long)b.most);
	ok(!memcmp(one, two, 2 * PLANE * K * sizeof *one), "the same");
	free(v), free(one), free(two), free(r.x), free(r.y);
}

/* A type that is not F32, and a device with memory of its own, have a part of the image at a time. */
static void types(void)
{
	static uint8_t bytes[VOX];
	const struct tensor t = {.dtype = DT_U8, .rank = 4, .shape = {1, Z, Y, X}, .size = sizeof bytes, .data = bytes};
	struct window_opts o = small_opts(0.5, WINDOW_MONAI, 0);

	for (int i = 0; i < VOX; i++)
		image[i] = bytes[i] = (uint8_t)(i * 7 % 251);
	whole(&o, image, want);
	ok(!ramped(&o, &t, got) && !memcmp(got, want, sizeof got), "bytes give what floats give");
	o.batch = 5;
	ok(!ramped(&o, &t, got), "bytes, in batches");
	for (int i = 0; i < VOX * K; i++)
		if (!near_to(got[i], want[i], 1e-4, 1e-5)) {
			ok(0, "batches differ at %d", i);
			break;
		}
	o.batch = 1;
	table.name = "other";
	ok(!ramped(&o, &t, got) && !memcmp(got, want, sizeof got), "on another device too");
	o.refine = 0.01;
	ok(!ramped(&o, &t, want), "refined there");
	table.name = "cpu";
	ok(!ramped(&o, &t, got) && !memcmp(got, want, sizeof got), "refined: the same on both");
}

/* -- windows left out ------------------------------------------------------------------- */
static int64_t windows_run(struct window_opts *o, const struct tensor *t)
{
	struct window_stats s = {0};

	o->stats = &s;
	if (ramped(o, t, got))
		return -1;
	o->stats = NULL;
	return s.run;
}

static void skipping(void)
{
	static uint8_t mask[VOX];
	const struct tensor m = {.dtype = DT_U8, .rank = 3, .shape = {Z, Y, X}, .size = sizeof mask, .data = mask};
	struct window_opts o = small_opts(0.5, WINDOW_MONAI, 0), all = o;
	const int64_t total = windows_run(&all, &image_tensor);
	const int at = (20 * Y + 2) * X + 3, far = (2 * Y + 2) * X + 3;

	memset(image, 0, sizeof image);
	image[at] = 5;
	memcpy(want, got, sizeof want);
	ok(total > 10 && !ramped(&all, &image_tensor, want), "without");
	o.skip_air = 1;
	ok(windows_run(&o, &image_tensor) < total / 4, "windows of air are left out");
	ok(got[K * at] == want[K * at] && got[K * at + 1] == want[K * at + 1], "the others are not: %g", got[K * at]);
	ok(got[K * far] == 0 && got[K * far + 1] == WINDOW_NEVER, "where none came is background");
	o.soft = 1;
	ok(windows_run(&o, &image_tensor) > 0 && got[K * far] == 1 && got[K * far + 1] == 0, "as probabilities too");
	o.soft = 0;
	o.air = 5;
	ok(windows_run(&o, &image_tensor) == 0, "5 is not above 5");
	o.skip_air = 0;
	o.within = &m;
	ok(windows_run(&o, &image_tensor) == 0, "an empty mask");
	mask[far] = 3;
	ok(windows_run(&o, &image_tensor) > 0 && got[K * far] != WINDOW_NEVER && got[K * at + 1] == WINDOW_NEVER, "a mask says where");
	o.skip_air = 1;
	ok(windows_run(&o, &image_tensor) == 0, "both must have something");
}

/* Class 1 leads by image * (ramp - 1), and this ramp is above 2: by nothing where the image is 0, by much where it is large. */
static void refining(void)
{
	struct window_opts o = small_opts(0.8, WINDOW_MONAI, 0);
	const int64_t total = windows_run(&o, &image_tensor);
	struct window_grid g;
	struct err e;
	int64_t some, coarse = 0;

	window_grid_make(&g, o.grid, image_tensor.shape + 1, o.roi, o.overlap, &e);
	for (int64_t i = 0; i < g.total; i++)
		coarse += g.at[i].coarse;
	window_grid_free(&g);
	o.refine = 1e-6;
	ramp_scale = 3;
	for (int i = 0; i < VOX; i++)
		image[i] = 1e3f;
	image[(15 * Y + 6) * X + 7] = 0;
	some = windows_run(&o, &image_tensor);
	ok(some > coarse && some < total / 2, "one uncertain voxel: %lld of %lld windows, %lld of them coarse", (long long)some, (long long)total,
	   (long long)coarse);
	o.refine = 1;
	ok(windows_run(&o, &image_tensor) == coarse, "where all of the mask may be wrong: %lld", (long long)coarse);
	o.refine = 1e-6;
	image[(15 * Y + 6) * X + 7] = 1e3f;
	ok(windows_run(&o, &image_tensor) == coarse, "none: %lld", (long long)coarse);
	memset(image, 0, sizeof image);
	some = windows_run(&o, &image_tensor);
	ok(some > total * 9 / 10, "nearly all where nothing is certain: %lld of %lld", (long long)some, (long long)total);
	ramp_scale = 1;
}

/* -- what windows to come may change ------------------------------------------------- */
enum { DZ = 5, DY = 9, DX = 150, DSLAB = DZ * DY * DX, DBLOCKS = DZ * DY * 3 };
static float acc3[3 * DSLAB], sum3[DSLAB], w3[6 * 3 * 100], rows3[6 + 3 + 100], logits3[3 * 6 * 3 * 100], whole3[DZ + DY + DX];

static const struct k_weight weight3 = {{rows3, rows3 + 6, rows3 + 9}, 0.1f};

static void fill_doubts(void)
{
	uint32_t u = 7;

	for (int i = 0; i < DSLAB; i++) {
		u = u * 1664525 + 1013904223;
		sum3[i] = u >> 28 ? (float)(u >> 24) / 256 : 0;
		for (int c = 0; c < 3; c++, u = u * 1664525 + 1013904223)
			acc3[3 * i + c] = u >> 30 ? sum3[i] * (float)(u >> 24) / 32 : 0;
	}
	for (int i = 0; i < 6 + 3 + 100; i++)
		rows3[i] = (float)(1 + i % 7) / 7;
	for (int i = 0; i < 6 * 3 * 100; i++)
		w3[i] = fmaxf(rows3[i / 300] * rows3[6 + i / 100 % 3] * rows3[9 + i % 100], weight3.least);
	for (int i = 0; i < 3 * 6 * 3 * 100; i++, u = u * 1664525 + 1013904223)
		logits3[i] = (float)(u >> 24) / 64 - 2;
	for (int i = 0; i < DZ + DY + DX; i++)
		whole3[i] = 1 + (float)(i % 3) / 3;
}

/* The classes that lead at a voxel, and by how much. */
static double lead_at(int64_t k, const float *a, double sum, double middle, int each, int order[2])
{
	double nearest = fabs(a[0] - middle * sum);

	for (int c = 1; c < k && each; c++)
		nearest = fmin(nearest, fabs(a[c] - middle * sum));
	order[0] = order[1] = 0;
	if (each)
		return nearest;
	if (k == 1) {
		order[0] = a[0] > middle * sum;
		return fabs(a[0] - middle * sum);
	}
	for (int c = 1; c < k; c++)
		order[0] = a[c] > a[order[0]] ? c : order[0];
	order[1] = !order[0];
	for (int c = 0; c < k; c++)
		order[1] = c != order[0] && a[c] > a[order[1]] ? c : order[1];
	return a[order[0]] - a[order[1]];
}

/* The place in the slab of voxel i of the window, or -1. */
static int64_t placed(const int64_t roi[3], const int64_t start[3], int64_t i)
{
	int64_t z = start[0] + i / roi[2] / roi[1], y = start[1] + i / roi[2] % roi[1], x = start[2] + i % roi[2];

	return z < 0 || y < 0 || x < 0 || y >= DY || x >= DX || z >= DZ ? -1 : (z * DY + y) * DX + x;
}

static double doubt_of(const struct k_doubt *g)
{
	double all = 0;

	for (int64_t i = 0; i < g->roi[0] * g->roi[1] * g->roi[2]; i++) {
		const int64_t v = placed(g->roi, g->start, i);
		double whole, left, t, by;
		int order[2];

		if (v < 0 || sum3[v] <= 0)
			continue;
		whole = (double)g->times * whole3[v / DX / DY] * whole3[DZ + v / DX % DY] * whole3[DZ + DY + v % DX];
		left = whole - sum3[v];
		if (left <= 1e-4 * whole)
			continue;
		by = lead_at(g->k, acc3 + v * g->k, sum3[v], g->unsure.middle, g->unsure.each, order);
		t = 1 - by * whole / (sum3[v] * left) / (3 * g->apart->spread);
		all += (t > 0 ? 0.5 * t * t * t : 0) * fmin(1, g->times * w3[i] / left);
	}
	return all;
}

/* The kernel against its formula: windows inside, over the edges; nothing is looked for where no block is marked. */
static void doubts(void)
{
	static const int64_t starts[][3] = {{0, 0, 0}, {3, 6, 50}, {4, -1, -30}, {2, 8, 140}, {-1, 2, 64}};
	static const struct k_apart apart = {.spread = 1.5f};
	uint8_t block[DBLOCKS];
	struct err e;

	fill_doubts();
	for (int64_t k = 1; k <= 4; k++)
		for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
			const int each = k == 4;
			struct k_doubt g = {.k = each ? 3 : k, .roi = {4, 3, 100}, .slab = {DZ, DY, DX}, .weight = weight3, .times = 2, .apart = &apart, .wholes = 1,
				.whole = {{whole3, whole3 + DZ, whole3 + DZ + DY}}, .unsure = {0.4f, 0.5f, each, block}, .acc = acc3, .sum = sum3};
			double one, two, right;

			memcpy(g.start, starts[i], sizeof g.start);
			if (g.start[0] < 0)
				g.roi[0] = 6;
			memset(block, 1, sizeof block);
			right = doubt_of(&g);
			ok(!k_window_doubt(&g, 1, &one, &e) && right > 0.1 && near_to(one, right, 1e-3, 1e-3), "k %lld, start %zu: %g, %g", (long long)k,
			   i, one, right);
			memset(block, 0, sizeof block);
			ok(!k_window_doubt(&g, 1, &two, &e) && two == 0, "nothing where all is sure");
		}
}

/* One voxel of a window: what its logits, or their probabilities, are beyond what leads in the mean. */
static double beyond(int64_t k, int soft, const float *l, double lead, const int order[2])
{
	double a = l[order[0]], b = l[order[1]], all = 0;

	if (k == 1) {
		a = soft ? 1 / (1 + exp(-l[0])) : l[0];
		return (order[0] ? a - 0.5 : 0.5 - a) - lead;
	}
	for (int c = 0; c < k; c++)
		all += exp(l[c]);
	return (soft ? (exp(a) - exp(b)) / all : a - b) - lead;
}

static void spreads(void)
{
	uint8_t block[DBLOCKS];
	struct err e;

	fill_doubts();
	memset(block, 1, sizeof block);
	for (int64_t k = 1; k <= 3; k++)
		for (int i = 0; i < 8; i++) {
			struct k_blend g = {.k = k, .roi = {4, 3, 100}, .slab = {DZ, DY, DX}, .start = {1 - i % 2 * 2, i % 3, 40 - 16 * i}, .flip = i, .soft = i & 1,
				.weight = weight3, .unsure = {0.4f, 0.5f, 0, block}};
			double right[2] = {0};
			struct k_apart is = {.squares = 7, .weights = 5};
			int same = 1;

			for (int64_t v = 0; v < 4 * 3 * 100; v++) {
				const int64_t d = v / 300, h = v / 100 % 3, x = v % 100, at = placed(g.roi, g.start, v);
				const int64_t from = ((i & 1 ? 3 - d : d) * 3 + (i & 2 ? 2 - h : h)) * 100 + (i & 4 ? 99 - x : x);
				double lead, by;
				int order[2];

				if (at < 0 || sum3[at] <= 0 || (lead = lead_at(k, acc3 + at * k, sum3[at], 0.5, 0, order) / sum3[at]) >= 0.7)
					continue;
				by = beyond(k, g.soft, logits3 + from * k, lead, order);
				right[0] += w3[v] * by * by;
				right[1] += w3[v];
			}
			same = !k_window_spread(&g, 0.7f, logits3, acc3, sum3, &is, &e);
			ok(same && right[1] > 1 && near_to(is.squares - 7, right[0], 1e-3, 0.05) && near_to(is.weights - 5, right[1], 1e-3, 0.05) &&
			   near_to(is.spread, 0.6 * sqrt(is.squares / is.weights), 1e-5, 2e-6), "spread of %lld classes, flip %d: %g %g", (long long)k, i,
			   is.squares, is.weights);
		}
}

/* Weights of all windows are products, of each lattice; MONAI's least weight comes on top, where it is less than a Gaussian by at most that much. */
static void whole_weights(void)
{
	for (int grid = 0; grid < 3; grid++) {
		struct window_opts o = small_opts(0.6, (enum window_grid_kind)grid, 0);
		struct window_grid g;
		const enum window_mode mode = grid == 1 ? WINDOW_GAUSSIAN : WINDOW_NNUNET_GAUSSIAN;
		struct err e;
		double most = 0, least = 1e30;
		float *w, *line;
		int n;

		window_grid_make(&g, o.grid, image_tensor.shape + 1, o.roi, o.overlap, &e);
		w = map_of(o.roi, mode, 0.2, &e);
		line = window_wholes(&g, mode, 0.2, &n, &e);
		for (int64_t v = 0; v < VOX; v++) {
			const int64_t z = v / X / Y, y = v / X % Y, x = v % X;
			double all = 0, product = 0;

			for (const struct window_place *p = g.at; p < g.at + g.total; p++) {
				const int64_t d = z - p->start[0], h = y - p->start[1], q = x - p->start[2];

				if (d >= 0 && h >= 0 && q >= 0 && d < o.roi[0] && h < o.roi[1] && q < o.roi[2])
					all += w[(d * o.roi[1] + h) * o.roi[2] + q];
			}
			for (int l = 0; l < n; l++)
				product += (double)line[l * (Z + Y + X) + z] * line[l * (Z + Y + X) + Z + y] * line[l * (Z + Y + X) + Z + Y + x];
			most = fmax(most, (product - all) / all);
			least = fmin(least, (product - all) / all);
		}
		ok(n == (grid == 1 ? 2 : 1 + (grid == WINDOW_STAGGERED)) && least > -1e-5 && most < (grid == 1 ? 1 : 1e-5),
		   "grid %d, %d products: %g to %g", grid, n, least, most);
		free(w);
		free(line);
		window_grid_free(&g);
	}
}

/* Which blocks a blend marks: all that have an unsure voxel, and of the others only those that were marked and are blended in part. */
static void marks(void)
{
	enum { ROWS = 3, SIZE = 150, BLOCKS = 3, RX = 100 };
	static float acc[3 * ROWS * SIZE], sum[ROWS * SIZE], logits[3 * ROWS * RX], w[RX];
	static const float one[ROWS] = {1, 1, 1};
	static const int64_t starts[] = {0, 20, 50, -30, 64, 120};
	uint32_t u = 3;
	struct err e;

	for (int i = 0; i < RX; i++)
		w[i] = (float)(1 + i % 5);
	for (int64_t k = 1; k <= 3; k++) {
		uint8_t block[ROWS * BLOCKS] = {0}, was[ROWS * BLOCKS];
		int missed = 0, idle = 0, cleared = 0;

		memset(acc, 0, sizeof acc);
		memset(sum, 0, sizeof sum);
		for (int i = 0; i < 60; i++) {
			struct k_blend g = {.k = k, .roi = {1, ROWS, RX}, .slab = {1, ROWS, SIZE}, .start = {0, 0, starts[i % 6]},
			                    .weight = {{one, one, w}, 0}, .flip = i & 7, .unsure = {1, 0, 0, block}};

			for (int64_t v = 0; v < k * ROWS * RX; v++) {
				u = v % k ? u : u * 1664525 + 1013904223;
				logits[v] = (u >> 26 ? 4 : 0.1f) * (float)(v % k ? -1 : 1) * (float)(1 + i);
			}
			memcpy(was, block, sizeof was);
			missed += k_window_blend(&g, logits, acc, sum, &e);
			for (int b = 0; b < ROWS * BLOCKS; b++) {
				const int64_t lo = b % BLOCKS * K_BLOCK, hi = lo + K_BLOCK < SIZE ? lo + K_BLOCK : SIZE, row = b / BLOCKS * SIZE;
				const int all = g.start[2] <= lo && g.start[2] + RX >= hi;
				int any = 0;

				for (int64_t x = lo; x < hi; x++)
					any |= unsure(&g.unsure, k, acc + (row + x) * k, sum[row + x]);
				missed += any && !block[b];
				idle += !any && block[b] && (all || !was[b]);
				cleared += was[b] && !block[b];
			}
		}
		ok(!missed && !idle && cleared, "%lld classes: %d blocks missed, %d idle, %d cleared", (long long)k, missed, idle, cleared);
	}
}

/* Sums of all windows at once are those that blends leave one after the other: windows inside, over every edge, on slices of a volume. */
static void weight_sums(void)
{
	enum { D = 7, H = 9, W = 40, FIRST = 3, SLICES = 2, WINDOWS = 6 };
	static const int64_t start[WINDOWS][3] = {{0, 0, 0}, {1, 6, 21}, {-2, -1, -5}, {3, 2, 30}, {3, 2, 30}, {5, 0, 0}};
	static float acc[D * H * W], sum[D * H * W], logits[4 * 5 * 19], got_sum[SLICES * H * W];
	struct k_cover c = {.roi = {4, 5, 19}, .slab = {SLICES, H, W}, .first = FIRST, .start = start, .n = WINDOWS};
	struct err e;

	for (int mode = 0; mode < 3; mode++) {
		float *rows = window_weight_rows(c.roi, (enum window_mode)mode, 0.125, &c.weight, &e);
		struct k_blend b = {.k = 1, .roi = {4, 5, 19}, .slab = {D, H, W}, .weight = c.weight};

		memset(sum, 0, sizeof sum);
		for (int i = 0; i < WINDOWS; i++) {
			memcpy(b.start, start[i], sizeof b.start);
			k_window_blend(&b, logits, acc, sum, &e);
		}
		memset(got_sum, 1, sizeof got_sum);
		ok(rows && !k_window_sum(&c, got_sum, &e) && !memcmp(got_sum, sum + FIRST * H * W, sizeof got_sum) && sum[FIRST * H * W] > 0,
		   "weights of mode %d: the same sums", mode);
		free(rows);
	}
}

static void counting(void)
{
	static const float acc[] = {0, 1, 0, 0, 0, -1, 2, 3, 1, 1, 0.4f, 0.5f}, sum[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.9f};
	struct err e;
	const struct k_unsure u = {.middle = 0.5f}, each = {.middle = 0.5f, .each = 1};
	int64_t n[4];

	for (int64_t k = 1; k <= 3; k++)
		ok(!k_window_count(&u, acc, sum, 12 / k, k, &n[k - 1], &e), "%lld", (long long)n[k - 1]);
	ok(!k_window_count(&each, acc, sum, 4, 3, &n[3], &e), "%lld", (long long)n[3]);
	ok(n[0] == 6 && n[1] == 3 && n[2] == 2 && n[3] == 3, "voxels of some class: 1, 2, 3 classes; of 3 by themselves");
}

/* -- labels -------------------------------------------------------------------------------- */
enum { LZ = 3, LY = 4, LX = 600, LVOX = LZ * LY * LX, LMOST = 5 };

/* What the means say: the label, or that one is not finite. */
static uint8_t label_by(const struct k_decide *g, const float *mean, int came)
{
	int64_t best = g->k == 1 && mean[0] >= g->cut, of = 0;

	if (!came)
		return g->k == 1 && !g->each ? g->never : 0;
	for (int64_t i = 0; i < g->k && g->each; i++)
		of = mean[g->order[i]] >= g->cut ? g->label[g->order[i]] : of;
	for (int64_t c = 0; c < g->k; c++) {
		if (!isfinite(mean[c]))
			return K_NO_LABEL;
		best = mean[c] > mean[best] && g->k > 1 ? c : best;
	}
	return (uint8_t)(g->each ? of : best);
}

/* Sums of k classes, most of them nearly or wholly the same, of all sizes, some not finite, some whose means are not. */
static void fill_sums(float *acc, const float *sum, int64_t k, int spoilt)
{
	uint32_t u = 11;

	for (int64_t v = 0; v < LVOX; v++) {
		const float of = ldexpf(1 + (float)(v % 61) / 64, (int)(v % 7) * 12 - 36) * (v % 11 < 5 ? -1 : 1);

		for (int64_t c = 0; c < k; c++) {
			u = u * 1664525 + 1013904223;
			acc[v * k + c] = sum[v] > 0 ? of * (1 + (float)((int)(u >> 29) - 3) * 0x1p-23f * (u >> 28 & 1 ? 1 : 1 << 18)) : 0;
			if (spoilt && sum[v] > 0 && !(u >> 8 & 0x1ff))
				acc[v * k + c] = u >> 28 & 1 ? INFINITY : u >> 29 & 1 ? NAN : 3e38f;
		}
	}
}

/* Labels straight from sums are those of the means, to the last tie; with sums of weights at hand, and of windows that came. */
static void deciding(void)
{
	static const int64_t start[][3] = {{5, -1, 0}, {6, 1, 540}, {7, 0, 100}, {7, 0, 100}, {5, 1, 200}, {9, 0, 0}};
	static const float none[2];
	static float acc[LVOX * LMOST], sum[LVOX], mean[LVOX * LMOST];
	static uint8_t a[LVOX], b[LVOX];
	struct k_cover cover = {.roi = {3, 3, 90}, .slab = {LZ, LY, LX}, .first = 6, .start = start, .n = sizeof start / sizeof *start};
	struct err e;
	float *rows = window_weight_rows(cover.roi, WINDOW_GAUSSIAN, 0.125, &cover.weight, &e);

	k_window_sum(&cover, sum, &e);
	for (int i = 0; i < 2 * LMOST + 6; i++) {
		const int margin = i >= 2 * LMOST, each = i >= 2 * LMOST + 2;
		const struct k_decide g = each ? (struct k_decide){.k = 3, .cut = i / 2 % 2 ? FLT_MIN : 0.5f, .each = 1, .label = {1, 2, 3}, .order = {2, 0, 1}}
		                        : margin ? (struct k_decide){.k = 1, .cut = FLT_MIN}
		                                 : (struct k_decide){.k = 1 + i / 2, .cut = i % 2 ? 1.5f : -0.25f, .never = 1};
		int64_t bad = 0, hidden = 0, labels = 0;

		fill_sums(acc, sum, g.k, i % 2);
		k_window_divide(mean, acc, sum, LVOX, g.k, none, &e);
		k_window_decide(&g, &cover, acc, sum, a, &e);
		k_window_decide(&g, &cover, acc, NULL, b, &e);
		for (int64_t v = 0; v < LVOX; v++) {
			const uint8_t is = label_by(&g, mean + v * g.k, sum[v] > 0);

			bad += a[v] != is || b[v] != is;
			labels |= 1LL << (is < 63 ? is : 63);
			hidden += is < g.k && acc[v * g.k + is] < acc[v * g.k + g.k - 1];
		}
		ok(!bad && labels >> (g.k > 1 ? g.k - 1 : 1) & 1 && labels >> 63 == -(i % 2) && (g.k == 1 || each || hidden),
		   "labels of %lld classes%s%s: %lld differ; %lld are ties by rounding", (long long)g.k, each ? " by themselves" : margin ? " by the sign" : "",
		   i % 2 ? ", of sums that are not finite, too" : "",
		   (long long)bad, (long long)hidden);
	}
	free(rows);
}

/* A run that hands on labels: those of the scores that it hands on else. */
static int keep_labels(void *arg, int64_t v, int64_t n, const void *pred, struct err *e)
{
	(void)e;
	memcpy((uint8_t *)arg + v, pred, (size_t)n);
	return 0;
}

static void decided(void)
{
	static const struct { const char *device; size_t room; double refine; int64_t batch; } ways[] = {
		{"cpu", WINDOW_ROOM, 0, 1}, {"cpu", 0, 0, 3}, {"cpu", WINDOW_ROOM, 0.01, 1}, {"cpu", 0, 0.01, 1}, {"other", WINDOW_ROOM, 0, 2}};
	static const struct k_decide by[] = {{.k = K}, {.k = 1, .cut = FLT_MIN}};
	static uint8_t pred[VOX];

	fill_image(image);
	for (size_t j = 0; j < 2 * sizeof ways / sizeof *ways; j++) {
		const size_t i = j / 2;
		struct window_opts o = small_opts(0.5, WINDOW_MONAI, 5);
		struct ramp r = {.channels = 1, .classes = K, .scale = 1};
		struct window_predictor p = {1, K, ramp_input, ramp_run, &r};
		struct err e = {""};
		int64_t differ = 0, ones = 0;

		table.name = ways[i].device;
		o.room = ways[i].room;
		o.refine = ways[i].refine;
		o.batch = ways[i].batch;
		o.skip_air = 1;
		o.within = &(struct tensor){.dtype = DT_U8, .rank = 3, .shape = {Z, Y, X}, .size = VOX, .data = (void *)within_mask()};
		memset(pred, 9, sizeof pred);
		ok(!ramped(&o, &image_tensor, got), "scores");
		o.decide = &by[j % 2];
		ok(!window_run(&o, &table, &p, 1, &image_tensor, keep_labels, pred, &e), "labels %s", e.text);
		for (int v = 0; v < VOX; v++) {
			differ += pred[v] != (got[K * v + 1] > got[K * v]);
			ones += pred[v];
		}
		ok(!differ && ones > 0 && ones < VOX, "%s, %zu MB, refine %g, %s: %lld labels are others than of the scores", ways[i].device, ways[i].room >> 20,
		   ways[i].refine, j % 2 ? "by the margin" : "by sums", (long long)differ);
		free(r.x);
		free(r.y);
	}
	table.name = "cpu";
}

/* -- a last operation that is done behind the sums: the ramp's two scores are features, of which it makes CLASSES ----------------------------- */
enum { CLASSES = 37 };
static float head_w[CLASSES * K], head_b[CLASSES];
struct headed { struct ramp ramp; net_take_fn *take; void *arg; };

static int take_features(void *arg, int64_t i, int64_t z, int64_t n, const float *f, struct err *e)
{
	struct headed *h = arg;
	const int64_t vox = n * h->ramp.roi[1] * h->ramp.roi[2];
	float *y = malloc((size_t)(vox * CLASSES) * sizeof *y);
	int bad;

	for (int64_t v = 0; v < vox; v++)
		for (int c = 0; c < CLASSES; c++)
			y[v * CLASSES + c] = f[v * K] * head_w[c * K] + f[v * K + 1] * head_w[c * K + 1] + head_b[c];
	bad = h->take(h->arg, i, z, n, y, e);
	free(y);
	return bad;
}

static int headed_run(void *arg, net_take_fn *take, void *take_arg, struct err *e)
{
	struct headed *h = arg;

	h->take = take;
	h->arg = take_arg;
	return ramp_run(&h->ramp, take_features, h, e);
}

static int keep_scores(void *arg, int64_t v, int64_t n, const void *l, struct err *e)
{
	(void)e;
	memcpy((float *)arg + v * CLASSES, l, (size_t)(n * CLASSES) * sizeof(float));
	return 0;
}

static void heads(void)
{
	static const struct k_decide by = {.k = CLASSES};
	static float before[VOX * CLASSES], behind[VOX * CLASSES];
	static uint8_t pred[VOX];
	struct err e = {""};

	fill_image(image);
	for (int i = 0; i < CLASSES * K; i++)
		head_w[i] = (float)(i * 29 % 41 - 20) / 16, head_b[i % CLASSES] = (float)(i * 17 % 23 - 11) / 8;
	for (int j = 0; j < 8; j++) {
		struct window_opts o = small_opts(0.5, WINDOW_MONAI, 5);
		struct headed h = {.ramp = {.channels = 1, .classes = K, .scale = 1}};
		struct window_predictor p[2] = {{1, CLASSES, ramp_input, headed_run, &h},
		                                {1, CLASSES, ramp_input, ramp_run, &h.ramp, {K, head_w, j & 4 ? NULL : head_b}}};
		int64_t differ = 0, seen = 0;
		double worst = 0;

		if (j & 4)
			memset(head_b, 0, sizeof head_b);
		o.room = j & 1 ? 0 : WINDOW_ROOM;
		ramp_part = j & 2 ? 4 : 0;
		o.batch = j & 2 ? 3 : 1;
		o.within = &(struct tensor){.dtype = DT_U8, .rank = 3, .shape = {Z, Y, X}, .size = VOX, .data = (void *)within_mask()};
		ok(!window_run(&o, &table, &p[0], 1, &image_tensor, keep_scores, before, &e), "before %s", e.text);
		ok(!window_run(&o, &table, &p[1], 1, &image_tensor, keep_scores, behind, &e), "behind %s", e.text);
		for (int i = 0; i < VOX * CLASSES; i++)
			worst = fmax(worst, fabs(before[i] - behind[i]) / (1 + fabs(before[i])));
		ok(worst < 1e-5, "the same logits but for rounding: %g", worst);
		o.decide = &by;
		ok(!window_run(&o, &table, &p[1], 1, &image_tensor, keep_labels, pred, &e), "labels %s", e.text);
		for (int v = 0; v < VOX; v++) {
			int best = 0;

			for (int c = 1; c < CLASSES; c++)
				best = behind[v * CLASSES + c] > behind[v * CLASSES + best] ? c : best;
			differ += pred[v] != best;
			seen |= 1LL << best;
		}
		ok(!differ && (seen & (seen - 1)), "labels are those of its scores, of several classes");
		free(h.ramp.x), free(h.ramp.y);
	}
	ramp_part = 0;
}

/* -- what does not go together ------------------------------------------------------------ */
static void refusals(void)
{
	struct window_opts o = small_opts(0.5, WINDOW_MONAI, 0);
	struct ramp r = {.channels = 1, .classes = K, .scale = 1};
	struct window_predictor p = {1, K, ramp_input, ramp_run, &r};
	struct kept k = {got};
	struct err e = {""};

	o.roi[2] = 3 * X;
	o.padding = K_PAD_REFLECT;
	ok(window_run(&o, &table, &p, 1, &image_tensor, keep_slab, &k, &e) &&
	   !strcmp(e.text, "the x axis has 14 voxels: too few to pad it with 14 of its own"), "reflect: %s", e.text);
	o.roi[2] = 3 * X + 2;
	o.padding = K_PAD_CIRCULAR;
	ok(window_run(&o, &table, &p, 1, &image_tensor, keep_slab, &k, &e) &&
	   !strcmp(e.text, "the x axis has 14 voxels: too few to pad it with 15 of its own"), "circular: %s", e.text);
	o.padding = K_PAD_REPLICATE;
	ok(!window_run(&o, &table, &p, 1, &image_tensor, keep_slab, &k, &e), "replicate takes any");
	free(r.x);
	free(r.y);
}

/* -- memory ------------------------------------------------------------------------------- */
static int drop_slab(void *arg, int64_t v, int64_t n, const void *l, struct err *e)
{
	(void)v, (void)l, (void)e;
	*(int64_t *)arg += n;
	return 0;
}

/* Peak of a run over `slices` of 128x128 bytes that are nowhere in memory: reading them maps the one page of zeros. */
static size_t peak(int64_t slices, double refine)
{
	const struct tensor t = {.dtype = DT_U8, .rank = 4, .shape = {1, slices, 128, 128}, .size = (size_t)slices << 14,
	                         .data = mmap(NULL, (size_t)slices << 14, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
	struct window_opts o = WINDOW_DEFAULTS;
	struct ramp r = {.channels = 1, .classes = K, .scale = 1};
	struct window_predictor p = {1, K, ramp_input, ramp_run, &r};
	struct err e = {""};
	int64_t seen = 0;

	o.roi[0] = 16, o.roi[1] = o.roi[2] = 64;
	o.refine = refine;
	ok(t.data != MAP_FAILED && !window_run(&o, &table, &p, 1, &t, drop_slab, &seen, &e) && seen == slices << 14, "%lld slices", (long long)slices);
	munmap(t.data, t.size);
	free(r.x);
	free(r.y);
	return mem_peak();
}

static void memory(void)
{
#ifdef __SANITIZE_ADDRESS__
	skip("AddressSanitizer needs more memory");
	return;
#endif
	for (int refine = 0; refine < 2; refine++) {
		size_t few = peak(60, refine * 0.01), many = peak(1500, refine * 0.01);

		ok(many - few < 1 << 19, "25 times the slices take no more memory: %zu and %zu KB", few >> 10, many >> 10);
	}
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
	slabs();
	noted_runs();
	parts();
	types();
	skipping();
	refining();
	doubts();
	spreads();
	whole_weights();
	marks();
	weight_sums();
	counting();
	deciding();
	decided();
	heads();
	refusals();
	memory();
	roi_meta();
	return tap_done();
}
