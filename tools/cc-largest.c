/* cc-largest: keep the largest connected component of a label volume: of every label by itself, or with --union of all that is not background.
   Works in place on `pred`, else `label`; the rest of the frame passes through. Adds a history entry. Memory: one frame, and 24 bytes a run of labels
   along x. */
#include "lib/base/arg.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/component/component.h"

struct opts {
	int connectivity; /* index into the words of the option */
	int64_t k, only;
	const char *tensor;
	int all;
};

static const int connectivities[] = {6, 18, 26};

static int keep(struct frame *f, void *arg, struct err *e)
{
	const struct opts *o = arg;
	enum component_of of = o->all ? COMPONENT_UNION : COMPONENT_VALUE;
	struct tensor *t = frame_labels(f, o->tensor, e);
	const struct component_rule rule = {.k = o->k, .only = o->only};
	struct components c = {0};
	int r = -1;

	if (t && !component_find(t, connectivities[o->connectivity], of, &c, e) && !component_keep(t, &c, of, &rule, e)) {
		json_t *args = json_pack("{s:i, s:I, s:s, s:b}", "connectivity", connectivities[o->connectivity], "k", (json_int_t)o->k, "tensor", t->name,
		                         "union", o->all);

		if (o->only)
			json_object_set_new(args, "only", json_integer(o->only));
		r = history_push(f, "cc-largest", args, NULL, NULL, e);
	}
	component_free(&c);
	return r;
}

int main(int argc, char **argv)
{
	struct opts o = {.connectivity = 2, .k = 1};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'c', "connectivity", ARG_CHOICE, &o.connectivity, "6|18|26", "neighbours of a voxel: by faces, edges too, corners too (26)"},
		{'k', "keep", ARG_INT, &o.k, "K", "how many components to keep, largest first (1)", 1, 1e9},
		{'t', "tensor", ARG_STR, &o.tensor, "TENSOR", "work on this tensor (pred, else label)"},
		{0, "only", ARG_INT, &o.only, "L", "of this label alone; others stay as they are", 1, 1e9},
		{0, "union", ARG_FLAG, &o.all, NULL, "all labels together (each label by itself)"},
		{0},
	};
	const struct arg_spec spec = {"cc-largest", "[STREAM ...]", "Keep the largest connected component of label volumes.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (o.only && o.all)
		err_usage("--only and --union exclude each other");
	if (stream_filter(&c, keep, &o, &e))
		err_die(&e);
	return 0;
}
