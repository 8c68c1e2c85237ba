/* cc-filter: set connected components of a label volume to 0 that are too small, or lie off a mask that rides along, or are not of the k largest;
   and fill holes. Works in place on `pred`, else `label`; the rest of the frame passes through. Adds a history entry.
   Order: holes are filled, then every condition is looked at, then the k largest of what meets them all are kept.
   Memory: one frame, and 24 bytes a run of labels along x, with --fill-holes twice that; a mask that is made is a byte a voxel,
   two with --on-organ body. */
#include <stdlib.h>

#include "lib/base/arg.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/component/component.h"
#include "lib/volume/component/mask.h"
#include "lib/volume/geometry/geo.h"

struct opts {
	int connectivity, all, holes; /* connectivity: index into the words of the option */
	int organ;                    /* -1: not asked for */
	const char *tensor, *on;
	struct component_rule rule;   /* what does not depend on the frame */
	double volume, grow;          /* mm3, mm */
	struct arg_ints values;
};

static const int connectivities[] = {6, 18, 26};
static const char *const organs[] = {"lungs", "body"}; /* as enum organ */

static json_t *args_json(const struct opts *o, const char *tensor)
{
	return json_pack("{s:i, s:b, s:s, s:I, s:f, s:I, s:s?, s:s?, s:f, s:f, s:o, s:b}", "connectivity", connectivities[o->connectivity],
	                 "fill_holes", o->holes, "tensor", tensor, "min_voxels", (json_int_t)o->rule.least, "min_volume", o->volume,
	                 "k", (json_int_t)o->rule.k, "on", o->on, "on_organ", o->organ < 0 ? NULL : organs[o->organ],
	                 "on_fraction", o->rule.fraction, "on_grow", o->grow, "on_values", json_ints(o->values.v, o->values.n), "union", o->all);
}

/* A tensor of the frame, or *made, which owns what was made. */
static const struct tensor *named_mask(const struct frame *f, const struct tensor *t, const struct opts *o, const struct grid *g, struct tensor *made,
                                       struct err *e)
{
	const struct tensor *on = o->on ? frame_labels(f, o->on, e) : frame_need(f, "image", e);

	if (!on)
		return NULL;
	if (!tensor_on_grid(on, g)) {
		err_set(e, NULL, "'%s' is on another grid than '%s'", on->name, t->name);
		return NULL;
	}
	if (o->on && !o->values.n)
		return on;
	return (o->on ? mask_values(on, o->values.n, o->values.v, made, e) : mask_organ(on, g, (enum organ)o->organ, made, e)) ? NULL : made;
}

static const struct tensor *mask_for(const struct frame *f, const struct tensor *t, const struct opts *o, struct grid *g, struct tensor *made,
                                     struct err *e)
{
	const struct tensor *on;
	struct tensor grown;

	if ((!o->on || o->grow > 0) && frame_affine(f, g->affine, e))
		return NULL;
	on = named_mask(f, t, o, g, made, e);
	if (!on || !(o->grow > 0))
		return on;
	if (mask_grow(on, g, o->grow, &grown, e))
		return NULL;
	free(made->data);
	*made = grown;
	return made;
}

static int filter(struct frame *f, void *arg, struct err *e)
{
	const struct opts *o = arg;
	enum component_of of = o->all ? COMPONENT_UNION : COMPONENT_VALUE;
	int connectivity = connectivities[o->connectivity], r = -1;
	struct tensor *t = frame_labels(f, o->tensor, e), made = {0};
	struct component_rule rule = o->rule;
	struct components c = {0};
	struct grid g = {{0}, {0}};
	int64_t least = 0;

	if (!t)
		return -1;
	for (int i = 0; i < 3; i++)
		g.size[i] = t->shape[2 - i];
	if ((o->volume > 0 && (frame_affine(f, g.affine, e) || geo_least_voxels(&g, o->volume, &least, e))) ||
	    ((o->on || o->organ >= 0) && !(rule.on = mask_for(f, t, o, &g, &made, e))) || (o->holes && component_fill_holes(t, connectivity, of, e)))
		goto out;
	rule.least = least > rule.least ? least : rule.least;
	if (!component_find(t, connectivity, of, &c, e) && !component_keep(t, &c, of, &rule, e))
		r = history_push(f, "cc-filter", args_json(o, t->name), NULL, NULL, e);
out:
	component_free(&c);
	free(made.data);
	return r;
}

static void check(const struct opts *o)
{
	int on = o->on || o->organ >= 0;

	if (o->on && o->organ >= 0)
		err_usage("--on and --on-organ exclude each other");
	if ((!on && (o->rule.fraction > 0 || o->grow > 0)) || (!o->on && o->values.n))
		err_usage("--on-values needs --on, --on-fraction and --on-grow that or --on-organ");
	if (!o->holes && !on && !o->rule.k && !o->rule.least && !(o->volume > 0))
		err_usage("nothing to do: none of --min-voxels, --min-volume, --on, --on-organ, --keep, --fill-holes");
}

int main(int argc, char **argv)
{
	struct opts o = {.connectivity = 2, .organ = -1};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'c', "connectivity", ARG_CHOICE, &o.connectivity, "6|18|26", "neighbours of a voxel: by faces, edges too, corners too (26)"},
		{0, "fill-holes", ARG_FLAG, &o.holes, NULL, "fill holes first"},
		{0, "min-voxels", ARG_INT, &o.rule.least, "N", "components of fewer voxels go", 1, 1e15},
		{0, "min-volume", ARG_FLOAT, &o.volume, "MM3", "components smaller than this, mm3, go", 1e-9, 1e15},
		{0, "on", ARG_STR, &o.on, "TENSOR", "components that do not lie on this mask go"},
		{0, "on-fraction", ARG_FLOAT, &o.rule.fraction, "F", "share of a component's voxels that must lie on the mask (0: one voxel)", 0, 1},
		{0, "on-grow", ARG_FLOAT, &o.grow, "MM", "grow the mask by a ball of this radius first, mm (0)", 0, 1000},
		{0, "on-organ", ARG_CHOICE, &o.organ, "lungs|body", "the mask is found in image, a CT in HU"},
		{0, "on-values", ARG_INTS, &o.values, "V,...", "labels that are the mask (all but 0)"},
		{'k', "keep", ARG_INT, &o.rule.k, "K", "of the others keep K, largest first (all)", 1, 1e9},
		{'t', "tensor", ARG_STR, &o.tensor, "TENSOR", "work on this tensor (pred, else label)"},
		{0, "union", ARG_FLAG, &o.all, NULL, "all labels together (each label by itself)"},
		{0},
	};
	const struct arg_spec spec = {"cc-filter", "[STREAM ...]", "Remove components of label volumes, and fill holes.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	check(&o);
	if (stream_filter(&c, filter, &o, &e))
		err_die(&e);
	return 0;
}
