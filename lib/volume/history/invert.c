#include "lib/volume/history/invert.h"

#include <string.h>

#include "lib/base/version.h"
#include "lib/stream/history.h"
#include "lib/volume/crop/box.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/prob/prob.h"
#include "lib/volume/resample/resample.h"

static int undo_box(struct frame *f, const json_t *entry, const struct grid *before, int argmax, struct err *e)
{
	struct box b;

	(void)argmax;
	return box_get(&b, json_object_get(entry, "undo"), e) || box_paste(f, before, &b, e) ? -1 : 0;
}

static int undo_patch(struct frame *f, const json_t *entry, const struct grid *before, int argmax, struct err *e)
{
	static const char *const gone[] = {"patch", "patches", "shards"};

	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
		if (frame_set_meta(f, gone[i], NULL, e))
			return -1;
	return undo_box(f, entry, before, argmax, e) || frame_set_meta(f, "kind", "volume", e) ? -1 : 0;
}

static int undo_resample(struct frame *f, const json_t *entry, const struct grid *before, int argmax, struct err *e)
{
	struct resample o;

	return resample_parse(&o, json_object_get(entry, "args"), e) || resample_back(f, before, &o, argmax, e) ? -1 : 0;
}

/* Turns and flips back, then what was cut off around. */
static int undo_augment(struct frame *f, const json_t *entry, const struct grid *before, int argmax, struct err *e)
{
	const json_t *undo = json_object_get(entry, "undo");
	int64_t flip[3], axis[3] = {0, 1, 2};
	struct orient o;
	struct box b;
	struct grid g;

	(void)argmax;
	if (!undo)
		return err_set(e, NULL, "its voxels were interpolated by a warp, and those before are lost");
	if (json_get_ints(undo, "flip", flip, 3))
		return err_set(e, NULL, "undo has no flip of three whole numbers");
	if (json_object_get(undo, "axis") && json_get_ints(undo, "axis", axis, 3))
		return err_set(e, NULL, "undo has no axis of three whole numbers");
	for (int i = 0; i < 3; i++)
		if (axis[i] < 0 || axis[i] > 2 || axis[i] == axis[(i + 1) % 3])
			return err_set(e, NULL, "undo has an axis that is no order of 0, 1, 2");
	for (int i = 0; i < 3; i++)
		o.axis[i] = (int)axis[i], o.flip[i] = flip[i] != 0;
	o = orient_inverse(&o);
	if (frame_grid(f, &g, e) || orient_frame(f, &g, &o, e))
		return -1;
	if (json_object_get(undo, "box"))
		return box_get(&b, undo, e) || box_paste(f, before, &b, e) ? -1 : 0;
	return frame_set_affine(f, before->affine, e);
}

/* Steps that change the grid. */
static const struct {
	const char *tool;
	int (*fn)(struct frame *f, const json_t *entry, const struct grid *before, int argmax, struct err *e);
} undos[] = {
	{"nii-crop", undo_box},
	{"nii-patch", undo_patch},
	{"nii-resample", undo_resample},
	{"nii-augment", undo_augment},
};

/* Steps that make a frame; that, where they left the grid as it was, changed the image alone; or changed nothing at all. */
static const char *const sources[] = {"nii-read", "nii-phantom"};
static const char *const intensities[] = {"nii-normalize", "nii-augment", "nii-onehot"};
static const char *const nothings[] = {"nii-resample"};

#define IS_IN(list, tool) is_in(list, sizeof list / sizeof *list, tool)

static int is_in(const char *const *list, size_t n, const char *tool)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], tool))
			return 1;
	return 0;
}

static int undo(struct frame *f, const json_t *entry, const char *tool, const struct grid *before, int argmax, struct err *e)
{
	for (size_t i = 0; i < sizeof undos / sizeof *undos; i++)
		if (!strcmp(undos[i].tool, tool))
			return undos[i].fn(f, entry, before, argmax, e) ? err_prefix(e, "cannot undo %s", tool) : 0;
	return err_set(e, NULL, "cannot undo %.80s: it changed the grid, and how is not known", tool);
}

/* Does undoing entries 0 to n - 1 interpolate? */
static int will_interpolate(const json_t *history, size_t n, struct err *e)
{
	for (size_t i = n; i--;) {
		const json_t *entry = json_array_get(history, i);
		const char *tool = json_string_value(json_object_get(entry, "tool"));
		struct grid before;
		struct resample o;

		if (IS_IN(sources, tool))
			return 0;
		if (strcmp(tool, "nii-resample"))
			continue;
		if (resample_parse(&o, json_object_get(entry, "args"), e))
			return err_prefix(e, "cannot undo %s", tool);
		if (o.to != RESAMPLE_NOT && history_grid(entry, &before, e))
			return 1; /* also where the grid is malformed: undoing says so */
	}
	return 0;
}

static int label(struct frame *f, struct err *e)
{
	const struct prob_rule rule = {0};

	if (!frame_find(f, "prob"))
		return 0;
	return prob_labels(f, &rule, e) ? -1 : prob_leave(f, e);
}

/* Before entries 0 to n - 1 are undone: scores are needed only as long as something is interpolated. 1: the next resampling is the last. */
static int settle(struct frame *f, const json_t *history, size_t n, struct err *e)
{
	int more = will_interpolate(history, n, e);

	if (more < 0 || (!more && label(f, e)))
		return -1;
	return n && !will_interpolate(history, n - 1, e);
}

/* undone: becomes what was taken out of the history, and where it was. */
static int undo_all(struct frame *f, json_t *history, json_t *undone, int keep_image, int argmax, struct err *e)
{
	for (size_t i = json_array_size(history); i--;) {
		const json_t *entry = json_array_get(history, i);
		const char *tool = json_string_value(json_object_get(entry, "tool"));
		struct grid before;
		int changed, last = argmax ? settle(f, history, i + 1, e) : 0;

		if (last < 0)
			return -1;
		if (IS_IN(sources, tool))
			return 0;
		changed = history_grid(entry, &before, e);
		if (changed < 0 || (changed && undo(f, entry, tool, &before, last, e)))
			return -1;
		if (changed || IS_IN(nothings, tool) || (IS_IN(intensities, tool) && !keep_image)) {
			json_array_insert_new(undone, 0, json_pack("{s:I, s:s, s:O?}", "at", (json_int_t)i, "tool", tool, "args",
			                                           json_object_get(entry, "args")));
			json_array_remove(history, i);
		}
	}
	return 0;
}

/* What seg-argmax does to the metadata. */
static int note_argmax(struct frame *f, struct err *e)
{
	return prob_leave(f, e) || history_push(f, "seg-argmax", json_pack("{s:I}", "streams", (json_int_t)1), NULL, NULL, e) ? -1 : 0;
}

/* What was made on the grid that is left has come from there, and the history says so; a frame that is again as it was read says nothing. */
static void note_self(json_t *history, json_t *undone, int keep_image)
{
	const char *last = json_string_value(json_object_get(json_array_get(history, json_array_size(history) - 1), "tool"));

	if (json_array_size(undone) && last && !IS_IN(sources, last) && !IS_IN(intensities, last))
		json_array_append_new(history, json_pack("{s:s, s:s, s:{s:b}, s:O}", "tool", "nii-invert", "version", NIIPIPE_VERSION, "args", "keep_image",
		                                         keep_image, "undone", undone));
}

int invert_apply(struct frame *f, int keep_image, int argmax, struct err *e)
{
	json_t *history = history_get(f, e), *undone = json_array();
	struct grid g;
	int r = -1;

	if (!keep_image)
		frame_drop(f, "image");
	if (!frame_find(f, "label") && !frame_find(f, "pred") && !frame_find(f, "prob") && !keep_image)
		err_set(e, NULL, "no label, pred or prob in this frame: nothing to bring back (--keep-image for the image alone)");
	else if (argmax && !frame_need(f, "prob", e))
		r = -1;
	else if (history && !frame_grid(f, &g, e) && !undo_all(f, history, undone, keep_image, argmax, e) && (!argmax || !label(f, e))) {
		note_self(history, undone, keep_image);
		r = history_set(f, history, e) || (argmax && note_argmax(f, e)) ? -1 : 0;
	}
	json_decref(history);
	json_decref(undone);
	return r;
}
