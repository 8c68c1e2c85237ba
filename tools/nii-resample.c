/* nii-resample [--orient RAS] [-s X,Y,Z | --size X,Y,Z | --like FILE] [FILE ...]: frames turned and on another grid, by the rules of MONAI (voxel 0
   stays) or nnU-Net (half pixels, a coarse axis by itself).
   Volume frames in, the same frames with every spatial tensor on the new grid; image, prob and other floats linear, as float32 (image: --interp),
   labels nearest or by their linear shares (--label-interp), other integers nearest. The grid of --like may be rotated and sheared against the
   volume's; --spacing and --size drop a shear as MONAI does. --antialias: floats are smoothed before they become coarser. The step goes into the
   history. Memory: the frame, what it becomes, and two slices a thread; cubic, and antialias: a channel as float32 more. */
#include "lib/base/arg.h"
#include "lib/net/planner/plans.h"
#include "lib/stream/stream.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/resample/like.h"
#include "lib/volume/resample/resample.h"

struct opts {
	const char *orient, *like, *plan, *configuration;
	double spacing[3]; /* -1: not given */
	int interp, label, align, antialias, truncate;
	struct arg_floats fill;
};

static int one(struct frame *f, void *arg, struct err *e)
{
	return resample_apply(f, arg, e);
}

static void choose(const struct opts *o, struct resample *r)
{
	int spacing = o->spacing[0] >= 0, size = r->like.size[0] > 0;
	struct err e;

	if (spacing + size + (o->like != NULL) > 1)
		err_usage("--spacing, --size and --like exclude each other");
	if (!spacing && !size && !o->like && !o->orient)
		err_usage("one of --spacing, --size, --like and --orient is needed");
	if (o->like && (o->orient || o->align >= 0))
		err_usage("--like goes without --orient and --align");
	if (!spacing && !size && !o->like && (o->align >= 0 || o->interp >= 0 || o->label >= 0))
		err_usage("--align, --interp and --label-interp: with --spacing, --size or --like");
	if (o->fill.n && (!o->like || o->fill.n > 1))
		err_usage("--fill: one value, with --like");
	if (o->antialias && (o->interp == INTERP_NEAREST || (!spacing && !size && !o->like)))
		err_usage("--antialias: with --spacing, --size or --like, and not with --interp nearest");
	if (o->truncate && (o->interp == INTERP_NEAREST || (!spacing && !size && !o->like)))
		err_usage("--truncate: with --spacing, --size or --like, and not with --interp nearest");
	if (o->orient && orient_check(o->orient, &e))
		err_usage("--orient: %s", e.text);
	for (int i = 0; o->orient && i < 3; i++)
		r->orient[i] = o->orient[i];
	for (int i = 0; spacing && i < 3; i++)
		r->spacing[i] = o->spacing[i];
	if (spacing && !(r->spacing[0] + r->spacing[1] + r->spacing[2] > 0))
		err_usage("--spacing: 0 on all axes changes nothing");
	r->to = spacing ? RESAMPLE_SPACING : size ? RESAMPLE_SIZE : o->like ? RESAMPLE_LIKE : RESAMPLE_NOT;
	r->interp = o->interp >= 0 ? (enum interp)o->interp : INTERP_LINEAR;
	r->label = o->label >= 0 ? (enum interp_label)o->label : INTERP_LABEL_NEAREST;
	r->antialias = o->antialias;
	r->truncate = o->truncate;
	r->align = o->align >= 0 ? (enum resample_align)o->align : RESAMPLE_MONAI;
	r->fill = o->fill.n ? o->fill.v[0] : 0;
	if (o->like && like_read(o->like, &r->like, &e))
		err_die(&e);
}

static void from_plan(const struct opts *o, struct resample *r)
{
	struct plans p;
	struct err e;

	if (o->spacing[0] >= 0 || r->like.size[0] > 0 || o->like || o->orient || o->interp >= 0 || o->label >= 0 || o->align >= 0 || o->antialias ||
	    o->truncate || o->fill.n)
		err_usage("--plan says all of it: no other option has a meaning with it");
	if (plans_load(&p, o->plan, o->configuration, &e) || resample_parse(r, plans_step(&p, "nii-resample", 0), &e))
		err_die(&e);
	plans_free(&p);
}

int main(int argc, char **argv)
{
	struct resample r = {.fill = 0};
	struct opts o = {.spacing = {-1, -1, -1}, .interp = -1, .label = -1, .align = -1};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'s', "spacing", ARG_FLOAT, o.spacing, "X,Y,Z", "new spacing, mm; 0: the axis keeps its own", 0, 1e6, 3},
		{0, "size", ARG_INT, r.like.size, "X,Y,Z", "new size, voxels", 1, GEO_MOST, 3},
		{0, "like", ARG_STR, &o.like, "FILE", "the grid of this NIfTI file or stream"},
		{0, "orient", ARG_STR, &o.orient, "CODE", "first turn the axes: RAS, LPS, ... (as they are)"},
		{0, "align", ARG_CHOICE, &o.align, RESAMPLE_ALIGN_WORDS, "what stays: the first voxel, the volume's ends, the outermost voxels (monai)"},
		{0, "interp", ARG_CHOICE, &o.interp, INTERP_WORDS, "how the image is interpolated; cubic: B-spline (linear)"},
		{0, "label-interp", ARG_CHOICE, &o.label, INTERP_LABEL_WORDS, "label, pred: nearest, or linear shares: 0.5 or more, or the largest (nearest)"},
		{0, "antialias", ARG_FLAG, &o.antialias, NULL, "smooth what is linear or cubic first, along axes that become coarser"},
		{0, "truncate", ARG_FLAG, &o.truncate, NULL, "cut what was linear or cubic to whole numbers, towards 0"},
		{0, "fill", ARG_FLOATS, &o.fill, "VALUE", "with --like: image outside of what was there (0)"},
		{0, "plan", ARG_STR, &o.plan, "FILE", "spacing, alignment and interpolation of seg-plan's or nnU-Net's plans.json"},
		{0, "configuration", ARG_STR, &o.configuration, "NAME", "of the plan (" PLANS_CONFIGURATION ")"},
		{0},
	};
	const struct arg_spec spec = {"nii-resample", "[FILE ...]", "Bring volumes to another spacing, size, grid and orientation.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (o.plan)
		from_plan(&o, &r);
	else
		choose(&o, &r);
	if (stream_filter(&c, one, &r, &e))
		err_die(&e);
	return 0;
}
