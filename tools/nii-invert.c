/* nii-invert [--keep-image] [--argmax] [FILE ...]: undo the preprocessing that the history records, so that labels lie on the grid that was read.
   Frames in, frames out with label, pred, prob and whatever else is on the grid moved back: boxes pasted into background, resampling and flips
   undone; the affine is the recorded one, bit for bit. Intensities are not undone, so image is dropped (--keep-image: moved back with its values
   as they are). --argmax: prob becomes pred on the way, slab by slab. Undone steps leave the history. Memory: the frame, and each tensor on the grid
   that was read; with --argmax not prob. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/history/invert.h"

struct opts {
	int keep_image, argmax;
};

static int one(struct frame *f, void *arg, struct err *e)
{
	const struct opts *o = arg;

	return invert_apply(f, o->keep_image, o->argmax, e);
}

int main(int argc, char **argv)
{
	struct opts o = {0};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "keep-image", ARG_FLAG, &o.keep_image, NULL, "move the image back too, its intensities as they are (it is dropped)"},
		{0, "argmax", ARG_FLAG, &o.argmax, NULL, "make pred of prob, the class with the highest score, while it is brought back"},
		{0},
	};
	const struct arg_spec spec = {"nii-invert", "[FILE ...]", "Undo the preprocessing of frames: back on the grid that was read.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (stream_filter(&c, one, &o, &e))
		err_die(&e);
	return 0;
}
