#include "lib/volume/history/replay.h"

#include <string.h>

#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/crop/crop.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/intensity/normalize.h"
#include "lib/volume/onehot/onehot.h"
#include "lib/volume/resample/resample.h"

/* A step from its args: f NULL only reads them. */
#define STEP(tool) \
	static int do_##tool(struct frame *f, const json_t *args, struct err *e) \
	{ \
		struct tool o; \
\
		if (tool##_parse(&o, args, e)) \
			return -1; \
		return f ? tool##_apply(f, &o, e) : 0; \
	}

STEP(normalize)
STEP(crop)
STEP(resample)
STEP(onehot)

static const struct step {
	const char *tool;
	int (*fn)(struct frame *f, const json_t *args, struct err *e);
} steps_known[] = {
	{"nii-normalize", do_normalize},
	{"nii-crop", do_crop},
	{"nii-resample", do_resample},
	{"nii-onehot", do_onehot},
};

static const struct step *find(const char *tool)
{
	for (size_t i = 0; i < sizeof steps_known / sizeof *steps_known; i++)
		if (!strcmp(tool, steps_known[i].tool))
			return &steps_known[i];
	return NULL;
}

/* Do the steps turn volumes themselves? */
static int turns(const json_t *steps)
{
	const json_t *step;
	size_t i;

	json_array_foreach((json_t *)steps, i, step)
		if (json_object_get(json_object_get(step, "args"), "orient"))
			return 1;
	return 0;
}

static int parse_orient(const struct frame *f, const char *path, const json_t *steps, char orient[4], struct err *e)
{
	const char *text = frame_meta(f, "orient");

	memset(orient, 0, 4);
	if (!text || turns(steps))
		return 0;
	if (orient_check(text, e))
		return err_prefix(e, "%s: metadata orient", path);
	memcpy(orient, text, 3);
	return 0;
}

static json_t *parse(const struct frame *f, const char *path, char orient[4], struct err *e)
{
	const char *kind = frame_meta(f, "kind"), *text = frame_meta(f, "replay");
	json_error_t je;
	json_t *steps;

	if (!kind || strcmp(kind, "model")) {
		err_set(e, path, "first frame is of kind '%.40s' (expected a model)", kind ? kind : "");
		return NULL;
	}
	if (!text) {
		err_set(e, path, "the model has no metadata replay: how its data were prepared is not known");
		return NULL;
	}
	steps = json_loads(text, JSON_REJECT_DUPLICATES, &je);
	if (!steps)
		err_set(e, path, "metadata replay: %.200s", je.text);
	else if ((replay_check(steps, e) && err_prefix(e, "%s: metadata replay", path)) || (orient && parse_orient(f, path, steps, orient, e))) {
		json_decref(steps);
		steps = NULL;
	}
	return steps;
}

json_t *replay_read(const char *path, char orient[4], json_t **meta, struct err *e)
{
	struct stream *s = stream_open(path, e);
	struct frame f = {0};
	json_t *steps = NULL;

	if (s && stream_next_header(s, &f, e) == 1)
		steps = parse(&f, stream_name(s), orient, e);
	if (meta)
		*meta = json_incref(f.meta);
	frame_free(&f);
	stream_close(s);
	return steps;
}

static int one(struct frame *f, const json_t *step, struct err *e)
{
	const char *tool = json_string_value(json_object_get(step, "tool"));
	const struct step *s = tool ? find(tool) : NULL;

	if (!s)
		return err_set(e, NULL, "unknown step '%.80s'", tool ? tool : "");
	return (f && frame_settle(f, e)) || s->fn(f, json_object_get(step, "args"), e) ? err_prefix(e, "%s", tool) : 0;
}

int replay_check(const json_t *steps, struct err *e)
{
	const json_t *step;
	size_t i;

	if (!json_is_array(steps))
		return err_set(e, NULL, "not an array");
	json_array_foreach((json_t *)steps, i, step)
		if (one(NULL, step, e))
			return -1;
	return 0;
}

int replay_add(json_t *steps, const char *tool, json_t *args)
{
	return json_array_append_new(steps, json_pack("{s:s, s:o}", "tool", tool, "args", args));
}

/* Did f go through the tool of one of the steps? */
static int check_fresh(const struct frame *f, const json_t *steps, struct err *e)
{
	json_t *history = history_get(f, e), *entry;
	const json_t *step;
	size_t i, k;
	int r = history ? 0 : -1;

	json_array_foreach(history, i, entry)
		json_array_foreach((json_t *)steps, k, step) {
			const char *tool = json_string_value(json_object_get(step, "tool"));

			if (!r && !strcmp(tool, json_string_value(json_object_get(entry, "tool"))))
				r = err_set(e, NULL, "went through %s before: replay starts from what nii-read made", tool);
		}
	json_decref(history);
	return r;
}

/* What was done last is none of the steps: volumes that ran as they should, of the same preparation, have no such entry. */
static int mark_turn(struct frame *f, struct err *e)
{
	json_t *a = history_get(f, e);
	int r = -1;

	if (a && !json_object_set_new(json_array_get(a, json_array_size(a) - 1), HISTORY_BY, json_string("nii-replay")))
		r = history_set(f, a, e);
	json_decref(a);
	return r;
}

/* A network sees voxels and no world: they must run as those that it learned from. */
static int turn(struct frame *f, const char *orient, struct err *e)
{
	struct resample o = {.to = RESAMPLE_NOT};
	struct grid g;
	char code[4];

	if (!*orient)
		return 0;
	if (frame_grid(f, &g, e))
		return -1;
	orient_code(&g, code);
	if (!*code || !strcmp(code, orient))
		return 0;
	memcpy(o.orient, orient, sizeof o.orient);
	return resample_apply(f, &o, e) || mark_turn(f, e) ? -1 : 0;
}

int replay_apply(struct frame *f, const json_t *steps, const char *orient, struct err *e)
{
	const json_t *step;
	size_t i;

	if (check_fresh(f, steps, e) || turn(f, orient, e))
		return -1;
	json_array_foreach((json_t *)steps, i, step)
		if (one(f, step, e))
			return -1;
	return 0;
}
