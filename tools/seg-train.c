/* seg-train: patches in, a trained network out.
   In: patch frames (image [C,Z,Y,X], label [Z,Y,X]) from standard input or a file, to its end.
   Out: -o model.ts, the best model by validation (without validation the last), and model.last.ts, from which --resume goes on bit for bit; without
   -o the last state goes to standard output.
   SIGTERM, SIGINT, SIGHUP: the step is finished, the state saved, then exit 0 (SIGINT, SIGHUP: die of it). SIGUSR1: save and go on. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/arch_preset.h"
#include "lib/net/train.h"
#include "lib/stream/history.h"

struct opts {
	struct train_opts t;
	int net, plain, no_background, loss;    /* -1: not given */
	struct arg_ints channels;
	const char *strides, *kernel, *json;
	int64_t units, classes, batch, seed;    /* -1: not given */
	int64_t val_roi[3];
	struct arg_common c;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = sig;
}

/* Before any output is opened, whose own clean-up would else have them. What the parent ignores (nohup) stays ignored; a second SIGINT kills. */
static void catch_signals(void)
{
	static const struct { int sig, flags; } caught[] = {{SIGTERM, 0}, {SIGUSR1, 0}, {SIGHUP, 0}, {SIGINT, SA_RESETHAND}};

	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
		struct sigaction a = {.sa_handler = on_signal, .sa_flags = caught[i].flags}, old;

		if (!sigaction(caught[i].sig, NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(caught[i].sig, &a, NULL);
	}
}

/* "2" or, x,y,z, "2x2x1": MONAI's axes are z,y,x. */
static json_t *one_or_three(const char *text, const char *option)
{
	char copy[32] = "", *p = copy, *word;
	int64_t v[3];
	int n = 0;
	struct err e;

	if (strlen(text) < sizeof copy)
		memcpy(copy, text, strlen(text));
	while ((word = strsep(&p, "x"))) {
		if (n == 3 || arg_int(word, 1, 15, &v[n], &e))
			err_usage("--%s: '%.80s' is neither N nor XxYxZ, each 1..15", option, text);
		n++;
	}
	if (n == 2)
		err_usage("--%s: '%.80s' is neither N nor XxYxZ, each 1..15", option, text);
	return n == 1 ? json_integer(v[0]) : json_pack("[I, I, I]", (json_int_t)v[2], (json_int_t)v[1], (json_int_t)v[0]);
}

static json_t *stride_list(const char *text)
{
	char copy[256] = "", *p = copy, *word;
	json_t *a = json_array();

	if (strlen(text) < sizeof copy)
		memcpy(copy, text, strlen(text));
	while ((word = strsep(&p, ",")))
		json_array_append_new(a, one_or_three(word, "strides"));
	return a;
}

/* What was given as the network's JSON; a fresh network gets the defaults too. */
static json_t *arch(struct opts *o)
{
	json_t *strides = o->strides ? stride_list(o->strides) : NULL, *kernel = o->kernel ? one_or_three(o->kernel, "kernel") : NULL, *a;
	const struct arch_ask ask = {.fresh = !o->t.init && !o->t.resume, .net = o->net, .classes = o->classes, .units = o->units, .channels = o->channels.v,
		.levels = o->channels.n, .strides = strides, .kernel = kernel};
	struct err e;

	if (o->json && (o->net >= 0 || o->classes >= 0 || o->units >= 0 || o->channels.n || strides || kernel))
		err_usage("--arch says all of the network: --net, --channels, --strides, --res-units, --kernel and --classes have no meaning with it");
	a = o->json ? arch_read(o->json, &e) : arch_preset(&ask, &e);
	if (!a)
		err_die(&e);
	json_decref(strides);
	json_decref(kernel);
	return a;
}

static void settle(struct opts *o)
{
	struct train_hyper *h = &o->t.hyper;

	if (o->t.init && o->t.resume)
		err_usage("--init and --resume exclude one another");
	if (!o->t.val && o->t.val_every)
		err_usage("--val-every has no meaning without --val");
	if (o->c.out && (!strcmp(o->c.out, "-") || !*o->c.out))
		o->c.out = NULL;
	h->loss = o->loss;
	h->squared = o->plain ? 0 : -1;
	h->background = o->no_background ? 0 : -1;
	h->batch = (double)o->batch;
	h->seed = (double)o->seed;
	for (int i = 0; i < 3; i++)
		o->t.window.roi[i] = o->val_roi[2 - i];
	o->t.arch = arch(o);
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

	if (!o->c.quiet)
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
	else if (!r && o->c.verbose && res.step)
		err_warn("%lld steps, loss of the last %.4f", (long long)res.step, res.loss);
	return r;
}

int main(int argc, char **argv)
{
	struct opts o = {.t = {.hyper = TRAIN_HYPER_UNSET, .device = "auto", .window = WINDOW_DEFAULTS},
	                 .net = -1, .loss = -1, .units = -1, .classes = -1, .batch = -1, .seed = -1};
	struct err e;
	const struct arg args[] = {
		{0, "net", ARG_CHOICE, &o.net, ARCH_NETS, "architecture (unet: MONAI's UNet)"},
		{0, "arch", ARG_STR, &o.json, "JSON", "all of it as MONAI's or nnU-Net's JSON, or a file of that"},
		{0, "channels", ARG_INTS, &o.channels, "C,C,...", "channels of each level (unet: 16,32,64,128,256)", 1, 4096},
		{0, "strides", ARG_STR, &o.strides, "S,S,...", "stride between levels, N or XxYxZ: 2x2x1,2,2 (2 each)"},
		{0, "res-units", ARG_INT, &o.units, "N", "convolutions or blocks of a unit or stage (unet: 2)", 0, 16},
		{0, "kernel", ARG_STR, &o.kernel, "K", "kernel size, N or XxYxZ (3)"},
		{0, "classes", ARG_INT, &o.classes, "N", "classes with the background (2)", 2, 255},
		{0, "loss", ARG_CHOICE, &o.loss, "dicece|dice|ce", "MONAI's losses over softmax (dicece)"},
		{0, "no-squared", ARG_FLAG, &o.plain, NULL, "Dice of probabilities instead of their squares"},
		{0, "no-background", ARG_FLAG, &o.no_background, NULL, "leave class 0 out of the Dice"},
		{0, "lr", ARG_FLOAT, &o.t.hyper.lr, "R", "AdamW's learning rate (3e-4)", 0, 100},
		{0, "decay", ARG_FLOAT, &o.t.hyper.decay, "W", "AdamW's weight decay (1e-5)", 0, 100},
		{0, "beta1", ARG_FLOAT, &o.t.hyper.beta1, "B", "AdamW's beta1 (0.9)", 0, 0.999999},
		{0, "beta2", ARG_FLOAT, &o.t.hyper.beta2, "B", "AdamW's beta2 (0.999)", 0, 0.9999999},
		{0, "batch", ARG_INT, &o.batch, "N", "patches a step (1)", 1, 1024},
		{0, "seed", ARG_INT, &o.seed, "S", "of the initial weights (0)", 0, 9e15},
		{0, "device", ARG_STR, &o.t.device, "DEVICE", "auto, cpu, cuda or cuda:N (auto)"},
		{0, "val", ARG_STR, &o.t.val, "FILE", "saved stream of labelled volumes to validate on"},
		{0, "val-every", ARG_INT, &o.t.val_every, "N", "validate every N steps, and at the end (at the end alone)", 1, 1e15},
		{0, "val-overlap", ARG_FLOAT, &o.t.window.overlap, "F", "overlap of validation's windows (0.25)", 0, 0.99},
		{0, "val-roi", ARG_INT, o.val_roi, "X,Y,Z", "size of validation's windows, voxels (that of the patches)", 1, 4096, 3},
		{0, "log", ARG_STR, &o.t.log, "FILE", "tab-separated log, a row a step"},
		{0, "save-every", ARG_INT, &o.t.save_every, "N", "save the last state every N steps too", 1, 1e15},
		{0, "resume", ARG_STR, &o.t.resume, "FILE", "go on from a last state, bit for bit"},
		{0, "init", ARG_STR, &o.t.init, "FILE", "begin with the weights of a model"},
		{0, "summary", ARG_FLAG, &o.t.summary, NULL, "print the network's table for these patches, train nothing"},
		{0},
	};
	const struct arg_spec spec = {"seg-train", "[FILE]", "train a network on patches", args, ARG_OUT | ARG_PROGRESS, 0, 1};

	arg_parse(&spec, argc, argv, &o.c);
	settle(&o);
	catch_signals();
	if (run(&o, &e))
		err_die(&e);
	return 0;
}
