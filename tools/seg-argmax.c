/* seg-argmax [FILE ...]: scores -> labels.
   Every frame with `prob` [K,Z,Y,X] gets `pred` [Z,Y,X] U8: the class with the highest score (ties to the lowest class), with --threshold
   classes whose probability reaches theirs, with --rule dice the labels of the highest expected Dice. Several operands are streams that run in step:
   the mean of their scores is taken, or with --mean prob of the probabilities that logits stand for; ids, grids and kinds of scores must agree, the
   other tensors come from the first, whose history gets those of the others. prob is dropped unless --keep-prob.
   Memory: one frame of each stream and pred; scores that are not F32 once more as F32. */
#include "lib/base/arg.h"
#include "lib/stream/history.h"
#include "lib/stream/step.h"
#include "lib/volume/prob/prob.h"

_Static_assert((int)ARG_LIST <= (int)PROB_THRESHOLDS, "--threshold takes more numbers than a rule has");

struct opts {
	struct arg_floats threshold;
	int64_t class;
	int mean, rule, keep;
};

struct work {
	const struct opts *o;
	const struct arg_common *c;
	json_t *others; /* histories of the other streams' frames */
};

static json_t *history_args(const struct work *w)
{
	const struct opts *o = w->o;
	json_t *args = json_object();

	json_object_set_new(args, "streams", json_array_size(w->others) ? json_incref(w->others) : json_integer(1)); /* as nii-invert --argmax has it */
	if (o->mean)
		json_object_set_new(args, "mean", json_string("prob"));
	if (o->rule)
		json_object_set_new(args, "rule", json_string("dice"));
	if (o->threshold.n)
		json_object_set_new(args, "threshold", o->threshold.n > 1 ? json_reals(o->threshold.v, o->threshold.n) : json_real(o->threshold.v[0]));
	if (o->threshold.n == 1)
		json_object_set_new(args, "class", json_integer(o->class));
	return args;
}

static int label(struct frame *f, void *arg, struct err *e)
{
	const struct work *w = arg;
	const struct opts *o = w->o;
	const int64_t n = w->c->argc ? w->c->argc : 1;
	const struct prob_rule rule = prob_rule_make(o->rule, o->threshold.n, o->threshold.v, o->class);

	if ((n > 1 && prob_divide(f, n, e)) || prob_labels(f, &rule, e) || (!o->keep && prob_leave(f, e)))
		return -1;
	return history_push(f, "seg-argmax", history_args(w), NULL, NULL, e);
}

static int soften(const struct work *w, struct frame *f, struct err *e)
{
	return w->o->mean ? prob_soften(f, e) : 0;
}

static int begin(struct frame *f, void *arg, struct err *e)
{
	struct work *w = arg;

	json_decref(w->others);
	w->others = json_array();
	return soften(w, f, e);
}

static int add(struct frame *f, struct frame *other, void *arg, struct err *e)
{
	const struct work *w = arg;
	json_t *history = history_get(other, e);

	if (!history)
		return -1;
	json_array_append_new(w->others, history);
	return soften(w, other, e) || prob_add(f, other, e) ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct opts o = {.class = 1};
	const struct arg args[] = {
		{0, "mean", ARG_CHOICE, &o.mean, "scores|prob", "of the streams' scores as they are, or of probabilities (scores)"},
		{0, "rule", ARG_CHOICE, &o.rule, "argmax|dice", "the highest class, or the highest expected Dice (argmax)"},
		{0, "threshold", ARG_FLOATS, &o.threshold, "T[,T...]", "classes whose probability is at least T; several: for class 1, 2, ...", 0, 1},
		{0, "class", ARG_INT, &o.class, "K", "the class that a single --threshold asks for (1)", 1, 255},
		{0, "keep-prob", ARG_FLAG, &o.keep, NULL, "keep the scores in the frame"},
		{0},
	};
	const struct arg_spec spec = {"seg-argmax", "[FILE ...]", "make labels of class scores; of several streams, of their mean", args, ARG_OUT, 0, -1};
	struct arg_common c;
	struct work w = {&o, &c, NULL};
	struct err e;

	arg_parse(&spec, argc, argv, &c);
	if (o.rule && o.threshold.n)
		err_usage("--rule dice finds its own threshold: give it or --threshold");
	if (o.class != 1 && o.threshold.n != 1)
		err_usage("--class goes with one --threshold");
	if (step_run(&c, &(struct step_of){.begin = begin, .add = add, .end = label}, &w, &e))
		err_die(&e);
	json_decref(w.others);
	return 0;
}
