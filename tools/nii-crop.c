/* nii-crop --above T | --nonzero | --label | --body | --lungs | --box X0,Y0,Z0,X1,Y1,Z1 | --pad [FILE ...]: cut frames to a box, with a margin, grown
   to a least size and to multiples.
   Volume frames in, the same frames with every spatial tensor cut (or, where the box reaches out of the grid, filled) and the affine moved. The
   box goes into the history: nii-replay does the same to another volume, nii-invert puts it back. No foreground is an error. Memory: the frame,
   and 4 MiB of what is cut out; for the lungs a byte a voxel, for the body two, and the components' runs. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/crop/crop.h"

struct opts {
	struct arg_floats above;
	struct arg_ints box, channel;
	int label, body, lungs, pad, nonzero;
};

static int one(struct frame *f, void *arg, struct err *e)
{
	return crop_apply(f, arg, e);
}

static void choose(const struct opts *o, struct crop *c)
{
	const int given[] = {o->above.n > 0, o->label, o->body, o->lungs, o->box.n > 0, o->pad, o->nonzero};
	int n = 0;
	struct err e;

	for (int i = 0; i < (int)(sizeof given / sizeof *given); i++)
		if (given[i]) {
			c->to = (enum crop_to)i;
			n++;
		}
	if (o->above.n > 1)
		err_usage("--above: 1 value wanted (T), %d given", o->above.n);
	if (n != 1)
		err_usage("one of --above, --nonzero, --label, --body, --lungs, --box and --pad is needed, %s", n ? "not several" : "none was given");
	if (o->channel.n > 1)
		err_usage("--channel: 1 value wanted, %d given", o->channel.n);
	if (o->channel.n && !o->above.n && !o->nonzero && !o->body && !o->lungs)
		err_usage("--channel goes with --above, --nonzero, --body and --lungs");
	c->alone = o->channel.n;
	c->channel = o->channel.n ? o->channel.v[0] : 0;
	if (o->above.n)
		c->above = o->above.v[0];
	if (o->box.n && o->box.n != 6)
		err_usage("--box: 6 values wanted (X0,Y0,Z0,X1,Y1,Z1), %d given", o->box.n);
	if (o->box.n && box_set(&c->box, o->box.v, &e))
		err_usage("--box: %s", e.text);
}

int main(int argc, char **argv)
{
	struct crop o = crop_default;
	struct opts opts = {{0}};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "above", ARG_FLOATS, &opts.above, "T", "foreground: voxels of image (any channel) above T"},
		{0, "nonzero", ARG_FLAG, &opts.nonzero, NULL, "foreground: voxels of image (any channel) other than 0"},
		{0, "channel", ARG_INTS, &opts.channel, "K", "foreground is looked for in this channel alone, from 0 on (all)", 0, 4095},
		{0, "label", ARG_FLAG, &opts.label, NULL, "foreground: voxels of label above 0"},
		{0, "body", ARG_FLAG, &opts.body, NULL, "foreground: the body in a CT in HU, without the table"},
		{0, "lungs", ARG_FLAG, &opts.lungs, NULL, "foreground: the lungs in a CT in HU"},
		{0, "box", ARG_INTS, &opts.box, "X0,Y0,Z0,X1,Y1,Z1", "this box: its first voxel, and one past its last"},
		{0, "pad", ARG_FLAG, &opts.pad, NULL, "the whole volume: nothing is cut, it only grows"},
		{0, "margin", ARG_FLOAT, o.margin, "X,Y,Z", "mm around the foreground, rounded up to voxels (0)", 0, 1e6, 3},
		{0, "margin-voxels", ARG_INT, o.margin_voxels, "X,Y,Z", "voxels around the foreground, beside --margin (0)", 0, GEO_MOST, 3},
		{0, "inside", ARG_FLAG, &o.inside, NULL, "cut the margin at the image's border (what reaches out is filled)"},
		{0, "min-size", ARG_INT, o.min_size, "X,Y,Z", "then grow to this many voxels at least (0)", 0, GEO_MOST, 3},
		{0, "multiple", ARG_INT, o.multiple, "X,Y,Z", "then grow to multiples of this many voxels (1)", 1, GEO_MOST, 3},
		{0, "fill", ARG_FLOAT, &o.fill, "VALUE", "image outside of its border (0); labels are 0 there"},
		{0},
	};
	const struct arg_spec spec = {"nii-crop", "[FILE ...]",
	                              "Crop the volumes of a tensor stream to their foreground or a box, or pad them.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	choose(&opts, &o);
	if (stream_filter(&c, one, &o, &e))
		err_die(&e);
	return 0;
}
