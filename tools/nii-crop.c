/* nii-crop --above T | --label [FILE ...]: cut frames to their foreground's box, with a margin, grown to a least size and to multiples.
   Volume frames in, the same frames with every spatial tensor cut (or, where the box reaches out of the grid, filled) and the affine moved. The
   box goes into the history: nii-replay does the same to another volume, nii-invert puts it back. No foreground is an error. Memory: the frame,
   and what is cut out. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/crop.h"

static int one(struct frame *f, void *arg, struct err *e)
{
	return crop_apply(f, arg, e);
}

int main(int argc, char **argv)
{
	struct crop o = crop_default;
	struct arg_floats above = {0};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "above", ARG_FLOATS, &above, "T", "foreground: voxels of image (any channel) above T"},
		{0, "label", ARG_FLAG, &o.by_label, NULL, "foreground: voxels of label above 0"},
		{0, "margin", ARG_FLOAT, o.margin, "X,Y,Z", "mm around the foreground, rounded up to voxels (0)", 0, 1e6, 3},
		{0, "margin-voxels", ARG_INT, o.margin_voxels, "X,Y,Z", "voxels around the foreground, beside --margin (0)", 0, GEO_MOST, 3},
		{0, "inside", ARG_FLAG, &o.inside, NULL, "cut the margin at the image's border (what reaches out is filled)"},
		{0, "min-size", ARG_INT, o.min_size, "X,Y,Z", "then grow to this many voxels at least (0)", 0, GEO_MOST, 3},
		{0, "multiple", ARG_INT, o.multiple, "X,Y,Z", "then grow to multiples of this many voxels (1)", 1, GEO_MOST, 3},
		{0, "fill", ARG_FLOAT, &o.fill, "VALUE", "image outside of its border (0); labels are 0 there"},
		{0},
	};
	const struct arg_spec spec = {"nii-crop", "[FILE ...]", "Crop the volumes of a tensor stream to their foreground.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (above.n > 1)
		err_usage("--above: 1 value wanted (T), %d given", above.n);
	if (above.n + o.by_label != 1)
		err_usage("one of --above and --label is needed, %s", above.n ? "not both" : "none was given");
	if (above.n)
		o.above = above.v[0];
	if (stream_filter(&c, one, &o, &e))
		err_die(&e);
	return 0;
}
