/* nii-replay -m MODEL [FILE ...]: do to volumes what a model's training data went through.
   MODEL is a checkpoint: its first frame's metadata `replay` lists the steps (nii-resample, nii-normalize, nii-crop with all their options); only
   its header is read. Volume frames in, the same frames out with the steps done and in their history, turned first where their axes run otherwise
   than those of the training volumes did (metadata `orient`). A step that is not understood, or a volume that went through one of these tools before
   or has other channels than the model, is an error. Memory: as the step that needs most, and its result. */
#include <string.h>

#include "lib/base/arg.h"
#include "lib/net/arch/arch.h"
#include "lib/stream/history.h"
#include "lib/stream/names.h"
#include "lib/stream/stream.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/history/replay.h"

struct replay {
	json_t *steps, *meta;
	char orient[4];
	int64_t channels;  /* that the steps want; 0: not known, or they make several of one */
	const char *names; /* of these, JSON; NULL: none */
};

/* Steps make a channel of every window, and of every label that another network found. */
static void read_channels(struct replay *r)
{
	const char *text = json_string_value(json_object_get(r->meta, "arch"));
	json_t *arch = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const json_t *step;
	size_t i;

	r->channels = arch ? json_integer_value(json_object_get(arch, arch_channels_key(arch))) : 0;
	json_array_foreach(r->steps, i, step) {
		const json_t *args = json_object_get(step, "args");

		if (json_object_get(args, "windows") || r->channels <= 0)
			r->channels = 0;
		else if (!strcmp(json_string_value(json_object_get(step, "tool")), HISTORY_LATE))
			r->channels -= json_integer_value(json_object_get(args, "classes"));
	}
	r->channels = r->channels > 0 ? r->channels : 0;
	r->names = json_string_value(json_object_get(r->meta, "channels"));
	json_decref(arch);
}

static int check_channels(const struct replay *r, const struct frame *f, struct err *e)
{
	const struct tensor *image = frame_need(f, "image", e);
	const int64_t n = image && r->channels ? geo_planes(image) : r->channels;

	if (!image)
		return -1;
	if (n != r->channels)
		return err_set(e, NULL, "image has %lld channel%s, the model takes %lld%s%s", (long long)n, n == 1 ? "" : "s", (long long)r->channels,
		               r->names ? ": " : "", r->names ? r->names : "");
	return names_channels(f, r->names, "the model's", e);
}

static int one(struct frame *f, void *arg, struct err *e)
{
	const struct replay *r = arg;

	return check_channels(r, f, e) || replay_apply(f, r->steps, r->orient, e) ? -1 : 0;
}

static int run(const struct arg_common *c, const char *model, struct err *e)
{
	struct replay p = {0};
	int r = -1;

	p.steps = replay_read(model, p.orient, &p.meta, e);
	if (p.steps) {
		read_channels(&p);
		r = stream_filter(c, one, &p, e);
	}
	json_decref(p.steps);
	json_decref(p.meta);
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
