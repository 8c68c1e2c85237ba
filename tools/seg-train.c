/* seg-train: patches in, a trained network out.
   In: patch frames (image [C,Z,Y,X], label [Z,Y,X]) from standard input or a file, to its end.
   Out: -o model.ts, the best model by validation (without validation the last), and model.last.ts, from which --resume goes on bit for bit; without
   -o the last state goes to standard output.
   Started by mpirun or srun: one of several that train one network, each on patches of its own.
   SIGTERM, SIGINT, SIGHUP: the step is finished, the state saved, then exit 0 (SIGINT, SIGHUP: die of it). SIGUSR1: save and go on. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/arch/arch_preset.h"
#include "lib/net/planner/plans.h"
#include "lib/net/run/device.h"
#include "lib/net/train/lossfile.h"
#include "lib/net/train/train.h"
#include "lib/stream/history.h"
#include "lib/stream/names.h"
#include "lib/stream/regions.h"

struct opts {
	struct train_opts t;
	int net, loss, volume, optimizer, schedule, precision; /* -1: not given */
	int plain, no_background, jaccard, batch_dice, focal_softmax, no_decay, nesterov, cycle;
	struct arg_ints channels;
	const char *strides, *kernel, *json, *plan, *configuration, *loss_json, *regions, *labels;
	int64_t units, classes, ignore, batch, seed, accumulate, steps, epoch_steps; /* -1: not given */
	int64_t dims; /* 0: not given */
	int64_t val_roi[3];
	struct arg_common c;
};

static volatile sig_atomic_t stop;

/* One of two at once: what stops goes before what saves, whichever comes first. */
static void on_signal(int sig)
{
	if (sig != SIGUSR1 || !stop)
		stop = sig;
}

/* Before any output is opened, whose own clean-up would else have them. What the parent ignores (nohup) stays ignored; a second SIGINT kills. */
static void catch_signals(void)
{
	static const struct { int sig, flags; } caught[] = {{SIGTERM, 0}, {SIGUSR1, 0}, {SIGHUP, 0}, {SIGINT, SA_RESETHAND}};

	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
		struct sigaction a = {.sa_handler = on_signal, .sa_flags = caught[i].flags}, old;

		for (size_t j = 0; j < sizeof caught / sizeof *caught; j++)
			sigaddset(&a.sa_mask, caught[j].sig);
		if (!sigaction(caught[i].sig, NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(caught[i].sig, &a, NULL);
	}
}

typedef json_t *read_sizes(const char *text, struct err *e);

static json_t *sizes(const char *text, read_sizes *read, const char *option)
{
	struct err e;
	json_t *v = text ? read(text, &e) : NULL;

	if (text && !v)
		err_usage("--%s: %s", option, e.text);
	return v;
}

/* The plan's network, which trains with deep supervision; its batch and batch_dice where they were not given. NULL: another network was asked for. */
static json_t *planned(struct opts *o)
{
	json_t *a = NULL;
	struct plans p;
	struct err e;

	if (plans_load(&p, o->plan, o->configuration, &e))
		err_die(&e);
	o->t.previous = p.previous;
	o->batch = o->batch > 0 || !p.batch ? o->batch : p.batch;
	o->batch_dice |= p.batch_dice && o->net < 0 && !o->loss_json;
	if (o->net < 0 && !o->json) {
		if (o->classes < 0 && !p.classes && !o->t.resume)
			err_usage("--classes is needed: %s does not say how many there are", o->plan);
		if (o->dims || o->units >= 0 || o->channels.n || o->strides || o->kernel)
			err_usage("--plan says all of the network: --spatial-dims, --channels, --strides, --res-units and --kernel have no meaning with it");
		a = json_incref(p.arch);
		if (o->classes > 0 || !o->t.resume) /* else the checkpoint says it: a plan knows of no regions */
			json_object_set_new(a, "num_classes", json_integer(o->classes > 0 ? o->classes : p.classes));
		json_object_set_new(a, "deep_supervision", json_true());
	}
	plans_free(&p);
	return a;
}

/* What was given as the network's JSON; a fresh network gets the defaults too. */
static json_t *arch(struct opts *o)
{
	json_t *strides = sizes(o->strides, arch_sizes, "strides"), *kernel = sizes(o->kernel, arch_size, "kernel"), *a;
	const struct arch_ask ask = {.fresh = !o->t.init && !o->t.resume, .net = o->net, .flat = o->dims == 2, .classes = o->classes, .units = o->units,
		.channels = o->channels.v, .levels = o->channels.n, .strides = strides, .kernel = kernel};
	struct err e;

	if (o->json && (o->net >= 0 || o->dims || o->classes >= 0 || o->units >= 0 || o->channels.n || strides || kernel))
		err_usage("--arch says all of the network: --net, --spatial-dims, --channels, --strides, --res-units, --kernel and --classes have no meaning "
		          "with it");
	a = o->json ? arch_read(o->json, &e) : arch_preset(&ask, &e);
	if (!a)
		err_die(&e);
	json_decref(strides);
	json_decref(kernel);
	return a;
}

/* Choices, flags and whole numbers; -1: not given. */
static void take_hyper(const struct opts *o, struct hyper *h)
{
	const struct { double v; double *to; } given[] = {
		{o->loss, &h->loss}, {o->plain ? 0 : -1, &h->squared}, {o->no_background ? 0 : -1, &h->background}, {o->jaccard ? 1 : -1, &h->jaccard},
		{o->batch_dice ? 1 : -1, &h->batch_dice}, {o->focal_softmax ? 1 : -1, &h->focal_softmax}, {(double)o->ignore, &h->ignore},
		{o->volume, &h->volume}, {o->optimizer, &h->optimizer}, {o->no_decay ? 1 : -1, &h->no_decay},
		{o->nesterov ? 1 : -1, &h->nesterov}, {o->cycle ? 1 : -1, &h->cycle_momentum}, {(double)o->accumulate, &h->accumulate}, {o->schedule, &h->schedule},
		{(double)o->steps, &h->steps},
		{(double)o->epoch_steps, &h->epoch_steps}, {(double)o->batch, &h->batch}, {(double)o->seed, &h->seed}, {o->precision, &h->precision},
	};

	for (size_t i = 0; i < sizeof given / sizeof *given; i++)
		*given[i].to = given[i].v;
}

/* Regions are the classes. */
static void take_regions(struct opts *o)
{
	struct regions *r = &o->t.regions;
	struct err e;

	if (!o->regions)
		return;
	if (regions_parse(r, o->regions, &e) || regions_ignore(r, &o->ignore, &e))
		err_usage("--regions: %s", e.text);
	if (o->classes >= 0 && o->classes != r->n)
		err_usage("--regions are %d: --classes says otherwise", r->n);
	if (!o->json)
		o->classes = r->n;
}

static void take_labels(struct opts *o)
{
	struct err e;

	if (!o->labels)
		return;
	o->t.names = names_load(o->labels, &e);
	o->t.names_file = o->labels;
	if (!o->t.names)
		err_die(&e);
}

static void settle(struct opts *o)
{
	struct err e;

	if (o->t.init && o->t.resume)
		err_usage("--init and --resume exclude one another");
	if (!o->t.val && o->t.val_every)
		err_usage("--val-every has no meaning without --val");
	if (o->c.out && (!strcmp(o->c.out, "-") || !*o->c.out))
		o->c.out = NULL;
	if (!o->t.val && o->t.patience)
		err_usage("--patience has no meaning without --val");
	o->t.parallel.alone |= o->t.summary;
	take_regions(o);
	take_labels(o);
	o->t.arch = o->plan ? planned(o) : NULL;
	if (!o->t.arch)
		o->t.arch = arch(o);
	take_hyper(o, &o->t.hyper);
	if (o->loss_json && lossfile_read(o->loss_json, o->t.init || o->t.resume ? 0 : (int)arch_classes(o->t.arch), o->t.regions.n, &o->t.hyper, &e))
		err_die(&e);
	for (int i = 0; i < 3; i++)
		o->t.window.roi[i] = o->val_roi[2 - i];
	o->t.classes = arch_classes(o->t.arch);
	o->t.out = o->c.out;
	o->t.input = o->c.argc ? o->c.argv[0] : NULL;
	o->t.stop = &stop;
}

/* Stopped by a signal: say how to go on, and die of SIGINT and SIGHUP so that a script stops too. */
static void say_stopped(const struct opts *o, const struct train_result *res)
{
	const char *name = res->signal == SIGINT ? "SIGINT" : res->signal == SIGHUP ? "SIGHUP" : "SIGTERM";
	char *last = o->t.out ? train_last(o->t.out) : NULL;

	if (!o->c.quiet && !res->rank && res->pending)
		err_warn("stopped by %s in the last validation: go on with --resume %s and no patches, </dev/null", name, last ? last : "FILE");
	else if (!o->c.quiet && !res->rank)
		err_warn("stopped by %s after step %lld: go on with --resume %s and nii-patch --skip %lld", name, (long long)res->step, last ? last : "FILE",
		         (long long)res->next);
	free(last);
	if (res->signal != SIGTERM) {
		signal(res->signal, SIG_DFL);
		raise(res->signal);
	}
}

static int run(struct opts *o, struct err *e)
{
	struct train_result res;
	int r;

	r = train_run(&o->t, &o->c, &res, e);
	json_decref(o->t.arch);
	if (!r && res.signal)
		say_stopped(o, &res);
	else if (!r && res.impatient && !o->c.quiet && !res.rank)
		err_warn("stopped after step %lld: no better validation in %lld; the best is of step %lld, Dice %.4f", (long long)res.step,
		         (long long)res.stale, (long long)res.best_step, res.best);
	else if (!r && o->c.verbose && res.step && !res.rank)
		err_warn("%lld steps, loss of the last %.4f", (long long)res.step, res.loss);
	return r;
}

#define UNSET -1
static struct opts all = {
	.t = {.recipe = UNSET, .device = "auto", .window = WINDOW_DEFAULTS, .parallel = {.patience = 600}},
	.net = UNSET, .loss = UNSET, .volume = UNSET, .optimizer = UNSET, .schedule = UNSET, .precision = UNSET,
	.units = UNSET, .classes = UNSET, .ignore = UNSET, .batch = UNSET, .seed = UNSET, .accumulate = UNSET, .steps = UNSET, .epoch_steps = UNSET,
};
#define HYPER all.t.hyper

static const struct arg args[] = {
	{0, "net", ARG_CHOICE, &all.net, ARCH_NETS, "architecture (unet: MONAI's UNet)"},
	{0, "arch", ARG_STR, &all.json, "JSON", "all of it as MONAI's or nnU-Net's JSON, or a file of that"},
	{0, "channels", ARG_INTS, &all.channels, "C,C,...", "channels of each level (unet: 16,32,64,128,256)", 1, 4096},
	{0, "spatial-dims", ARG_INT, &all.dims, "2|3", "2: patches are a slice (3)", 2, 3},
	{0, "strides", ARG_STR, &all.strides, "S,S,...", "stride between levels, N or XxYxZ: 2x2x1,2,2 (2 each)"},
	{0, "res-units", ARG_INT, &all.units, "N", "convolutions or blocks of a unit or stage (unet: 2)", 0, 16},
	{0, "kernel", ARG_STR, &all.kernel, "K", "kernel size, N or XxYxZ (3)"},
	{0, "classes", ARG_INT, &all.classes, "N", "classes with the background; 1: one channel, a sigmoid (2)", 1, 255},
	{0, "regions", ARG_STR, &all.regions, "R/R/...|JSON", "classes overlap: the labels each is made of, 1,2,3/2,3/3, or a dataset.json"},
	{0, "labels", ARG_STR, &all.labels, "FILE", "names of the labels, for the model: a table of columns label, name, or a dataset.json"},
	{0, "plan", ARG_STR, &all.plan, "FILE", "network (where --net and --arch are not given) and batch of a plans.json"},
	{0, "configuration", ARG_STR, &all.configuration, "NAME", "of the plan (" PLANS_CONFIGURATION ")"},
	{0, "recipe", ARG_CHOICE, &all.t.recipe, HYPER_RECIPES, "a peer's defaults for what follows"},
	{0, "loss", ARG_CHOICE, &all.loss, HYPER_LOSSES, "MONAI's and nnU-Net's losses (dicece)"},
	{0, "loss-config", ARG_STR, &all.loss_json, "JSON", "all of the loss as MONAI's JSON, or a file of that, also a bundle's"},
	{0, "no-squared", ARG_FLAG, &all.plain, NULL, "Dice of probabilities instead of their squares"},
	{0, "no-background", ARG_FLAG, &all.no_background, NULL, "leave class 0 out of the overlap and the focal loss"},
	{0, "jaccard", ARG_FLAG, &all.jaccard, NULL, "the Jaccard index in place of the Dice"},
	{0, "batch-dice", ARG_FLAG, &all.batch_dice, NULL, "sum over the patches of a batch before dividing"},
	{0, "smooth-nr", ARG_FLOAT, &HYPER.smooth_nr, "S", "added to the overlap's numerator (1e-5)", 0, 1e6},
	{0, "smooth-dr", ARG_FLOAT, &HYPER.smooth_dr, "S", "added to the overlap's denominator (1e-5)", 0, 1e6},
	{0, "lambda-dice", ARG_FLOAT, &HYPER.lambda_dice, "L", "factor of the overlap in a sum (1)", 0, 1e6},
	{0, "lambda-ce", ARG_FLOAT, &HYPER.lambda_ce, "L", "factor of the cross entropy or focal loss in a sum (1)", 0, 1e6},
	{0, "class-weights", ARG_FLOATS, &HYPER.weight, "W,W,...", "weight of each class (1 each)", 0, 1e6},
	{0, "label-smoothing", ARG_FLOAT, &HYPER.smoothing, "F", "of the cross entropy (0)", 0, 1},
	{0, "gamma", ARG_FLOAT, &HYPER.gamma, "G", "exponent of the focal loss (2)", 0, 100},
	{0, "focal-alpha", ARG_FLOAT, &HYPER.focal_alpha, "A", "focal loss: A where the label is, 1 - A elsewhere (1 both)", 0, 1},
	{0, "focal-softmax", ARG_FLAG, &all.focal_softmax, NULL, "the focal loss of the softmax, not of a sigmoid a class"},
	{0, "ignore-label", ARG_INT, &all.ignore, "N", "voxels of this label count in no loss and no validation (none)", 0, 255},
	{0, "tversky-alpha", ARG_FLOAT, &HYPER.alpha, "A", "Tversky: weight of false positives (0.5)", 0, 100},
	{0, "tversky-beta", ARG_FLOAT, &HYPER.beta, "B", "Tversky: weight of false negatives (0.5)", 0, 100},
	{0, "volume-weight", ARG_CHOICE, &all.volume, HYPER_VOLUMES, "generalised Dice: 1, 1/volume, 1/volume^2 (square)"},
	{0, "optimizer", ARG_CHOICE, &all.optimizer, HYPER_OPTIMIZERS, "torch's AdamW, Adam or SGD (adamw)"},
	{0, "lr", ARG_FLOAT, &HYPER.lr, "R", "learning rate, the highest of the schedule (3e-4)", 0, 100},
	{0, "decay", ARG_FLOAT, &HYPER.decay, "W", "weight decay (1e-5)", 0, 100},
	{0, "no-decay", ARG_FLAG, &all.no_decay, NULL, "no weight decay of biases, normalisations and activations"},
	{0, "beta1", ARG_FLOAT, &HYPER.beta1, "B", "Adam's beta1 (0.9)", 0, 0.999999},
	{0, "beta2", ARG_FLOAT, &HYPER.beta2, "B", "Adam's beta2 (0.999)", 0, 0.9999999},
	{0, "eps", ARG_FLOAT, &HYPER.eps, "E", "Adam's epsilon (1e-8)", 0, 1},
	{0, "momentum", ARG_FLOAT, &HYPER.momentum, "M", "SGD's momentum (0.9)", 0, 0.999999},
	{0, "nesterov", ARG_FLAG, &all.nesterov, NULL, "Nesterov's momentum"},
	{0, "clip", ARG_FLOAT, &HYPER.clip, "N", "clip the gradient's norm to N (no)", 0, 1e9},
	{0, "batch", ARG_INT, &all.batch, "N", "patches a batch (1)", 1, 1024},
	{0, "accumulate", ARG_INT, &all.accumulate, "N", "batches a step, of all ranks together (one a rank)", 1, 1e6},
	{0, "ema", ARG_FLOAT, &HYPER.ema, "D", "moving average of the weights with decay D (no)", 0, 0.9999999},
	{0, "schedule", ARG_CHOICE, &all.schedule, HYPER_SCHEDULES, "of the learning rate (constant)"},
	{0, "steps", ARG_INT, &all.steps, "N", "end after N steps (where the patches end)", 1, 1e15},
	{0, "epoch-steps", ARG_INT, &all.epoch_steps, "N", "the learning rate changes every N steps (1)", 1, 1e15},
	{0, "power", ARG_FLOAT, &HYPER.power, "P", "of schedule poly (0.9)", 0, 100},
	{0, "warmup", ARG_FLOAT, &HYPER.warmup, "W", "steps of rising rate; below 1: of all (0.1; onecycle: 0.3)", 0, 1e15},
	{0, "end-lr", ARG_FLOAT, &HYPER.end_lr, "R", "lowest rate of the cosines (0)", 0, 100},
	{0, "cycle-momentum", ARG_FLAG, &all.cycle, NULL, "onecycle: momentum or beta1 from 0.95 to 0.85 and back"},
	{0, "seed", ARG_INT, &all.seed, "S", "of the initial weights (0)", 0, 9e15},
	{0, "recompute", ARG_CHOICE, &all.t.recompute, "none|norms|segments|auto", "activations the backward pass makes again, for memory (none)"},
	{0, "device", ARG_STR, &all.t.device, "DEVICE", "auto, cpu, cuda or cuda:N (auto)"},
	{0, "precision", ARG_CHOICE, &all.precision, DEVICE_PRECISIONS, "of activations; auto: bf16 where it pays (auto)"},
	{0, "tune", ARG_FLAG, &all.t.tune, NULL, "on a GPU: measure the ways there are for each convolution, once a shape"},
	{0, "val", ARG_STR, &all.t.val, "FILE", "saved stream of labelled volumes to validate on"},
	{0, "val-every", ARG_INT, &all.t.val_every, "N", "validate every N steps, and at the end (at the end alone)", 1, 1e15},
	{0, "val-overlap", ARG_FLOAT, &all.t.window.overlap, "F", "overlap of validation's windows (0.25)", 0, 0.99},
	{0, "val-roi", ARG_INT, all.val_roi, "X,Y,Z", "size of validation's windows, voxels (that of the patches)", 1, 4096, 3},
	{0, "patience", ARG_INT, &all.t.patience, "N", "end after N validations without a better one (never)", 1, 1e9},
	{0, "log", ARG_STR, &all.t.log, "FILE", "tab-separated log, a row a step"},
	{0, "save-every", ARG_INT, &all.t.save_every, "N", "save the last state every N steps too", 1, 1e15},
	{0, "resume", ARG_STR, &all.t.resume, "FILE", "go on from a last state, bit for bit"},
	{0, "init", ARG_STR, &all.t.init, "FILE", "begin with the weights of a model"},
	{0, "wire", ARG_CHOICE, &all.t.parallel.wire, "auto|fp32|bf16", "gradients between ranks (auto)"},
	{0, "timeout", ARG_FLOAT, &all.t.parallel.patience, "S", "end where a rank keeps the others waiting for S seconds (600)", 1, 1e7},
	{0, "alone", ARG_FLAG, &all.t.parallel.alone, NULL, "one process, not a rank of those that mpirun or srun started"},
	{0, "summary", ARG_FLAG, &all.t.summary, NULL, "print the network's table for these patches, train nothing"},
	{0},
};
static const struct arg_spec spec = {"seg-train", "[FILE]", "train a network on patches", args, ARG_OUT | ARG_PROGRESS, 0, 1};

int main(int argc, char **argv)
{
	struct err e;

	hyper_unset(&all.t.hyper);
	arg_parse(&spec, argc, argv, &all.c);
	settle(&all);
	catch_signals();
	if (!run(&all, &e))
		return 0;
	if (e.text[0])
		err_die(&e);
	return 1; /* another rank said why */
}
