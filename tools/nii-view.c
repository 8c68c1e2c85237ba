/* nii-view: PNG pictures of volumes, with truth and prediction marked.

   Reads volume frames; writes one picture a frame: with -o FILE (or standard output) there must be one frame, with -d DIR each goes to
   DIR/ID.png. The image may be in HU or normalised to 0..1. Radiological view: the patient's right is on the left. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/arg.h"
#include "lib/stream/story.h"
#include "lib/stream/stream.h"
#include "lib/volume/view/view.h"

struct opts {
	struct view_opts view;
	const char *dir, *preset;
	struct arg_common c;
	double window[2];
	int largest, plane, marks, history;
	int64_t frames;
	json_t *seen; /* ids */
	struct out out; /* of the one picture without -d: it is in its place when no other frame has come */
};

/* Where the picture of f goes under -d. */
static int name(const struct opts *o, const struct frame *f, char *path, size_t room, struct err *e)
{
	const char *id = frame_meta(f, "id");

	if (!id || frame_check_id("id", id, e))
		return err_set(e, NULL, "a frame without an id to name the picture");
	if (json_object_get(o->seen, id))
		return err_set(e, NULL, "a second frame of this id");
	json_object_set_new(o->seen, id, json_true());
	if (mkdir(o->dir, 0777) && errno != EEXIST)
		return err_sys(e, o->dir, "cannot make the directory");
	if ((size_t)snprintf(path, room, "%s/%s.png", o->dir, id) >= room)
		return err_set(e, NULL, "%.100s: the path is too long", o->dir);
	return 0;
}

static int one(struct frame *f, void *arg, struct err *e)
{
	struct opts *o = arg;
	char path[4096], *history;
	struct draw d;
	struct out many, *out = o->dir ? &many : &o->out;
	int r;

	if (o->frames++ && !o->dir)
		return err_set(e, NULL, "a second frame for one picture (-d DIR takes many)");
	if (o->dir && name(o, f, path, sizeof path, e))
		return -1;
	r = view_draw(f, &o->view, &d, e);
	history = r || !o->history ? NULL : story_of(f, &o->c, e);
	r = r || (o->history && !history) ? -1 : out_open(out, o->dir ? path : o->c.out, 1, e);
	if (!r && draw_png(&d, history, out, e)) {
		out_abort(out);
		r = -1;
	} else if (!r && o->dir)
		r = out_close(out, e);
	free(history);
	draw_free(&d);
	return r;
}

static void check(struct opts *o)
{
	struct err e;

	if (o->dir && o->c.out)
		err_usage("-o and -d exclude each other");
	if ((o->view.slice >= 0) + o->largest + (o->view.montage > 0) + o->view.strip > 1)
		err_usage("--slice, --largest, --montage and --strip exclude each other");
	if (view_choose(o->preset, o->window, &o->view.window, &e))
		err_usage("%s", e.text);
	if (o->view.recist && o->plane != CUT_AXIAL)
		err_usage("--recist is a diameter in an axial slice: no --plane %s", o->plane == CUT_CORONAL ? "coronal" : "sagittal");
	o->view.lo = o->window[0];
	o->view.hi = o->window[1];
	o->view.plane = (enum cut_plane)o->plane;
	o->view.marks = (enum view_marks)o->marks;
}

int main(int argc, char **argv)
{
	struct opts o = {.view = {.tensor = "image", .slice = -1, .close = -1}, .history = 1};
	struct err e;
	const struct arg args[] = {
		{'d', "dir", ARG_DEST, &o.dir, "DIR", "one picture a frame, DIR/ID.png", 0, 0},
		{'t', "tensor", ARG_STR, &o.view.tensor, "NAME", "what is shown in grey (default image)", 0, 0},
		{0, "channel", ARG_INT, &o.view.channel, "K", "its channel, from 0 (0)", 0, INT32_MAX},
		{0, "slice", ARG_INT, &o.view.slice, "K", "voxel layer K, from 0", 0, 1e6},
		{0, "largest", ARG_FLAG, &o.largest, NULL, "the layer with most of label and pred (default; else the middle)", 0, 0},
		{0, "montage", ARG_INT, &o.view.montage, "N", "N layers out of those with label or pred (else all)", 1, 1024},
		{0, "strip", ARG_FLAG, &o.view.strip, NULL, "every layer from the first to the last with label or pred, in one row", 0, 0},
		{0, "columns", ARG_INT, &o.view.columns, "N", "slices a row of a montage (default: about as wide as high)", 1, 1024},
		{0, "plane", ARG_CHOICE, &o.plane, "axial|coronal|sagittal", "which way to cut (default axial)", 0, 0},
		{0, "close", ARG_FLOAT, &o.view.close, "MM", "only the box of label and pred and MM around it", 0, 1e6},
		{0, "marks", ARG_CHOICE, &o.marks, "outline|fill|both|none", "how label and pred are drawn (default outline)", 0, 0},
		{0, "recist", ARG_FLAG, &o.view.recist, NULL, "the longest axial diameters of label and pred, on the slices where they are", 0, 0},
		{0, "plain", ARG_FLAG, &o.view.plain, NULL, "no letters, no scale, no legend", 0, 0},
		{0, "window", ARG_FLOAT, o.window, "LO,HI", "black and white, in values of the image (default -1000,400 HU)", 0, 0, 2},
		{0, "preset", ARG_STR, &o.preset, "NAME", "window by name: auto, " VIEW_PRESETS, 0, 0},
		{0, "no-history", ARG_FLAG, &o.history, NULL, "do not put where it comes from into the picture's comment", 0, 0, -1},
		{0, "zoom", ARG_FLOAT, &o.view.zoom, "F", "pixels a voxel (default: at least 512 a slice, 256 each of several)", 0.05, 50},
		{0}};
	const struct arg_spec spec = {"nii-view", "[FILE ...]", "Draw volumes with truth and prediction marked as PNG.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &o.c);
	check(&o);
	o.seen = json_object();
	if (stream_each(&o.c, one, &o, &e) || (!o.dir && out_close(&o.out, &e)))
		err_die(&e);
	json_decref(o.seen);
	return 0;
}
