/* nii-normalize --window LO,HI | --preset NAME | --range A,B,C,D | --percentile LO,HI | --zscore | --zscore-nonzero | --stats FILE [FILE ...]:
   intensities of `image` as a network wants them.
   Volume frames in, the same frames out with image as float32; labels and all else pass untouched. The step goes into the history, so that nii-replay
   does the same to another volume; a plan that treats channels differently is a step for each. A voxel that is NaN or infinite is an error. Memory:
   the frame, and 4 MiB of the result; with such a plan 4 bytes for every value of the image. */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/planner/plans.h"
#include "lib/stream/stream.h"
#include "lib/volume/intensity/normalize.h"

_Static_assert((int)ARG_LIST <= (int)NORMALIZE_LIST, "--window takes more numbers than a step has");

struct opts {
	struct arg_floats window, range, percentile, ct;
	const char *preset, *stats, *mask, *plan, *configuration;
	int clip, zscore, nonzero, masked, channel_wise;
	struct arg_ints channel;
};

/* What is done to each frame, one step after the other. */
struct steps { int n; struct normalize v[NORMALIZE_LIST / 4]; };

static int each(struct frame *f, void *arg, struct err *e)
{
	const struct steps *s = arg;

	for (int i = 0; i < s->n; i++)
		if ((i && frame_settle(f, e)) || normalize_apply(f, &s->v[i], e))
			return -1;
	return 0;
}

static void check(const struct opts *o)
{
	int ways = (o->window.n > 0) + (o->preset != NULL) + (o->range.n > 0) + (o->percentile.n > 0 && !o->zscore) + o->zscore + o->nonzero +
	           o->masked + (o->stats != NULL) + (o->plan != NULL) + (o->ct.n > 0);

	if (ways != 1)
		err_usage("one of --window, --preset, --range, --percentile, --zscore, --zscore-nonzero, --zscore-masked, --stats, --ct, --plan is needed, %s",
		          ways ? "not several" : "none was given");
	if (o->channel.n > 1)
		err_usage("--channel: 1 value wanted, %d given", o->channel.n);
	if (o->channel.n && (o->plan || o->channel_wise || o->window.n > 2 || o->ct.n > 4))
		err_usage("--channel goes without --plan and --channel-wise, with one window, and 4 values of --ct");
	if (o->window.n % 2)
		err_usage("--window: 2 values wanted (LO,HI) for each window, %d given", o->window.n);
	if (o->range.n && o->range.n != 4)
		err_usage("--range: 4 values wanted (A_MIN,A_MAX,B_MIN,B_MAX), %d given", o->range.n);
	if (o->percentile.n && (o->percentile.n != 2 || o->percentile.v[0] < 0 || !(o->percentile.v[0] < o->percentile.v[1]) || o->percentile.v[1] > 100))
		err_usage("--percentile: 2 values of 0 to 100 wanted (LO,HI), the first below the second");
	if (o->ct.n % 4)
		err_usage("--ct: 4 values wanted (LO,HI,MEAN,STD) for each channel, %d given", o->ct.n);
	if (o->clip && !o->range.n)
		err_usage("--clip goes with --range");
	if (o->channel_wise && !o->zscore && !o->nonzero && !o->percentile.n)
		err_usage("--channel-wise goes with --zscore, --zscore-nonzero or --percentile");
	if (o->mask && !o->zscore && !o->percentile.n)
		err_usage("--mask goes with --zscore or --percentile");
	if (o->mask && (!*o->mask || strlen(o->mask) >= NORMALIZE_NAME))
		err_usage("--mask: 1 to %d bytes wanted", NORMALIZE_NAME - 1);
}

static void take_presets(const char *names, struct arg_floats *w)
{
	while (names) {
		size_t len = strcspn(names, ",");

		if (w->n + 2 > NORMALIZE_LIST || normalize_preset(names, len, w->v + w->n))
			err_usage("--preset: '%.*s' is not one of " NORMALIZE_PRESETS, (int)(len < 40 ? len : 40), names);
		w->n += 2;
		names = names[len] ? names + len + 1 : NULL;
	}
}

static void take_windows(const struct arg_floats *w, const char *option, struct normalize *n)
{
	for (int i = 0; i < w->n; i += 2)
		if (!(w->v[i] < w->v[i + 1]))
			err_usage("--%s: %g is not below %g", option, w->v[i], w->v[i + 1]);
	n->mode = w->n > 2 ? NORMALIZE_WINDOWS : NORMALIZE_RANGE;
	if (n->mode == NORMALIZE_WINDOWS) {
		n->n = w->n;
		memcpy(n->list, w->v, (size_t)w->n * sizeof *w->v);
		return;
	}
	n->clip = 1;
	n->range[0] = w->v[0], n->range[1] = w->v[1];
	n->range[3] = 1;
}

static void from_plan(const struct opts *o, struct steps *s)
{
	const json_t *args;
	struct plans p;
	struct err e;

	if (plans_load(&p, o->plan, o->configuration, &e))
		err_die(&e);
	while ((args = plans_step(&p, "nii-normalize", s->n)))
		if (normalize_parse(&s->v[s->n++], args, &e))
			err_die(&e);
	plans_free(&p);
}

static struct normalize choose(struct opts *o)
{
	struct normalize n = {.channel_wise = o->channel_wise, .clip = o->clip, .alone = o->channel.n, .channel = o->channel.n ? o->channel.v[0] : 0};
	struct err e;

	take_presets(o->preset, &o->window);
	if (o->channel.n && o->window.n > 2)
		err_usage("--channel: one window, %d given", o->window.n / 2);
	for (int i = 0; o->percentile.n && i < 2; i++)
		n.percentile[i] = o->percentile.v[i];
	if (o->mask)
		memcpy(n.mask, o->mask, strlen(o->mask) + 1);
	if (o->window.n)
		take_windows(&o->window, "window", &n);
	else if (o->range.n) {
		if (!(o->range.v[0] < o->range.v[1]))
			err_usage("--range: %g is not below %g", o->range.v[0], o->range.v[1]);
		memcpy(n.range, o->range.v, sizeof n.range);
	} else if (o->ct.n) {
		n.mode = NORMALIZE_CT;
		n.n = o->ct.n;
		memcpy(n.list, o->ct.v, sizeof n.list);
		for (int i = 0; i < n.n; i += 4)
			if (!(n.list[i] < n.list[i + 1]))
				err_usage("--ct: %g is not below %g", n.list[i], n.list[i + 1]);
	} else if (o->stats) {
		if (normalize_read_stats(o->stats, &n, &e))
			err_die(&e);
	} else
		n.mode = o->zscore ? NORMALIZE_ZSCORE : o->nonzero ? NORMALIZE_NONZERO : o->masked ? NORMALIZE_MASKED : NORMALIZE_PERCENTILE;
	n.clip_first = o->zscore && o->percentile.n;
	return n;
}

int main(int argc, char **argv)
{
	struct opts o = {{0}};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "window", ARG_FLOATS, &o.window, "LO,HI[,LO,HI...]", "clip to LO..HI and scale that to 0..1; several: a channel each"},
		{0, "preset", ARG_STR, &o.preset, "NAME[,NAME...]", "windows by name: " NORMALIZE_PRESETS},
		{0, "range", ARG_FLOATS, &o.range, "A_MIN,A_MAX,B_MIN,B_MAX", "scale so that A_MIN..A_MAX becomes B_MIN..B_MAX"},
		{0, "clip", ARG_FLAG, &o.clip, NULL, "with --range: clip to B_MIN..B_MAX afterwards"},
		{0, "percentile", ARG_FLOATS, &o.percentile, "LO,HI", "scale from one percentile to the other to 0..1, clipped; with --zscore: clip to them"},
		{0, "stats", ARG_STR, &o.stats, "JSON", "clip, mean and standard deviation of nnU-Net's fingerprint or plans"},
		{0, "ct", ARG_FLOATS, &o.ct, "LO,HI,MEAN,STD[,...]", "these numbers themselves: clip to LO..HI, subtract MEAN, divide by STD; a channel each"},
		{0, "mask", ARG_STR, &o.mask, "TENSOR", "statistics over the voxels where this tensor is above 0 (all)"},
		{0, "zscore", ARG_FLAG, &o.zscore, NULL, "subtract the mean, divide by the standard deviation"},
		{0, "zscore-nonzero", ARG_FLAG, &o.nonzero, NULL, "the same over and for voxels other than 0"},
		{0, "zscore-masked", ARG_FLAG, &o.masked, NULL, "of each channel, over and for voxels where any is other than 0, and holes in there"},
		{0, "channel-wise", ARG_FLAG, &o.channel_wise, NULL, "z-scores, percentiles: each channel by itself (all together)"},
		{0, "channel", ARG_INTS, &o.channel, "K", "this channel alone, from 0 on; the others stay as they are (all)", 0, 4095},
		{0, "plan", ARG_STR, &o.plan, "FILE", "as seg-plan's or nnU-Net's plans.json says"},
		{0, "configuration", ARG_STR, &o.configuration, "NAME", "of the plan (" PLANS_CONFIGURATION ")"},
		{0},
	};
	const struct arg_spec spec = {"nii-normalize", "[FILE ...]", "Scale the intensities of images in a tensor stream.", args, ARG_OUT, 0, -1};
	static struct steps s;

	arg_parse(&spec, argc, argv, &c);
	check(&o);
	if (o.plan)
		from_plan(&o, &s);
	else
		s.v[s.n++] = choose(&o);
	if (stream_filter(&c, each, &s, &e))
		err_die(&e);
	return 0;
}
