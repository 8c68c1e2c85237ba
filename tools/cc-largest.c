/* cc-largest: keep the largest connected component of a label volume: of every label by itself, or with --union of all that is not background, or of
   the labels of --only. Works in place on `pred`, else `label`; the rest of the frame passes through. Adds a history entry. Memory: one frame, and
   24 bytes a run of labels along x; with --only and --union a byte a voxel more. */
#include <stdlib.h>

#include "lib/base/arg.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/component/component.h"
#include "lib/volume/component/mask.h"

struct opts {
	int connectivity; /* index into the words of the option */
	int64_t k;
	struct arg_ints only;
	const char *tensor;
	int all;
};

static const int connectivities[] = {6, 18, 26};

static int keep(struct frame *f, void *arg, struct err *e)
{
	const struct opts *o = arg;
	const enum component_of of = o->all ? COMPONENT_UNION : COMPONENT_VALUE;
	const int some = o->all && o->only.n;
	const struct component_rule rule = {.k = o->k, .only = some ? NULL : o->only.v, .n_only = some ? 0 : o->only.n};
	struct tensor *t = frame_labels(f, o->tensor, e), mask = {0};
	struct components c = {0};
	int r = -1;

	if (t && (!some || !mask_values(t, o->only.n, o->only.v, &mask, e)) &&
	    !component_find(some ? &mask : t, connectivities[o->connectivity], of, &c, e) && !component_keep(t, &c, of, &rule, e)) {
		json_t *args = json_pack("{s:i, s:I, s:s, s:b}", "connectivity", connectivities[o->connectivity], "k", (json_int_t)o->k, "tensor", t->name,
		                         "union", o->all);

		if (o->only.n)
			json_object_set_new(args, "only", json_ints(o->only.v, o->only.n));
		r = history_push(f, "cc-largest", args, NULL, NULL, e);
	}
	component_free(&c);
	free(mask.data);
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
		{0, "only", ARG_INTS, &o.only, "L,...", "of these labels; others stay as they are", 1, 1e9},
		{0, "union", ARG_FLAG, &o.all, NULL, "all labels together, or those of --only (each label by itself)"},
		{0},
	};
	const struct arg_spec spec = {"cc-largest", "[STREAM ...]", "Keep the largest connected component of label volumes.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (stream_filter(&c, keep, &o, &e))
		err_die(&e);
	return 0;
}
