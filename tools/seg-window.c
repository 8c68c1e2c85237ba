/* seg-window -m MODEL [FILE ...]: sliding-window inference, as MONAI's sliding_window_inference or nnU-Net's predictor does it.
   Every frame with `image` [C,Z,Y,X] gets `pred` [Z,Y,X] U8, the labels that follow from the scores by a rule, or with --output the scores `prob`
   [K,Z,Y,X] themselves; the image is dropped unless --keep-image, all else rides along. Several models are one: the mean of their scores counts.
   A volume that did not go through what the models' training data went through is refused unless --force.
   Memory: the volume, accumulators of one window's depth, the networks' activations; see seg-window(1). */
#include <stdio.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/option.h"
#include "lib/base/progress.h"
#include "lib/net/run/device.h"
#include "lib/net/window/ensemble.h"
#include "lib/net/window/window.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"
#include "lib/stream/stream.h"
#include "lib/volume/prob/prob.h"

#define UNSET -1e300

struct opts {
	struct arg_strs models;
	const char *device, *within;
	int64_t roi[3]; /* x,y,z; -1: the model's */
	int64_t batch, class, effort;
	double overlap, sigma, fill, refine, air;
	struct arg_floats threshold;
	int precision, grid, mode, padding, mirror, mean, rule, output, tune, force, keep;
};

static const char grids[] = "monai|nnunet|staggered", modes[] = "gaussian|constant|nnunet", paddings[] = "constant|reflect|replicate|circular",
                  mirrors[] = "none|x|y|xy|z|xz|yz|xyz", means[] = "logits|prob", rules[] = "argmax|dice", outputs[] = "labels|prob|logits";

struct work {
	const struct opts *o;
	const struct arg_common *c;
	const struct k_backend *k;
	struct ensemble m;
	struct window_opts w;
	struct tensor mask;
	struct window_pipe pipe;
	struct window_stats stats;
	struct prob_rule rule;
	json_t *hash; /* of the models' files */
	struct progress bar;
	int64_t scan, scans; /* which volume of how many (0: not known) */
	double begun;
};

/* The bar is the volume's; beside it stands which volume it is and, where their number is known, what is left of all. */
static int tick(void *arg, int64_t done, int64_t total)
{
	struct work *w = arg;
	char note[80] = "";
	double part = (double)(w->scan - 1) + (double)done / (double)total, took = progress_now() - w->begun, left = took * ((double)w->scans / part - 1);

	if (w->scans > 1 && left >= 0)
		snprintf(note, sizeof note, "scan %lld/%lld, all %ld:%02ld", (long long)w->scan, (long long)w->scans, (long)left / 60, (long)left % 60);
	else if (w->scans != 1)
		snprintf(note, sizeof note, "scan %lld", (long long)w->scan);
	w->bar.total = total;
	progress_to(&w->bar, done, note);
	return 0;
}

static json_t *texts(const struct arg_strs *s)
{
	json_t *a = json_array();

	for (int i = 0; i < s->n; i++)
		json_array_append_new(a, shell_name(s->v[i]));
	return a;
}

/* What it takes to do the same again; options at their defaults are left out but for the first ones. */
static json_t *history_args(const struct work *w)
{
	struct opts o = *w->o;
	struct window_opts used = w->w;
	double fill = o.fill > UNSET ? o.fill : 0;
	int64_t roi[3] = {used.roi[2], used.roi[1], used.roi[0]};
	int grid = (int)used.grid, half = w->k->precision == K_FP32 ? 0 : w->k->precision, filled = fill != 0, refined = used.refine > 0,
	    air = o.air > UNSET, effort = o.effort > 0, curved = o.mode != WINDOW_CONSTANT, one = o.threshold.n == 1;
	const struct option table[] = {
		{"roi", OPTION_INTS, roi, 3, NULL, NULL}, {"overlap", OPTION_REALS, &used.overlap, 1, NULL, NULL},
		{"mode", OPTION_WORD, &o.mode, 1, modes, NULL}, {"output", OPTION_WORD, &o.output, 1, outputs, NULL},
		{"sigma", OPTION_REALS, &used.sigma, 1, NULL, &curved}, {"grid", OPTION_WORD, &grid, 1, grids, &grid},
		{"padding", OPTION_WORD, &o.padding, 1, paddings, &o.padding}, {"fill", OPTION_REALS, &fill, 1, NULL, &filled},
		{"mirror", OPTION_WORD, &o.mirror, 1, mirrors, &o.mirror}, {"mean", OPTION_WORD, &o.mean, 1, means, &o.mean},
		{"precision", OPTION_WORD, &half, 1, DEVICE_PRECISIONS, &half}, {"refine", OPTION_REALS, &used.refine, 1, NULL, &refined},
		{"effort", OPTION_INTS, &o.effort, 1, NULL, &effort},
		{"skip-air", OPTION_REALS, &o.air, 1, NULL, &air}, {"rule", OPTION_WORD, &o.rule, 1, rules, &o.rule},
		{"threshold", OPTION_LIST, o.threshold.v, ARG_LIST, NULL, &o.threshold.n}, {"class", OPTION_INTS, &o.class, 1, NULL, &one},
		{NULL, OPTION_END, NULL, 0, NULL, NULL}};
	json_t *a = option_json(table);

	json_object_set_new(a, "model", shell_name(o.models.v[0]));
	if (o.within)
		json_object_set_new(a, "within", json_string(o.within));
	if (o.models.n > 1)
		json_object_set_new(a, "models", texts(&o.models));
	if (json_array_size(w->hash))
		json_object_set(a, "hash", w->hash);
	return a;
}

/* Networks planned for this volume; where the window is given, that was done before the first one came, while it was on its way. */
static int plan(struct work *w, const struct grid *g, struct err *e)
{
	const int64_t size[3] = {g->size[2], g->size[1], g->size[0]};
	int64_t roi[3], sums;

	memcpy(roi, w->w.roi, sizeof roi);
	for (int i = 0; i < w->m.n; i++)
		window_fit(w->m.net[i], size, roi);
	sums = window_sums(&w->w, w->m.net, w->m.n, w->o->output ? NULL : &w->rule);
	return ensemble_plan(&w->m, w->w.batch, roi, window_memory(&w->w, w->k, sums, size, roi), e);
}

static void report(const struct work *w, const struct frame *f)
{
	const struct window_stats *s = &w->stats;
	double rest = s->seconds - s->network;

	if (w->c->verbose)
		err_warn("%s: %lld of %lld windows; network %.3f s, all else %.3f s (%.1f %%)", frame_id(f), (long long)s->run, (long long)s->total,
		         s->network, rest, s->seconds > 0 ? 100 * rest / s->seconds : 0);
}

/* The tensor of --within. A copy: adding a tensor moves the frame's others, not their data. */
static int mask(struct work *w, const struct frame *f, struct err *e)
{
	const struct tensor *t = frame_labels(f, w->o->within, e);

	if (!t)
		return -1;
	w->mask = *t;
	w->w.within = &w->mask;
	return 0;
}

static void look_at_axes(const struct work *w, const struct frame *f, const struct grid *g)
{
	char code[4];

	for (int i = 0; i < w->m.n && !w->c->quiet && !w->o->force; i++) {
		const struct model *m = &w->m.model[i];

		if (model_turned(m, g, code))
			err_warn("%s: its axes run %s, those of %s's training data %s (nii-replay turns them; --orient before training makes all alike)",
			         frame_id(f), code, w->m.n > 1 ? m->file : "the model", m->orient);
	}
}

static int prepare(struct work *w, struct frame *f, struct err *e)
{
	struct grid g;

	if (frame_grid(f, &g, e) || (!w->o->force && model_check_replay(&w->m.model[0], f, e)) || plan(w, &g, e))
		return -1;
	if (w->o->within && mask(w, f, e))
		return -1;
	look_at_axes(w, f, &g);
	if (frame_set_meta(f, "labels", frame_meta(&w->m.model[0].frame, "labels"), e) || frame_set_meta(f, "regions", NULL, e))
		return -1;
	return history_push(f, "seg-window", history_args(w), NULL, NULL, e);
}

static int segment(struct frame *f, const struct pass *p, void *arg, struct err *e)
{
	struct work *w = arg;
	int r;

	if (prepare(w, f, e))
		return -1;
	w->pipe = (struct window_pipe){p->in, p->out, 0};
	w->stats = (struct window_stats){0};
	w->scan++;
	progress_start(&w->bar, w->c, "window", 0);
	r = window_frame(&w->w, w->k, w->m.net, w->m.n, f, (enum window_output)w->o->output, &w->rule, w->o->keep, e);
	progress_end(&w->bar);
	if (r)
		return w->pipe.broken ? -2 : -1;
	report(w, f);
	return 0;
}

/* The window's size: --roi, or what the model was trained with. */
static int window_size(struct work *w, struct err *e)
{
	const int64_t *roi = w->o->roi;
	int given = roi[0] >= 0, r;

	if (!given) {
		r = window_roi_get(&w->m.model[0].frame, w->w.roi, e);
		return r > 0 ? err_set(e, w->o->models.v[0], "has no metadata 'roi': give --roi") : r;
	}
	for (int i = 0; i < 3; i++)
		w->w.roi[i] = roi[2 - i];
	return 0;
}

/* Planned at once where it does not depend on the volume: while the first one is still on its way; sizes that don't fit are refused before. */
static int plan_early(struct work *w, struct err *e)
{
	const int64_t *roi = w->w.roi;

	if (!roi[0] || !roi[1] || !roi[2])
		return 0;
	if (ensemble_plan(&w->m, w->w.batch, roi, 0, e))
		return -1;
	if (w->c->verbose)
		err_warn("windows of %lld,%lld,%lld voxels, %.1f MB of activations", (long long)roi[2], (long long)roi[1], (long long)roi[0],
		         (double)w->m.held / 1e6);
	return 0;
}

static void set(struct work *w)
{
	const struct opts *o = w->o;
	const int m = o->mirror;

	w->w = (struct window_opts){.overlap = o->overlap < 0 ? 0.25 : o->overlap, .grid = (enum window_grid_kind)(o->grid < 0 ? 0 : o->grid),
		.mode = (enum window_mode)o->mode, .sigma = o->sigma < 0 ? 0.125 : o->sigma, .batch = o->batch, .padding = (enum k_pad)o->padding,
		.fill = o->fill > UNSET ? (float)o->fill : 0,
		.mirror = (m & 4) >> 2 | (m & 2) | (m & 1) << 2, .soft = o->mean, .refine = o->refine,
		.skip_air = o->air > UNSET, .air = o->air, .room = window_room()};
	if (o->effort)
		window_effort(&w->w, o->effort);
	w->w.tick = tick;
	w->w.tick_arg = w;
	w->w.stats = &w->stats;
	w->w.pipe = &w->pipe;
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	struct work w = {.o = o, .c = c, .scans = stream_count_all(c), .begun = progress_now()};
	int r;

	set(&w);
	w.hash = ensemble_hashes(o->models.v, o->models.n);
	w.k = device_open(o->device, (enum k_precision)o->precision, e);
	if (w.k && o->tune)
		device_tune(w.k);
	if (!w.k || ensemble_open(&w.m, o->models.v, o->models.n, w.k, e))
		return -1;
	w.rule = prob_rule_make(o->rule, o->threshold.n, o->threshold.v, o->class);
	w.rule.regions = w.m.model[0].regions.n ? &w.m.model[0].regions : NULL;
	if (c->verbose && *device_why())
		err_warn("%s", device_why());
	if (c->verbose)
		err_warn("device %s: %s", w.k->name, w.k->device);
	r = (!o->output && prob_rule_check(&w.rule, net_classes(w.m.net[0]), PROB_LOGITS, e)) || window_size(&w, e) || plan_early(&w, e) ||
	    stream_pass(c, "image", segment, &w, e) ? -1 : 0;
	for (int i = 0; i < w.m.n && c->verbose; i++)
		if (*net_plain(w.m.net[i]))
			err_warn("operations are given to the device one by one: %s", net_plain(w.m.net[i]));
	ensemble_close(&w.m);
	json_decref(w.hash);
	return r;
}

static void check(const struct opts *o)
{
	if (!o->models.n)
		err_usage("no model: give -m FILE");
	if (o->effort && (o->overlap >= 0 || o->grid >= 0 || o->refine > 0))
		err_usage("--effort sets --overlap, --grid and --refine: give it or them");
	if (o->sigma > 0 && o->mode == WINDOW_CONSTANT)
		err_usage("--sigma: with --mode constant there is no Gaussian");
	if (o->fill > UNSET && o->padding)
		err_usage("--fill goes with --padding constant");
	if (o->output == WINDOW_LOGITS && o->mean)
		err_usage("--output logits: with --mean prob there are none");
	if (o->rule && o->threshold.n)
		err_usage("--rule dice finds its own threshold: give it or --threshold");
	if (o->class != 1 && o->threshold.n != 1)
		err_usage("--class goes with one --threshold");
	if (o->output && (o->rule || o->threshold.n))
		err_usage("--rule and --threshold make labels: with --output prob or logits there are none");
}

int main(int argc, char **argv)
{
	struct opts o = {.device = "auto", .roi = {-1, -1, -1}, .overlap = -1, .grid = -1, .sigma = -1, .fill = UNSET, .batch = 1,
	                 .class = 1, .air = UNSET};
	const struct arg args[] = {
		{'m', "model", ARG_STRS, &o.models, "FILE", "the model, as seg-train writes it (must be given); again: another one, the mean counts", 0, 0,
		 ENSEMBLE_MOST},
		{0, "roi", ARG_INT, o.roi, "X,Y,Z", "window, voxels; 0: the whole axis (the patch the model was trained with)", 0, 1 << 20, 3},
		{0, "overlap", ARG_FLOAT, &o.overlap, "R", "overlap of neighbouring windows, a fraction of the window (0.25)", 0, 0.999},
		{0, "grid", ARG_CHOICE, &o.grid, grids, "where windows stand (monai)"},
		{0, "mode", ARG_CHOICE, &o.mode, modes, "weight of a window's voxels (gaussian)"},
		{0, "sigma", ARG_FLOAT, &o.sigma, "R", "of the Gaussian, a fraction of the window (0.125)", 1e-3, 1e3},
		{0, "padding", ARG_CHOICE, &o.padding, paddings, "what stands around a volume smaller than the window (constant)"},
		{0, "fill", ARG_FLOAT, &o.fill, "V", "that constant (0)", -1e30, 1e30},
		{0, "batch", ARG_INT, &o.batch, "N", "windows predicted at once (1)", 1, 1024},
		{0, "mirror", ARG_CHOICE, &o.mirror, mirrors, "the mean over all flips of these axes (none)"},
		{0, "mean", ARG_CHOICE, &o.mean, means, "of what windows, flips and models are averaged (logits)"},
		{0, "refine", ARG_FLOAT, &o.refine, "R", "windows between a coarse grid's till the rest would change this part of the mask", 1e-6, 0.1},
		{0, "effort", ARG_INT, &o.effort, "N", "1 to 5: --grid, --overlap and --refine by a table in the manual", 1, 5},
		{0, "skip-air", ARG_FLOAT, &o.air, "V", "leave out windows with nothing above V: there is background", -1e30, 1e30},
		{0, "within", ARG_STR, &o.within, "TENSOR", "leave out windows where this tensor of labels is 0"},
		{0, "output", ARG_CHOICE, &o.output, outputs, "what to put in the frame (labels)"},
		{0, "rule", ARG_CHOICE, &o.rule, rules, "labels: the highest class, or the highest expected Dice (argmax)"},
		{0, "threshold", ARG_FLOATS, &o.threshold, "T[,T...]", "labels: classes whose probability is at least T; several: for class 1, 2, ...", 0, 1},
		{0, "class", ARG_INT, &o.class, "K", "the class that a single --threshold asks for (1)", 1, 255},
		{0, "device", ARG_STR, &o.device, "NAME", "auto, cpu, cuda or cuda:N (auto)"},
		{0, "precision", ARG_CHOICE, &o.precision, DEVICE_PRECISIONS, "of activations; auto: bf16 where it pays (auto)"},
		{0, "tune", ARG_FLAG, &o.tune, NULL, "on a GPU: measure the ways there are for each convolution, once a shape"},
		{0, "force", ARG_FLAG, &o.force, NULL, "take volumes that were not prepared as the model asks"},
		{0, "keep-image", ARG_FLAG, &o.keep, NULL, "keep the image in the frame"},
		{0},
	};
	const struct arg_spec spec = {"seg-window", "[FILE ...]", "segment volumes with a model, window by window", args, ARG_OUT | ARG_PROGRESS, 0, -1};
	struct arg_common c;
	struct err e;

	arg_parse(&spec, argc, argv, &c);
	check(&o);
	if (run(&o, &c, &e))
		err_die(&e);
	return 0;
}
