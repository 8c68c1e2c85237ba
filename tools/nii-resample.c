/* nii-resample [--orient RAS] [-s X,Y,Z] [FILE ...]: frames turned and at another spacing, as MONAI's Orientation and Spacing(diagonal=False) do it.
   Volume frames in, the same frames with every spatial tensor on the new grid: voxel 0 stays in its place, directions stay; image, prob and other
   floats linear, as float32 (image: --interp), labels and other integers nearest. A sheared affine is an error. The step goes into the history.
   Memory: the frame, what it becomes, and two slices a thread. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/orient.h"
#include "lib/volume/resample.h"

static int one(struct frame *f, void *arg, struct err *e)
{
	return resample_apply(f, arg, e);
}

int main(int argc, char **argv)
{
	struct resample o = {.interp = INTERP_LINEAR};
	const char *orient = NULL;
	int interp = 0;
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'s', "spacing", ARG_FLOAT, o.spacing, "X,Y,Z", "new spacing, mm", 1e-6, 1e6, 3},
		{0, "orient", ARG_STR, &orient, "CODE", "first turn the axes: RAS, LPS, ... (as they are)"},
		{0, "interp", ARG_CHOICE, &interp, "linear|nearest", "how the image is interpolated (linear); labels are always nearest"},
		{0},
	};
	const struct arg_spec spec = {"nii-resample", "[FILE ...]", "Bring volumes to another spacing and orientation.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	o.respace = o.spacing[0] > 0;
	o.interp = (enum interp)interp;
	if (!o.respace && !orient)
		err_usage("one of --spacing and --orient is needed");
	if (orient && orient_check(orient, &e))
		err_usage("--orient: %s", e.text);
	for (int i = 0; orient && i < 3; i++)
		o.orient[i] = orient[i];
	if (stream_filter(&c, one, &o, &e))
		err_die(&e);
	return 0;
}
