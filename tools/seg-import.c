/* seg-import FILE: weights of MONAI, nnU-Net or any PyTorch program as a model for seg-window and seg-train.
   In: safetensors, or a file of torch.save (.pt, .pth, .ckpt, .bin), read without running anything of it; or a folder, results of nnU-Net or a MONAI
   bundle, which says all else.
   Out: a model frame, the weights under the network's own names, float32.
   What was done to the names goes to standard error, a line each; what does not fit, too, and then nothing is written.
   Memory: the file (mapped) and the weights once more. */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/import/import.h"

struct opts {
	struct import im;
	int axes, list;
	int64_t roi[3]; /* x,y,z */
	struct arg_common c;
};

static void say(void *arg, int problem, const char *line)
{
	const struct opts *o = arg;

	if (problem || !o->c.quiet)
		err_warn("%s: %s", o->im.input, line);
}

static int run(struct opts *o, struct err *e)
{
	struct out out;

	if (out_open(&out, o->c.out, !o->list, e))
		return -1;
	if (o->list ? import_list(o->im.input, &out, e) : import_run(&o->im, &out, e)) {
		out_abort(&out);
		return -1;
	}
	return out_close(&out, e);
}

int main(int argc, char **argv)
{
	struct opts o = {.axes = -1, .im = {.say = say}};
	struct err e;
	const struct arg args[] = {
		{0, "arch", ARG_STR, &o.im.arch, "FILE|JSON", "the network: MONAI's JSON, a bundle's config, nnU-Net's plans.json"},
		{0, "configuration", ARG_STR, &o.im.configuration, "NAME", "of the plans (as the folder's name; 3d_fullres)"},
		{0, "fold", ARG_STR, &o.im.fold, "N|all", "of a folder of results: whose weights (the only one)"},
		{0, "weights", ARG_STR, &o.im.weights, "NAME", "of a folder: file of weights (checkpoint_final.pth, model.pt)"},
		{0, "totalsegmentator", ARG_FLAG, &o.im.totalsegmentator, NULL, "the folder is TotalSegmentator's: volumes are prepared as there"},
		{0, "axes", ARG_CHOICE, &o.axes, "zyx|xyz", "order of the arrays the weights were trained on (zyx; of a bundle xyz)"},
		{0, "key", ARG_STR, &o.im.key, "PATH", "where in the file the weights are: A/B (where it is usual)"},
		{0, "prefix", ARG_STR, &o.im.prefix, "TEXT", "what the weights' names begin with (what fits most)"},
		{0, "replay", ARG_STR, &o.im.replay, "FILE|JSON", "preparation of the volumes: steps, or those of a model (the plans', the bundle's)"},
		{0, "regions", ARG_STR, &o.im.regions, "R/R/...|JSON", "classes overlap: the labels each is made of, 1,2,3/2,3/3 (the dataset.json's)"},
		{0, "roi", ARG_INT, o.roi, "X,Y,Z", "size of the windows, voxels (the plans', the bundle's)", 1, 4096, 3},
		{0, "list", ARG_FLAG, &o.list, NULL, "print the file's tensors: name, type, shape"},
		{0},
	};
	const struct arg_spec spec = {"seg-import", "FILE|FOLDER", "weights of MONAI, nnU-Net, PyTorch to a model", args, ARG_OUT, 1, 1};

	arg_parse(&spec, argc, argv, &o.c);
	o.im.input = o.c.argv[0];
	o.im.arg = &o;
	for (int k = 0; k < 3; k++) {
		o.im.roi[k] = o.roi[2 - k];
		o.im.axes[k] = o.axes < 0 ? 0 : o.axes ? 2 - k : k;
	}
	if (run(&o, &e))
		err_die(&e);
	return 0;
}
