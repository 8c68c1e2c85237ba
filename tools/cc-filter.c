/* cc-filter: set connected components of a label volume to 0 that are too small, or lie off a mask that rides along, or are not of the k largest;
   and fill holes. Works in place on `pred`, else `label`; the rest of the frame passes through. Adds a history entry.
   Order: holes are filled, then every condition is looked at, then the k largest of what meets them all are kept.
   Memory: one frame, and 24 bytes a run of labels along x, with --fill-holes twice that. */
#include "lib/base/arg.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/component.h"
#include "lib/volume/geo.h"

struct opts {
	int connectivity, all, holes; /* connectivity: index into the words of the option */
	const char *tensor, *on;
	struct component_rule rule;   /* what does not depend on the frame */
	double volume;                /* mm3 */
	struct arg_ints values;
};

static const int connectivities[] = {6, 18, 26};

static json_t *args_json(const struct opts *o, const char *tensor)
{
	return json_pack("{s:i, s:b, s:s, s:I, s:f, s:I, s:s?, s:f, s:o, s:b}", "connectivity", connectivities[o->connectivity], "fill_holes", o->holes,
	                 "tensor", tensor, "min_voxels", (json_int_t)o->rule.least, "min_volume", o->volume, "k", (json_int_t)o->rule.k, "on", o->on,
	                 "on_fraction", o->rule.fraction, "on_values", json_ints(o->values.v, o->values.n), "union", o->all);
}

/* The rule for this frame: mm3 to voxels, the mask. */
static int rule_for(const struct frame *f, const struct tensor *t, const struct opts *o, struct component_rule *rule, struct err *e)
{
	struct grid g = {.size = {t->shape[2], t->shape[1], t->shape[0]}};

	*rule = o->rule;
	if (o->volume > 0) {
		int64_t voxels;

		if (frame_affine(f, g.affine, e) || geo_least_voxels(&g, o->volume, &voxels, e))
			return -1;
		rule->least = voxels > rule->least ? voxels : rule->least;
	}
	rule->values = o->values.n;
	rule->value = o->values.v;
	if (!o->on)
		return 0;
	rule->on = frame_labels(f, o->on, e);
	if (rule->on && !tensor_on_grid(rule->on, &g))
		return err_set(e, NULL, "'%s' is on another grid than '%s'", rule->on->name, t->name);
	return rule->on ? 0 : -1;
}

static int filter(struct frame *f, void *arg, struct err *e)
{
	const struct opts *o = arg;
	enum component_of of = o->all ? COMPONENT_UNION : COMPONENT_VALUE;
	int connectivity = connectivities[o->connectivity], r = -1;
	struct tensor *t = frame_labels(f, o->tensor, e);
	struct component_rule rule;
	struct components c = {0};

	if (t && !rule_for(f, t, o, &rule, e) && !(o->holes && component_fill_holes(t, connectivity, of, e)) &&
	    !component_find(t, connectivity, of, &c, e) && !component_keep(t, &c, of, &rule, e))
		r = history_push(f, "cc-filter", args_json(o, t->name), NULL, NULL, e);
	component_free(&c);
	return r;
}

static void check(const struct opts *o)
{
	if (!o->on && (o->rule.fraction > 0 || o->values.n))
		err_usage("--on-fraction and --on-values need --on");
	if (!o->holes && !o->on && !o->rule.k && !o->rule.least && !(o->volume > 0))
		err_usage("nothing to do: none of --min-voxels, --min-volume, --on, --keep, --fill-holes");
}

int main(int argc, char **argv)
{
	struct opts o = {.connectivity = 2};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'c', "connectivity", ARG_CHOICE, &o.connectivity, "6|18|26", "neighbours of a voxel: by faces, edges too, corners too (26)"},
		{0, "fill-holes", ARG_FLAG, &o.holes, NULL, "fill holes first"},
		{0, "min-voxels", ARG_INT, &o.rule.least, "N", "components of fewer voxels go", 1, 1e15},
		{0, "min-volume", ARG_FLOAT, &o.volume, "MM3", "components smaller than this, mm3, go", 1e-9, 1e15},
		{0, "on", ARG_STR, &o.on, "TENSOR", "components that do not lie on this mask go"},
		{0, "on-fraction", ARG_FLOAT, &o.rule.fraction, "F", "share of a component's voxels that must lie on the mask (0: one voxel)", 0, 1},
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
