/* seg-window -m MODEL [FILE ...]: sliding-window inference, as MONAI's sliding_window_inference does it.
   Every frame with `image` [C,Z,Y,X] gets `pred` [Z,Y,X] U8, the most probable class, or with --output the scores `prob` [K,Z,Y,X]; the image
   is dropped unless --keep-image, all else rides along. A volume that did not go through what the model's training data went through is
   refused unless --force.
   Memory: the volume, accumulators of one window's depth, the network's activations; see seg-window(1). */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/progress.h"
#include "lib/net/checkpoint.h"
#include "lib/net/device.h"
#include "lib/net/window.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"

struct opts {
	const char *model, *device;
	int64_t roi[3]; /* x,y,z; -1: the model's */
	int64_t batch;
	double overlap, sigma;
	int mode, output, force, keep;
};

struct work {
	const struct opts *o;
	const struct arg_common *c;
	const struct k_backend *k;
	struct model model;
	struct net *net;
	struct window_opts w;
	struct progress bar;
};

static void tick(void *arg, int64_t done, int64_t total)
{
	struct work *w = arg;

	w->bar.total = total;
	progress_to(&w->bar, done, NULL);
}

static json_t *history_args(const struct work *w)
{
	static const char *const modes[] = {"gaussian", "constant"}, *const outputs[] = {"labels", "prob", "logits"};
	const int64_t roi[3] = {w->w.roi[2], w->w.roi[1], w->w.roi[0]};
	json_t *a = json_pack("{s:s, s:o, s:f, s:s, s:s}", "model", w->o->model, "roi", json_ints(roi, 3), "overlap", w->o->overlap,
	                      "mode", modes[w->o->mode], "output", outputs[w->o->output]);

	if (w->o->mode == WINDOW_GAUSSIAN)
		json_object_set_new(a, "sigma", json_real(w->o->sigma));
	return a;
}

static int segment(struct frame *f, void *arg, struct err *e)
{
	struct work *w = arg;
	struct grid g;
	int r;

	if (frame_grid(f, &g, e) || (!w->o->force && model_check_replay(&w->model, f, e)))
		return -1;
	progress_start(&w->bar, w->c, "window", 0);
	r = window_frame(&w->w, w->k, w->net, f, (enum window_output)w->o->output, e);
	progress_end(&w->bar);
	if (r)
		return -1;
	if (!w->o->keep)
		frame_drop(f, "image");
	return history_push(f, "seg-window", history_args(w), NULL, NULL, e);
}

/* The window's size: --roi, or what the model was trained with. */
static int window_size(struct work *w, struct err *e)
{
	const int64_t *roi = w->o->roi;
	int given = roi[0] >= 0, r;

	if (!given) {
		r = window_roi_get(&w->model.frame, w->w.roi, e);
		return r > 0 ? err_set(e, w->o->model, "has no metadata 'roi': give --roi") : r;
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
	if (net_plan(w->net, w->w.batch, roi, 0, e))
		return err_prefix(e, "roi");
	if (w->c->verbose)
		err_warn("windows of %lld,%lld,%lld voxels, %.1f MB of activations", (long long)roi[2], (long long)roi[1], (long long)roi[0],
		         (double)net_arena(w->net) / 1e6);
	return 0;
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	struct work w = {.o = o, .c = c, .w = {.overlap = o->overlap, .mode = (enum window_mode)o->mode, .sigma = o->sigma, .batch = o->batch}};
	int r;

	w.w.tick = tick;
	w.w.tick_arg = &w;
	w.k = device_open(o->device, e);
	if (!w.k || model_net(&w.model, o->model, w.k, &w.net, e))
		return -1;
	if (c->verbose)
		err_warn("device %s: %s", w.k->name, w.k->device);
	r = window_size(&w, e) || plan_early(&w, e) || stream_filter(c, segment, &w, e) ? -1 : 0;
	net_free(w.net);
	model_close(&w.model);
	return r;
}

int main(int argc, char **argv)
{
	struct opts o = {.device = "auto", .roi = {-1, -1, -1}, .overlap = 0.25, .sigma = 0.125, .batch = 1};
	const struct arg args[] = {
		{'m', "model", ARG_STR, &o.model, "FILE", "the model, as seg-train writes it (must be given)"},
		{0, "roi", ARG_INT, o.roi, "X,Y,Z", "window, voxels; 0: the whole axis (the patch the model was trained with)", 0, 1 << 20, 3},
		{0, "overlap", ARG_FLOAT, &o.overlap, "R", "overlap of neighbouring windows, a fraction of the window (0.25)", 0, 0.999},
		{0, "mode", ARG_CHOICE, &o.mode, "gaussian|constant", "weight of a window's voxels (gaussian)"},
		{0, "sigma", ARG_FLOAT, &o.sigma, "R", "of the Gaussian, a fraction of the window (0.125)", 1e-3, 1e3},
		{0, "batch", ARG_INT, &o.batch, "N", "windows predicted at once (1)", 1, 1024},
		{0, "output", ARG_CHOICE, &o.output, "labels|prob|logits", "what to put in the frame (labels)"},
		{0, "device", ARG_STR, &o.device, "NAME", "auto, cpu, cuda or cuda:N (auto)"},
		{0, "force", ARG_FLAG, &o.force, NULL, "take volumes that were not prepared as the model asks"},
		{0, "keep-image", ARG_FLAG, &o.keep, NULL, "keep the image in the frame"},
		{0},
	};
	const struct arg_spec spec = {"seg-window", "[FILE ...]", "segment volumes with a model, window by window", args, ARG_OUT | ARG_PROGRESS, 0, -1};
	struct arg_common c;
	struct err e;

	arg_parse(&spec, argc, argv, &c);
	if (!o.model)
		err_usage("no model: give -m FILE");
	if (run(&o, &c, &e))
		err_die(&e);
	return 0;
}
