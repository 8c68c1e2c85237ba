/* seg-argmax [FILE ...]: scores -> labels.
   Every frame with `prob` [K,Z,Y,X] gets `pred` [Z,Y,X] U8: the class with the highest score (ties to the lowest class), or with --threshold T
   class K where its probability is at least T. Several operands are streams that run in step: the mean of their scores is taken; ids, grids
   and kinds of scores must agree, the other tensors come from the first. prob is dropped unless --keep-prob.
   Memory: one frame of each stream and pred; scores that are not F32 once more as F32. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/prob.h"

struct opts {
	double threshold;
	int64_t class;
	int keep;
};

static int label(struct frame *f, const struct opts *o, int64_t n, struct err *e)
{
	struct prob_rule rule = {o->threshold >= 0, o->threshold, o->class};
	json_t *args = json_pack("{s:I}", "streams", (json_int_t)n);

	if (rule.use_threshold) {
		json_object_set_new(args, "threshold", json_real(o->threshold));
		json_object_set_new(args, "class", json_integer(o->class));
	}
	if ((n > 1 && prob_divide(f, n, e)) || prob_labels(f, &rule, e) || (!o->keep && frame_set_meta(f, "prob", NULL, e))) {
		json_decref(args);
		return -1;
	}
	if (!o->keep)
		frame_drop(f, "prob");
	return history_push(f, "seg-argmax", args, NULL, NULL, e);
}

/* The other streams' next frames, added to f; all must end together (f NULL: the first has ended). */
static int add_rest(struct stream **s, int n, struct frame *f, struct err *e)
{
	for (int i = 1; i < n; i++) {
		struct frame g = {0};
		int r = stream_next(s[i], &g, e), bad = r < 0;

		if (!bad && r != (f != NULL))
			bad = err_set(e, stream_name(s[f ? i : 0]), "ends before %s does: the streams are out of step", stream_name(s[f ? 0 : i]));
		else if (r == 1 && prob_add(f, &g, e))
			bad = err_prefix(e, "%s: %s", stream_name(s[i]), frame_id(&g));
		frame_free(&g);
		if (bad)
			return -1;
	}
	return 0;
}

static int frames(const struct opts *o, struct stream **s, int n, struct out *out, struct err *e)
{
	struct frame f = {0};
	int r;

	while ((r = stream_next(s[0], &f, e)) == 1) {
		r = add_rest(s, n, &f, e);
		if (!r && label(&f, o, n, e))
			r = err_prefix(e, "%s: %s", stream_name(s[0]), frame_id(&f));
		if (!r)
			r = frame_write(&f, out, e);
		frame_free(&f);
		if (r)
			return -1;
	}
	return r ? r : add_rest(s, n, NULL, e);
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	int n = c->argc ? c->argc : 1, r = -1;
	struct stream **s = mem_zero((size_t)n, sizeof(struct stream *), "streams", e);
	struct out out = {0};

	if (!s)
		return -1;
	for (int i = 0; i < n; i++)
		if (!(s[i] = stream_open(c->argc ? c->argv[i] : NULL, e)))
			goto out;
	if (out_open(&out, c->out, 1, e))
		goto out;
	r = frames(o, s, n, &out, e) ? -1 : out_close(&out, e);
	if (r)
		out_abort(&out);
out:
	for (int i = 0; i < n; i++)
		stream_close(s[i]);
	free(s);
	return r;
}

int main(int argc, char **argv)
{
	struct opts o = {.threshold = -1, .class = 1};
	const struct arg args[] = {
		{0, "threshold", ARG_FLOAT, &o.threshold, "T", "label where the class's probability is at least T (the highest class)", 0, 1},
		{0, "class", ARG_INT, &o.class, "K", "the class that --threshold asks for (1)", 1, 255},
		{0, "keep-prob", ARG_FLAG, &o.keep, NULL, "keep the scores in the frame"},
		{0},
	};
	const struct arg_spec spec = {"seg-argmax", "[FILE ...]", "make labels of class scores; of several streams, of their mean", args, ARG_OUT, 0, -1};
	struct arg_common c;
	struct err e;

	arg_parse(&spec, argc, argv, &c);
	if (run(&o, &c, &e))
		err_die(&e);
	return 0;
}
