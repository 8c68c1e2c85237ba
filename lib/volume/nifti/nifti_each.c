#include "lib/volume/nifti/nifti.h"

int nii_each_mask(const struct arg_common *c, const char *tensor, stream_fn *fn, void *arg, struct err *e)
{
	const int files = nii_are_volumes(c->argv, c->argc);
	int r = 0;

	if (files < 0)
		err_usage("NIfTI files and streams do not mix");
	if (!files)
		return stream_each(c, fn, arg, e);
	for (int i = 0; i < c->argc && !r; i++) {
		struct frame f = {0};

		r = nii_load(c->argv[i], tensor ? tensor : "label", &f, e);
		if (!r && fn(&f, arg, e))
			r = err_prefix(e, "%s", c->argv[i]);
		frame_free(&f);
	}
	return r;
}
