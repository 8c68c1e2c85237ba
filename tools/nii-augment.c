/* nii-augment: random changes to training patches, each from (seed, index of the patch): flips, intensity scale and shift.
   In and out: frames with an image; every tensor on its grid is flipped with it, the affine follows. The index is metadata `patch` (nii-patch writes
   it), else the frame's place in the stream. */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/augment.h"

struct opts {
	struct augment a;
	const char *flip;
	int64_t seed;
	uint64_t seen;
	struct arg_common c;
};

/* "x", "xz", "x,z" */
static void take_flip(const char *text, int flip[3])
{
	static const char axes[] = "xyz";

	for (const char *p = text; *p; p++) {
		const char *at = strchr(axes, *p);

		if (*p == ',' && p > text && p[-1] != ',' && p[1])
			continue;
		if (*p == ',' || !at || flip[at - axes])
			err_usage("--flip: '%.80s' is no choice of axes out of x,y,z", text);
		flip[at - axes] = 1;
	}
}

static int one(struct frame *f, void *arg, struct err *e)
{
	struct opts *o = arg;

	return augment_frame(&o->a, f, o->seen++, e);
}

int main(int argc, char **argv)
{
	struct opts o = {.a = {.flip_prob = 0.5, .scale_prob = 1, .shift_prob = 1}};
	struct err e;
	const struct arg args[] = {
		{0, "flip", ARG_STR, &o.flip, "AXES", "axes that may be flipped, out of x,y,z (none)"},
		{0, "flip-prob", ARG_FLOAT, &o.a.flip_prob, "P", "probability of each flip (0.5)", 0, 1},
		{0, "scale", ARG_FLOAT, &o.a.scale, "S", "image *= 1 + uniform[-S,S] (0)", 0, 1e6},
		{0, "prob-scale", ARG_FLOAT, &o.a.scale_prob, "P", "probability of a scaling (1)", 0, 1},
		{0, "shift", ARG_FLOAT, &o.a.shift, "S", "image += uniform[-S,S], after scaling (0)", 0, 1e6},
		{0, "prob-shift", ARG_FLOAT, &o.a.shift_prob, "P", "probability of a shift (1)", 0, 1},
		{0, "seed", ARG_INT, &o.seed, "S", "which random numbers (0)", 0, 9e15},
		{0},
	};
	const struct arg_spec spec = {"nii-augment", "[FILE ...]", "flips, intensity scale and shift of training patches", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &o.c);
	if (o.flip)
		take_flip(o.flip, o.a.flip);
	o.a.seed = (uint64_t)o.seed;
	if (stream_filter(&o.c, one, &o, &e))
		err_die(&e);
	return 0;
}
