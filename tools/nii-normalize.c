/* nii-normalize --window LO,HI | --range A,B,C,D | --zscore | --zscore-nonzero [FILE ...]: intensities of `image` as a network wants them.
   Volume frames in, the same frames out with image as float32; labels and all else pass untouched. The step goes into the history, so that nii-replay
   does the same to another volume. A voxel that is NaN or infinite is an error. Memory: the frame, and its image once more as float32. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/normalize.h"

struct opts {
	struct arg_floats window, range;
	int clip, zscore, nonzero, channel_wise;
};

static int one(struct frame *f, void *arg, struct err *e)
{
	return normalize_apply(f, arg, e);
}

static struct normalize choose(const struct opts *o)
{
	struct normalize n = {NORMALIZE_RANGE, .clip = 1, .channel_wise = o->channel_wise};
	int ways = (o->window.n > 0) + (o->range.n > 0) + o->zscore + o->nonzero;

	if (ways != 1)
		err_usage("one of --window, --range, --zscore, --zscore-nonzero is needed, %s", ways ? "not several" : "none was given");
	if (o->window.n && o->window.n != 2)
		err_usage("--window: 2 values wanted (LO,HI), %d given", o->window.n);
	if (o->range.n && o->range.n != 4)
		err_usage("--range: 4 values wanted (A_MIN,A_MAX,B_MIN,B_MAX), %d given", o->range.n);
	if (o->clip && !o->range.n)
		err_usage("--clip goes with --range");
	if (o->channel_wise && !o->zscore && !o->nonzero)
		err_usage("--channel-wise goes with --zscore or --zscore-nonzero");
	if (o->window.n) {
		n.range[0] = o->window.v[0], n.range[1] = o->window.v[1];
		n.range[3] = 1;
	} else if (o->range.n) {
		for (int i = 0; i < 4; i++)
			n.range[i] = o->range.v[i];
		n.clip = o->clip;
	} else
		n.mode = o->zscore ? NORMALIZE_ZSCORE : NORMALIZE_NONZERO;
	if (n.mode == NORMALIZE_RANGE && !(n.range[0] < n.range[1]))
		err_usage("--%s: %g is not below %g", o->window.n ? "window" : "range", n.range[0], n.range[1]);
	return n;
}

int main(int argc, char **argv)
{
	struct opts o = {{0}};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "window", ARG_FLOATS, &o.window, "LO,HI", "clip to LO..HI and scale that to 0..1"},
		{0, "range", ARG_FLOATS, &o.range, "A_MIN,A_MAX,B_MIN,B_MAX", "scale so that A_MIN..A_MAX becomes B_MIN..B_MAX"},
		{0, "clip", ARG_FLAG, &o.clip, NULL, "with --range: clip to B_MIN..B_MAX afterwards"},
		{0, "zscore", ARG_FLAG, &o.zscore, NULL, "subtract the mean, divide by the standard deviation"},
		{0, "zscore-nonzero", ARG_FLAG, &o.nonzero, NULL, "the same over and for voxels other than 0"},
		{0, "channel-wise", ARG_FLAG, &o.channel_wise, NULL, "with z-scores: each channel by itself (all together)"},
		{0},
	};
	const struct arg_spec spec = {"nii-normalize", "[FILE ...]", "Scale the intensities of images in a tensor stream.", args, ARG_OUT, 0, -1};
	struct normalize n;

	arg_parse(&spec, argc, argv, &c);
	n = choose(&o);
	if (stream_filter(&c, one, &n, &e))
		err_die(&e);
	return 0;
}
