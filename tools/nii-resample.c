/* nii-resample -s X,Y,Z [--interp linear|nearest] [FILE ...]: frames at another spacing, as MONAI's Spacing(diagonal=False) does it.
   Volume frames in, the same frames with every spatial tensor on the new grid: voxel 0 stays in its place, directions stay; image, prob and other
   floats linear, as float32 (image: --interp), labels and other integers nearest. A sheared affine is an error. The step goes into the history.
   Memory: the frame, what it becomes, and two slices a thread. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/resample.h"

static int one(struct frame *f, void *arg, struct err *e)
{
	return resample_apply(f, arg, e);
}

int main(int argc, char **argv)
{
	struct resample o = {.interp = RESAMPLE_LINEAR};
	int interp = 0;
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'s', "spacing", ARG_FLOAT, o.spacing, "X,Y,Z", "new spacing, mm", 1e-6, 1e6, 3},
		{0, "interp", ARG_CHOICE, &interp, "linear|nearest", "how the image is interpolated (linear); labels are always nearest"},
		{0},
	};
	const struct arg_spec spec = {"nii-resample", "[FILE ...]", "Resample the volumes of a tensor stream to another spacing.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (!(o.spacing[0] > 0))
		err_usage("--spacing is needed");
	o.interp = (enum resample_interp)interp;
	if (stream_filter(&c, one, &o, &e))
		err_die(&e);
	return 0;
}
