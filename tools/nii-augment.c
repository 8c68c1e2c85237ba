/* nii-augment: random changes to training patches, each from (seed, index of the patch): one geometric step for all tensors, then the image's values.
   In and out: frames with an image; every tensor on its grid moves with it, the affine follows. The index is metadata `patch` (nii-patch writes
   it), else the frame's place in the stream. */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/augment/augment.h"

enum { ROWS = 3 * AUGMENT_COUNT + 20 };

struct opts {
	struct augment a;
	const char *axes[AUGMENT_COUNT];
	int64_t seed;
	struct arg_common c;
};

/* "x", "xz", "x,z" */
static void take_axes(const char *name, const char *text, double to[3])
{
	static const char axes[] = "xyz";

	to[0] = to[1] = to[2] = 0;
	for (const char *p = text; *p; p++) {
		const char *at = strchr(axes, *p);

		if (*p == ',' && p > text && p[-1] != ',' && p[1])
			continue;
		if (*p == ',' || !at || to[at - axes] != 0)
			err_usage("--%s: '%.80s' is no choice of axes out of x,y,z", name, text);
		to[at - axes] = 1;
	}
	if (!*text)
		err_usage("--%s: '' is no choice of axes out of x,y,z", name);
}

/* The options of the table's transforms. Returns how many. */
static int table_rows(struct opts *o, struct arg *to)
{
	int n = 0;

	for (int t = 0; t < AUGMENT_COUNT; t++) {
		const struct augment_transform *row = &augment_table[t];

		to[n++] = row->count ? (struct arg){0, row->name, ARG_FLOAT, o->a.v[t], row->value, row->help, row->lo, row->hi, row->count}
		                     : (struct arg){0, row->name, ARG_STR, &o->axes[t], row->value, row->help};
		to[n++] = (struct arg){0, row->prob_name, ARG_FLOAT, &o->a.prob[t], "P", row->prob_help, 0, 1};
		if (row->each_name)
			to[n++] = (struct arg){0, row->each_name, ARG_FLOAT, &o->a.each[t], "P",
			                     row->relabel ? "then, of each label (1)" : "then, of each channel (1)", 0, 1};
	}
	return n;
}

static void settle(struct opts *o)
{
	struct err e;

	for (int t = 0; t < AUGMENT_COUNT; t++)
		if (o->axes[t])
			take_axes(augment_table[t].name, o->axes[t], o->a.v[t]);
	o->a.seed = (uint64_t)o->seed;
	if (augment_settle(&o->a, &e))
		err_usage("%s", e.text);
}

static int one(struct frame *f, int64_t place, void *arg, struct err *e)
{
	const struct opts *o = arg;

	return augment_frame(&o->a, f, (uint64_t)place, e);
}

int main(int argc, char **argv)
{
	struct opts o = {.a = augment_default};
	struct err e;
	const struct arg rest[] = {
		{0, "preset", ARG_CHOICE, &o.a.preset, AUGMENT_PRESET_WORDS, "values of what is not given (none)"},
		{'s', "size", ARG_INT, o.a.size, "X,Y,Z", "size of the result, voxels: the middle is cut (as it comes)", 1, 4096, 3},
		{0, "fill", ARG_FLOAT, &o.a.fill, "V", "image value beyond the patch (0)"},
		{0, "spatial-scale-axes", ARG_CHOICE, &o.a.scale_each, "together|each", "one factor or three (together)"},
		{0, "elastic-spacing", ARG_INT, &o.a.elastic_spacing, "N", "voxels between control points (32)", 1, 4096},
		{0, "dummy-2d", ARG_CHOICE, &o.a.dummy_2d, AUGMENT_DUMMY_WORDS, "rotate and scale in a plane alone (no; nnunet: auto)"},
		{0, "rotate-2d", ARG_FLOAT, &o.a.rotate_2d, "D", "and there by up to D degrees (180; nnunet: 15 in a long slice)", 0, 180},
		{0, "keep-range", ARG_CHOICE, &o.a.keep_range, "no|yes", "contrast: cut to the channel's range (yes)"},
		{0, "keep-stats", ARG_CHOICE, &o.a.keep_stats, "no|yes", "gamma: keep mean and standard deviation (yes)"},
		{0, "dropout-size", ARG_INT, o.a.dropout_size, "X,Y,Z", "size of a box, voxels; with --dropout-max the least (16,16,16)", 1, 4096, 3},
		{0, "dropout-max", ARG_INT, o.a.dropout_max, "X,Y,Z", "largest size of a box", 1, 4096, 3},
		{0, "dropout-fill", ARG_FLOAT, &o.a.dropout_fill, "V", "value in the boxes (0)"},
		{0, "flip-prob", ARG_FLOAT, &o.a.prob[AUGMENT_FLIP], "P", "another name of --prob-flip", 0, 1},
		{0, "seed", ARG_INT, &o.seed, "S", "which random numbers (0)", 0, 9e15},
		{0},
	};
	struct arg args[ROWS];
	const struct arg_spec spec = {"nii-augment", "[FILE ...]", "random changes to training patches", args, ARG_OUT, 0, -1};

	memcpy(args + table_rows(&o, args), rest, sizeof rest);
	arg_parse(&spec, argc, argv, &o.c);
	settle(&o);
	if (stream_filter_several(&o.c, one, &o, &e))
		err_die(&e);
	return 0;
}
