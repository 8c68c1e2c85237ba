/* nii-onehot [--classes K] [FILE ...]: labels as channels of the image, for networks that refine what another one found: nnU-Net's cascade.
   Volume frames in, the same frames out, with image F32 [C+K,Z,Y,X]: behind its own channels one for each label 1 to K, 1 where it is and else 0.
   The labels are tensor `previous`, else `label`, which goes. The step goes into the history, so that nii-replay does it again. Memory: the frame,
   a byte a voxel, and 4 MiB of the result. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/onehot/onehot.h"

static int one(struct frame *f, void *arg, struct err *e)
{
	return onehot_apply(f, arg, e);
}

int main(int argc, char **argv)
{
	struct onehot o = {1};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "classes", ARG_INT, &o.classes, "K", "labels 1 to K, a channel each (1)", 1, 255},
		{0},
	};
	const struct arg_spec spec = {"nii-onehot", "[FILE ...]", "Labels as channels of the image, for a network that refines them.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (stream_filter(&c, one, &o, &e))
		err_die(&e);
	return 0;
}
