/* Losses, optimizers, schedules: the kernels against plain references and finite differences; all of it, by its options, against MONAI, torch and
   nnU-Net (tests/golden/make_optim.py). */
#include "tests/unit/cpu.h"

#include <omp.h>

#include "lib/base/rng.h"
#include "lib/net/train/loss.h"
#include "lib/net/train/lossfile.h"
#include "lib/net/train/schedule.h"
#include "lib/stream/stream.h"
#include "tests/ref/loss.h"

static const struct k_backend *k;
static struct err e;
static struct rng rng;

static float *floats(int64_t n, double scale)
{
	float *x = k->alloc(sizeof *x * (size_t)(n + 1), &e);

	for (int64_t i = 0; i < n; i++)
		x[i] = (float)(scale * (2 * rng_uniform(&rng) - 1));
	return x;
}

/* -- kernels against references ------------------------------------------------ */
#define SMOOTH .smooth_nr = 1e-5f, .smooth_dr = 1e-5f
static const float five[] = {0.5f, 2, 0, 1.5f, 3}, three[] = {1, 0.5f, 4}, one[] = {3};

/* Nested regions, one alone, 31; labels above are in none. */
static uint32_t nested[256] = {0, 1, 7, 3}, single[256] = {0, 1, 1}, many[256] = {0, 0x40000001, 0x2aaaaaaa, 0x15555555, 0x7fffffff};

static void no_others(void)
{
	for (int l = 0; l < 256; l++)
		nested[l] |= l > 3 ? K_NO_REGION : 0, single[l] |= l > 2 ? K_NO_REGION : 0, many[l] |= l > 4 ? K_NO_REGION : 0;
}

static const struct k_loss cases[] = {
	{.n = 1, .vox = 500, .k = 2, .w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, SMOOTH},
	{.n = 2, .vox = 301, .k = 2, .w_dice = 1, .w_ce = 0.5f, SMOOTH},
	{.n = 2, .vox = 301, .k = 2, .w_dice = 1, .w_ce = 1, .squared = 1, .batch = 1, .background = 1, SMOOTH},
	{.n = 2, .vox = 97, .k = 5, .w_dice = 1, .w_ce = 1, .squared = 1, SMOOTH},
	{.n = 1, .vox = 20000, .k = 3, .w_dice = 1, .background = 1, SMOOTH},
	{.n = 3, .vox = 64, .k = 2, .w_ce = 1},
	{.n = 1, .vox = 1, .k = 2, .w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, SMOOTH},
	{.n = 2, .vox = 8195, .k = 5, .w_dice = 0.5f, .w_ce = 2, .weight = five, .background = 1, SMOOTH},
	{.n = 2, .vox = 129, .k = 3, .w_dice = 1, .w_ce = 1, .weight = three, .smoothing = 0.2f, SMOOTH},
	{.n = 1, .vox = 333, .k = 2, .w_ce = 1, .smoothing = 0.7f},
	{.n = 2, .vox = 8200, .k = 1, .w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, SMOOTH},
	{.n = 2, .vox = 65, .k = 1, .w_dice = 1, .w_ce = 1, .weight = one, .batch = 1, SMOOTH},
	{.n = 2, .vox = 77, .k = 3, .w_ce = 1, .entropy = K_BCE, .weight = three},
	{.n = 2, .vox = 140, .k = 5, .w_ce = 1, .entropy = K_FOCAL, .gamma = 2, .pos = 0.25f, .neg = 0.75f, .weight = five},
	{.n = 1, .vox = 9000, .k = 3, .w_dice = 1, .w_ce = 3, .entropy = K_FOCAL, .gamma = 0.7f, .pos = 1, .neg = 1, .squared = 1, SMOOTH},
	{.n = 1, .vox = 300, .k = 1, .w_dice = 1, .w_ce = 1, .entropy = K_FOCAL, .gamma = 3, .pos = 1, .neg = 1, SMOOTH},
	{.n = 2, .vox = 210, .k = 3, .w_dice = 1, .overlap = K_JACCARD, .squared = 1, .weight = three, .background = 1, SMOOTH},
	{.n = 2, .vox = 210, .k = 2, .w_dice = 2, .overlap = K_TVERSKY, .alpha = 0.3f, .beta = 0.9f, .background = 1, SMOOTH},
	{.n = 2, .vox = 210, .k = 1, .w_dice = 1, .overlap = K_TVERSKY, .alpha = 0.8f, .beta = 0.1f, .batch = 1, SMOOTH},
	{.n = 3, .vox = 90, .k = 5, .w_dice = 1, .overlap = K_GENERALISED, .power = 2, .background = 1, SMOOTH},
	{.n = 3, .vox = 90, .k = 3, .w_dice = 1, .w_ce = 1, .overlap = K_GENERALISED, .power = 1, .batch = 1, SMOOTH},
	{.n = 1, .vox = 90, .k = 3, .w_dice = 1, .overlap = K_GENERALISED, .power = 0, .background = 1, SMOOTH},
	{.n = 2, .vox = 140, .k = 5, .w_ce = 1, .entropy = K_FOCAL_SOFTMAX, .gamma = 2, .pos = 0.25f, .neg = 0.75f, .weight = five, .background = 1},
	{.n = 1, .vox = 9000, .k = 3, .w_dice = 1, .w_ce = 3, .entropy = K_FOCAL_SOFTMAX, .gamma = 0.7f, .pos = 1, .neg = 1, .squared = 1, SMOOTH},
	{.n = 1, .vox = 65, .k = 2, .w_dice = 1, .w_ce = 1, .entropy = K_FOCAL_SOFTMAX, .pos = 0.1f, .neg = 0.9f, .background = 1, SMOOTH},
	{.n = 2, .vox = 8195, .k = 3, .w_dice = 1, .w_ce = 1, .weight = three, .smoothing = 0.2f, .masked = 1, .ignore = 3, SMOOTH},
	{.n = 2, .vox = 129, .k = 2, .w_dice = 1, .w_ce = 1, .masked = 1, .ignore = 255, .squared = 1, .batch = 1, .background = 1, SMOOTH},
	{.n = 2, .vox = 129, .k = 3, .w_dice = 1, .w_ce = 1, .masked = 1, .ignore = 1, .background = 1, SMOOTH},
	{.n = 2, .vox = 77, .k = 1, .w_dice = 1, .w_ce = 1, .masked = 1, .ignore = 2, .squared = 1, SMOOTH},
	{.n = 1, .vox = 210, .k = 3, .w_dice = 1, .w_ce = 1, .overlap = K_GENERALISED, .power = 2, .entropy = K_FOCAL, .gamma = 2, .pos = 0.3f, .neg = 0.7f,
		.masked = 1, .ignore = 9, .background = 1, SMOOTH},
	{.n = 1, .vox = 210, .k = 3, .w_dice = 1, .w_ce = 1, .entropy = K_FOCAL_SOFTMAX, .gamma = 2, .pos = 1, .neg = 1, .masked = 1, .ignore = 7, SMOOTH},
	{.n = 1, .vox = 5, .k = 2, .w_ce = 1, .w_dice = 1, .masked = 1, .ignore = 0, .background = 1, SMOOTH},
	{.n = 2, .vox = 8195, .k = 3, .w_dice = 1, .w_ce = 1, .regions = nested, SMOOTH},
	{.n = 2, .vox = 129, .k = 3, .w_dice = 1, .w_ce = 2, .entropy = K_BCE, .regions = nested, .squared = 1, .batch = 1, .weight = three,
		.background = 1, SMOOTH},
	{.n = 2, .vox = 300, .k = 1, .w_dice = 1, .w_ce = 1, .regions = single, SMOOTH},
	{.n = 2, .vox = 300, .k = 31, .w_dice = 1, .w_ce = 1, .regions = many, SMOOTH},
	{.n = 1, .vox = 9000, .k = 3, .w_dice = 1, .w_ce = 1, .entropy = K_FOCAL, .gamma = 2, .pos = 0.25f, .neg = 0.75f, .regions = nested, SMOOTH},
	{.n = 2, .vox = 129, .k = 3, .w_dice = 1, .w_ce = 1, .regions = nested, .masked = 1, .ignore = 4, SMOOTH},
	{.n = 3, .vox = 90, .k = 3, .w_dice = 1, .overlap = K_GENERALISED, .power = 2, .regions = nested, SMOOTH},
	{.n = 2, .vox = 210, .k = 3, .w_dice = 2, .overlap = K_TVERSKY, .alpha = 0.3f, .beta = 0.9f, .regions = nested, SMOOTH},
	{.n = 1, .vox = 65, .k = 3, .w_dice = 1, .overlap = K_JACCARD, .squared = 1, .regions = nested, .masked = 1, .ignore = 0, SMOOTH},
};

/* Largest difference, over the largest gradient, at up to 40 places. */
static double gradient_off(const struct k_loss *g, double *l, const uint8_t *label, const float *d)
{
	int64_t count = g->n * g->vox * g->k;
	double bad = 0, most = 1e-30, h = 1e-5, up[3], down[3];

	for (int64_t i = 0; i < count; i++)
		most = fmax(most, fabs((double)d[i]));
	for (int64_t j = 0; j < 40; j++) {
		int64_t i = count > 40 ? (int64_t)rng_below(&rng, (uint64_t)count) : j % count;
		double old = l[i];

		l[i] = old + h, ref_loss(g, l, label, up);
		l[i] = old - h, ref_loss(g, l, label, down);
		l[i] = old;
		bad = fmax(bad, fabs((up[0] - down[0]) / (2 * h) - (double)d[i]) / most);
	}
	return bad;
}

static void against_reference(const struct k_loss *g, int which)
{
	int64_t vox = g->n * g->vox, count = vox * g->k;
	float *l = floats(count, 4), *d = floats(count, 0);
	double *exact = malloc(sizeof *exact * (size_t)count), got[3], want[3], again[3], bad = 0;
	uint8_t *label = on_device(k, NULL, (size_t)vox);
	void *scratch = k->alloc(k->loss_scratch(g), &e);
	int failed, classes = g->regions == many ? 5 : g->regions == nested ? 4 : g->regions ? 3 : g->k == 1 ? 2 : (int)g->k;

	for (int64_t i = 0; i < vox; i++)
		label[i] = g->masked && rng_below(&rng, 3) == 0 ? g->ignore : (uint8_t)rng_below(&rng, (uint64_t)classes);
	for (int64_t i = 0; i < count; i++)
		exact[i] = l[i];
	ref_loss(g, exact, label, want);
	failed = k->loss(g, l, label, d, got, scratch, &e);
	for (int i = 0; i < 3; i++)
		bad = fmax(bad, fabs(got[i] - want[i]));
	ok(!failed && bad < 2e-6, "loss %d: %.9g, reference %.9g, off by %.1e", which, got[0], want[0], bad);
	bad = gradient_off(g, exact, label, d);
	ok(bad < 2e-5, "its gradient against finite differences: %.1e", bad);
	failed = k->loss(g, l, label, NULL, again, scratch, &e);
	ok(!failed && !memcmp(again, got, sizeof got), "the value alone is the same");
	label[vox - 1] = (uint8_t)(classes + (g->masked && g->ignore == classes));
	failed = k->loss(g, l, label, NULL, again, scratch, &e);
	ok(failed == -1 && strstr(e.text, "at voxel") && (strstr(e.text, "in no region") != NULL) == (g->regions != NULL), "%s", e.text);
	k->release(label), free(exact), k->release(scratch), k->release(l), k->release(d);
}

/* The same bytes with one thread and with two. */
static void threads(void)
{
	const struct k_loss g = {.n = 2, .vox = 50021, .k = 3, .w_dice = 1, .w_ce = 1, .entropy = K_FOCAL, .gamma = 2, .pos = 1, .neg = 1, SMOOTH};
	int64_t vox = g.n * g.vox, n = vox * g.k;
	float *l = floats(n, 3), *d[2] = {floats(n, 0), floats(n, 0)};
	uint8_t *label = on_device(k, NULL, (size_t)vox);
	void *scratch = k->alloc(k->loss_scratch(&g), &e);
	double out[2][3];
	int bad = 0;

	for (int64_t i = 0; i < vox; i++)
		label[i] = i % 7 % 3;
	for (int i = 0; i < 2; i++) {
		omp_set_num_threads(i + 1);
		bad |= k->loss(&g, l, label, d[i], out[i], scratch, &e);
	}
	ok(!bad && !memcmp(out[0], out[1], sizeof out[0]) && !memcmp(d[0], d[1], sizeof(float) * (size_t)n), "the same with one thread and two");
	k->release(label), k->release(scratch), k->release(l), k->release(d[0]), k->release(d[1]);
}

static void sums(void)
{
	int64_t n = 100003;
	float *g = floats(n, 1), *y = floats(n, 1);
	double sum = 0, got, bad = 0, *want = malloc(sizeof *want * (size_t)n);

	for (int64_t i = 0; i < n; i++)
		sum += (double)g[i] * (double)g[i], want[i] = 0.25 * (double)g[i] + 0.75 * (double)y[i];
	ok(!k->sum_squares(g, n, &got, &e) && near_to(got, sum, 0, 1e-12), "sum of squares %.15g, %.15g", got, sum);
	ok(!k->sum_squares(g, 0, &got, &e) && got == 0, "of nothing");
	k->lerp(y, g, 0.25, n, &e);
	for (int64_t i = 0; i < n; i++)
		bad = fmax(bad, fabs((double)y[i] - want[i]));
	ok(bad < 1e-6, "lerp: %.1e", bad);
	free(want), k->release(g), k->release(y);
}

/* -- golden -------------------------------------------------------------------- */
/* Options as a checkpoint has them. */
static int options_of(const char *text, struct hyper *h)
{
	json_t *o = json_loads(text, 0, NULL);
	int bad;

	hyper_unset(h);
	bad = hyper_settle(h, -1, &o, &e);
	json_decref(o);
	return bad;
}

static float *values(const struct frame *f, const char *name)
{
	const struct tensor *t = frame_find(f, name);
	float *host = tensor_to_f32(t, &e), *own = on_device(k, host, sizeof *host * (size_t)tensor_count(t));

	free(host);
	return own;
}

/* Options as a checkpoint has them, or MONAI's configuration, whose terms are not told apart */
static int golden_options(const struct frame *f, int classes, const struct regions *r, struct hyper *h)
{
	const char *config = frame_meta(f, "config");
	json_t *none = NULL;
	int bad;

	if (!config)
		return options_of(frame_meta(f, "options"), h);
	hyper_unset(h);
	bad = lossfile_read(config, classes, r != NULL, h, &e) || hyper_settle(h, -1, &none, &e);
	json_decref(none);
	return bad;
}

static void golden_loss(const struct frame *f)
{
	const struct tensor *t = frame_find(f, "logits");
	int64_t n = tensor_count(t);
	float *l = values(f, "logits"), *grad = values(f, "grad"), *d = floats(n, 0);
	double want[3], got[3], bad = 0, worst = 0, most = 1e-30;
	struct hyper h;
	struct loss loss;
	struct regions regions;
	const int got_regions = regions_get(f, &regions, &e);
	const struct regions *r = regions.n ? &regions : NULL;
	int said, failed = got_regions || golden_options(f, (int)t->shape[2], r, &h) || loss_make(&loss, &h, (int)t->shape[2], r, &e);
	uint8_t *truth = on_device(k, frame_find(f, "truth")->data, frame_find(f, "truth")->size);
	void *scratch;

	loss.terms.n = t->shape[0], loss.terms.vox = t->shape[1], loss.terms.k = t->shape[2];
	scratch = k->alloc(k->loss_scratch(&loss.terms), &e);
	failed = failed || k->loss(&loss.terms, l, truth, d, got, scratch, &e);
	got[0] += loss.offset * (double)loss.terms.w_dice, got[1] += loss.offset;
	said = sscanf(frame_meta(f, "value"), "%lf,%lf,%lf", &want[0], &want[1], &want[2]);
	ok(said == (frame_meta(f, "config") ? 1 : 3), "%s", frame_id(f));
	for (int i = 0; i < said; i++)
		bad = fmax(bad, fabs(got[i] - want[i]) / fmax(1e-2, fabs(want[i])));
	for (int64_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)grad[i])), worst = fmax(worst, fabs((double)(grad[i] - d[i])));
	ok(!failed && bad < 1e-5, "%s: %.8g, expected %.8g, off by %.1e", frame_id(f), got[0], want[0], bad);
	ok(!failed && worst < 1e-5 * most, "its gradient: off by %.1e of the largest", worst / most);
	k->release(l), k->release(grad), k->release(d), k->release(truth), k->release(scratch);
}

static void golden_optim(const struct frame *f)
{
	const struct tensor *t = frame_find(f, "grads");
	int64_t n = t->shape[1];
	float *w = values(f, "before"), *g = values(f, "grads"), *after = values(f, "after"), *m = floats(n, 0), *v = floats(n, 0);
	double bad = 0;
	struct hyper h;

	ok(!options_of(frame_meta(f, "options"), &h), "%s: %s", frame_id(f), frame_meta(f, "options"));
	for (int64_t i = 0; i < t->shape[0]; i++) {
		struct k_optim a = {.kind = (enum k_optimizer)h.optimizer, .lr = h.lr, .decay = h.decay, .beta1 = h.beta1, .beta2 = h.beta2, .eps = h.eps,
			.momentum = h.momentum, .nesterov = h.nesterov > 0, .step = i + 1, .scale = 0.5f};

		for (int64_t j = 0; j < n; j++)
			g[i * n + j] *= 2;
		k->optimize(&a, w, g + i * n, m, v, n, &e);
	}
	for (int64_t i = 0; i < n; i++)
		bad = fmax(bad, fabs((double)(w[i] - after[i])) / (1 + fabs((double)after[i])));
	ok(bad < 1e-6, "after %lld steps: off by %.1e", (long long)t->shape[0], bad);
	k->release(w), k->release(g), k->release(after), k->release(m), k->release(v);
}

/* Parameters that begin anywhere, not at a multiple of 16 bytes, and end anywhere: the same bytes */
static void steps_anywhere(void)
{
	const int64_t n = 1003;

	for (int kind = K_ADAMW; kind <= K_SGD; kind++) {
		const struct k_optim a = {.kind = (enum k_optimizer)kind, .lr = 1e-2, .decay = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .momentum = 0.9,
			.step = 2, .scale = 0.5f};
		float *at[2][4];
		int bad = 0;

		for (int i = 0; i < 4; i++) {
			at[0][i] = floats(n, 1), at[1][i] = floats(n + 1, 0);
			for (int64_t j = 0; j < n; j++)
				at[0][i][j] = fabsf(at[0][i][j]), at[1][i][j + 1] = at[0][i][j];
		}
		for (int o = 0; o < 2; o++) {
			bad |= k->optimize(&a, at[o][0] + o, at[o][1] + o, at[o][2] + o, at[o][3] + o, n, &e);
			bad |= k->lerp(at[o][0] + o, at[o][1] + o, 0.25, n, &e);
		}
		for (int i = 0; i < 4; i++)
			bad |= memcmp(at[0][i], at[1][i] + 1, sizeof(float) * (size_t)n) != 0 || at[1][i][0] != 0;
		ok(!bad, "a step and an average, kind %d: the same bytes wherever parameters begin", kind);
		for (int i = 0; i < 8; i++)
			k->release(at[i / 4][i % 4]);
	}
}

static void golden_frames(const char *path, void (*one_case)(const struct frame *), int least)
{
	struct stream *s = stream_open(path, &e);
	struct frame f;
	int n = 0;

	for (; s && stream_next(s, &f, &e) == 1; n++) {
		one_case(&f);
		frame_free(&f);
	}
	ok(n >= least, "%s: %d cases", path, n);
	stream_close(s);
}

static void golden_schedules(void)
{
	FILE *f = fopen("tests/golden/schedules.tsv", "r");
	char *line = NULL, *rest, *cell;
	size_t room = 0;
	int n = 0;

	for (; f && getline(&line, &room, f) > 0; n++) {
		struct hyper h;
		double bad = 0;
		int64_t t = 0;

		rest = line;
		cell = strsep(&rest, "\t");
		ok(!options_of(cell, &h), "%s", cell);
		for (; (cell = strsep(&rest, "\t\n")) && *cell; t++)
			bad = fmax(bad, fabs(schedule_lr(&h, t) - strtod(cell, NULL)));
		ok(t == 20 && bad < 1e-15, "%lld rates, off by %.1e", (long long)t, bad);
	}
	ok(n == 9, "%d schedules", n);
	free(line);
	if (f)
		fclose(f);
}

/* -- options ------------------------------------------------------------------- */
static void options(void)
{
	struct hyper h;
	struct loss l;
	json_t *o = json_pack("{s:f, s:f}", "lr", 0.5, "loss", 2.0);

	hyper_unset(&h);
	h.decay = 0.7;
	ok(!hyper_settle(&h, RECIPE_NNUNET, &o, &e) && h.decay == 0.7 && h.lr == 0.5 && h.loss == LOSS_CE && h.optimizer == K_ADAMW && h.eps == 1e-8,
		"given, checkpoint, default; a recipe is no more asked");
	json_decref(o), o = NULL;
	hyper_unset(&h);
	h.decay = 0.7;
	ok(!hyper_settle(&h, RECIPE_NNUNET, &o, &e) && h.decay == 0.7 && h.lr == 0.01 && h.loss == LOSS_NNUNET && h.beta1 == 0.9, "given, recipe, default");
	json_decref(o), o = NULL;
	hyper_unset(&h);
	h.momentum = 0.5;
	ok(hyper_settle(&h, -1, &o, &e) && !strcmp(e.text, "--momentum has no meaning with --optimizer adamw"), "%s", e.text);
	json_decref(o), o = NULL;
	hyper_unset(&h);
	h.loss = LOSS_TVERSKY, h.weight = (struct arg_floats){2, {1, 2}};
	ok(!hyper_settle(&h, -1, &o, &e) && loss_make(&l, &h, 2, NULL, &e) && !strcmp(e.text, "--class-weights has no meaning with this loss"),
	   "%s", e.text);
	h.loss = LOSS_CE;
	ok(loss_make(&l, &h, 3, NULL, &e) && !strcmp(e.text, "--class-weights: 2 given, the network has 3 classes"), "%s", e.text);
	hyper_unset(&h);
	ok(!hyper_settle(&h, -1, &o, &e) && h.weight.n == 2 && h.weight.v[1] == 2, "weights come back from a checkpoint");
	json_decref(o);
}

/* MONAI's configurations that are refused, by what is wrong with them */
static void configs(void)
{
	static const struct { const char *text; int classes; const char *says; } bad[] = {
		{"{\"_target_\": \"DiceCELoss\"}", 2, "DiceCELoss: softmax or sigmoid must be true, and one alone"},
		{"{\"_target_\": \"DiceLoss\", \"sigmoid\": true}", 3, "DiceLoss: softmax must be true: the network has 3 channels"},
		{"{\"_target_\": \"DiceLoss\", \"softmax\": true}", 1, "DiceLoss: sigmoid must be true: the network has 1 channel"},
		{"{\"_target_\": \"DiceCELoss\", \"softmax\": true, \"gamma\": 2}", 2, "DiceCELoss: option 'gamma' is not known"},
		{"{\"_target_\": \"DiceLoss\", \"softmax\": true, \"reduction\": \"sum\"}", 2, "DiceLoss: reduction must be \"mean\""},
		{"{\"_target_\": \"DiceLoss\", \"softmax\": true, \"other_act\": \"tanh\"}", 2, "DiceLoss: other_act must be null"},
		{"{\"_target_\": \"DiceLoss\", \"softmax\": true, \"soft_label\": true}", 2, "DiceLoss: soft_label must be false"},
		{"{\"_target_\": \"DiceLoss\", \"softmax\": 1}", 2, "DiceLoss: softmax must be true or false"},
		{"{\"_target_\": \"DiceLoss\", \"softmax\": true, \"squared_pred\": 1}", 2, "DiceLoss: squared_pred must be true or false"},
		{"{\"_target_\": \"DiceLoss\", \"softmax\": true, \"smooth_nr\": -1}", 2, "DiceLoss: smooth_nr must be a number from 0 to 1e+06"},
		{"{\"_target_\": \"FocalLoss\", \"alpha\": [1, 2]}", 2, "FocalLoss: alpha must be a number from 0 to 1"},
		{"{\"_target_\": \"FocalLoss\", \"ignore_index\": 256}", 2, "FocalLoss: ignore_index must be a label, at most 255, or null"},
		{"{\"_target_\": \"FocalLoss\", \"weight\": [1, -2]}", 2, "FocalLoss: weight must be numbers from 0 to 1e6"},
		{"{\"_target_\": \"FocalLoss\", \"weight\": 2}", 0, "FocalLoss: weight must be a list: the number of classes is not known yet"},
		{"{\"_target_\": \"GeneralizedDiceLoss\", \"w_type\": \"cube\"}", 2,
			"GeneralizedDiceLoss: w_type must be \"uniform\", \"simple\" or \"square\""},
		{"{\"_target_\": \"HausdorffDTLoss\"}", 2, "loss 'HausdorffDTLoss' is not known (there are DiceLoss, DiceCELoss, DiceFocalLoss, FocalLoss, "
			"TverskyLoss, GeneralizedDiceLoss, GeneralizedDiceFocalLoss, CrossEntropyLoss, BCEWithLogitsLoss)"},
		{"{\"loss\": {\"_target_\": \"FocalLoss\", \"gamma\": \"@g\"}}", 2, "gamma is '@g': references and expressions are not followed"},
		{"{\"lr\": 1}", 2, "describes no loss: no \"_target_\" at its top, nor in loss or loss_function"},
	};
	struct hyper h;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		hyper_unset(&h);
		ok(lossfile_read(bad[i].text, bad[i].classes, 0, &h, &e) && !strcmp(e.text, bad[i].says), "%s: %s", bad[i].text, e.text);
	}
	hyper_unset(&h), h.gamma = 3;
	ok(lossfile_read("{\"_target_\": \"FocalLoss\"}", 2, 0, &h, &e) &&
	   !strcmp(e.text, "--loss-config says all of the loss: --loss and its options have no meaning with it"), "%s", e.text);
	hyper_unset(&h), h.ignore = 3;
	ok(lossfile_read("{\"_target_\": \"FocalLoss\", \"ignore_index\": 2}", 2, 0, &h, &e) &&
	   !strcmp(e.text, "FocalLoss: ignore_index says what --ignore-label does"), "%s", e.text);
	hyper_unset(&h), h.ignore = 3;
	ok(!lossfile_read("{\"loss\": {\"_target_\": \"FocalLoss\"}}", 2, 0, &h, &e) && h.ignore == 3 && h.loss == LOSS_FOCAL,
	   "a bundle's; a label beside it");
}

/* What has no meaning with regions */
static void of_regions(void)
{
	static const struct { const char *options, *says; } bad[] = {
		{"{\"loss\": 0, \"background\": 0}", "--no-background has no meaning with regions"},
		{"{\"loss\": 0, \"label-smoothing\": 0.1}", "--label-smoothing has no meaning with regions"},
		{"{\"loss\": 4, \"focal-softmax\": 1}", "--focal-softmax has no meaning with regions"}};
	static const struct { const char *config, *says; } config[] = {
		{"{\"_target_\": \"DiceLoss\", \"softmax\": true}", "DiceLoss: sigmoid must be true: the network has 3 regions"},
		{"{\"_target_\": \"DiceCELoss\", \"sigmoid\": true}",
		 "DiceCELoss: its cross entropy is a softmax's: not of regions (--loss dicece has a sigmoid's)"},
		{"{\"_target_\": \"CrossEntropyLoss\"}", "CrossEntropyLoss: its cross entropy is a softmax's: not of regions (--loss dicece has a sigmoid's)"}};
	struct regions r;
	struct hyper h;
	struct loss l;

	ok(!regions_parse(&r, "1,2,3/2,3/3", &e) && r.n == 3, "three regions");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ok(!options_of(bad[i].options, &h) && loss_make(&l, &h, 3, &r, &e) && !strcmp(e.text, bad[i].says), "%s", e.text);
	ok(!options_of("{}", &h) && loss_make(&l, &h, 2, &r, &e) && !strcmp(e.text, "--regions: 3 given, the network has 2 classes"), "%s", e.text);
	for (size_t i = 0; i < sizeof config / sizeof *config; i++) {
		hyper_unset(&h);
		ok(lossfile_read(config[i].config, 3, 1, &h, &e) && !strcmp(e.text, config[i].says), "%s", e.text);
	}
	ok(!options_of("{}", &h) && !loss_make(&l, &h, 3, &r, &e) && l.terms.regions[0] == 0 && l.terms.regions[2] == 3 && l.terms.regions[4] == K_NO_REGION,
	   "the kernel's table");
}

int main(void)
{
	rng_init(&rng, 1, RNG_TEST, 0);
	k = cpu(K_FP32);
	no_others();
	if (!k)
		return tap_done();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		against_reference(&cases[i], (int)i);
	threads();
	sums();
	steps_anywhere();
	golden_frames("tests/golden/losses.ts", golden_loss, 78);
	golden_frames("tests/golden/region-losses.ts", golden_loss, 11);
	golden_frames("tests/golden/optim.ts", golden_optim, 7);
	golden_schedules();
	options();
	configs();
	of_regions();
	return tap_done();
}
