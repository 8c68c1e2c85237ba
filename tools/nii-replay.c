/* nii-replay -m MODEL [FILE ...]: do to volumes what a model's training data went through.
   MODEL is a checkpoint: its first frame's metadata `replay` lists the steps (nii-resample, nii-normalize, nii-crop with all their options); only
   its header is read. Volume frames in, the same frames out with the steps done and in their history, turned first where their axes run otherwise
   than those of the training volumes did (metadata `orient`). A step that is not understood, or a volume
   that went through one of these tools before, is an error. Memory: as the step that needs most, and its result. */
#include "lib/base/arg.h"
#include "lib/stream/stream.h"
#include "lib/volume/history/replay.h"

struct replay { json_t *steps; char orient[4]; };

static int one(struct frame *f, void *arg, struct err *e)
{
	const struct replay *r = arg;

	return replay_apply(f, r->steps, r->orient, e);
}

static int run(const struct arg_common *c, const char *model, struct err *e)
{
	struct replay p;
	int r;

	p.steps = replay_read(model, p.orient, e);
	r = p.steps ? stream_filter(c, one, &p, e) : -1;
	json_decref(p.steps);
	return r;
}

int main(int argc, char **argv)
{
	const char *model = NULL;
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'m', "model", ARG_STR, &model, "FILE", "the checkpoint whose preprocessing is done again"},
		{0},
	};
	const struct arg_spec spec = {"nii-replay", "[FILE ...]", "Prepare volumes as a model's training data were.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (!model)
		err_usage("--model is needed");
	if (run(&c, model, &e))
		err_die(&e);
	return 0;
}
