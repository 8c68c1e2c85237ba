/* nii-write: volume frames become NIfTI or NRRD files.
   In: frames. Out: one tensor of each (-t, else pred, else label, else image), of the format that the name says: one frame to -o FILE or standard
   output (.nii.gz), or every frame to DIR/ID.nii.gz (--ending), with --split every channel to DIR/ID_0000.nii.gz, DIR/ID_0001.nii.gz, ....
   NIfTI: grid, codes, units as the history's first entry (nii-read) has them where the frame is on that grid, else from its affine.
   Files appear whole or not at all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/arg.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/nifti/nifti.h"

struct opts {
	const char *dir, *tensor, *ending;
	int64_t gzip;
	int history; /* -1: of a pred */
	int split;
	const char *out;
	int quiet;
};

struct work {
	const struct opts *o;
	struct nii_out *one; /* the single file, not in place until the stream has ended */
	json_t *seen;        /* ids written to the directory */
};

static struct tensor *choose(const struct frame *f, const char *want, struct err *e)
{
	static const char *const order[] = {"pred", "label", "image"};

	if (want)
		return frame_need(f, want, e);
	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (frame_find(f, order[i]))
			return frame_find(f, order[i]);
	err_set(e, NULL, "no pred, label or image in this frame (--tensor names another)");
	return NULL;
}

/* What was found is of little use on a grid of the preparation. */
static int warn_prepared(const struct frame *f, const struct tensor *t, struct err *e)
{
	json_t *all = strcmp(t->name, "pred") ? json_array() : history_get(f, e), *entry;
	struct grid g;
	size_t i;
	int r = all ? 0 : -1;

	json_array_foreach(all, i, entry)
		if ((r = history_grid(entry, &g, e)))
			break;
	if (r == 1)
		err_warn("%s: is written on the grid it was prepared on, not on the scan's of %lldx%lldx%lld voxels: nii-invert, before, brings it back",
		         frame_id(f), (long long)g.size[0], (long long)g.size[1], (long long)g.size[2]);
	json_decref(all);
	return r < 0 ? -1 : 0;
}

static struct nii_out *begin(const struct opts *o, const char *path, const struct frame *f, const struct tensor *t, struct err *e)
{
	struct nii_out *out;

	if (path && strcmp(t->name, "image") && nii_is_origin(f, path)) {
		err_set(e, path, "is the scan itself: %s does not replace it", t->name);
		return NULL;
	}
	out = nii_out_open(path, (int)o->gzip, e);
	if (out && (o->history < 0 ? !strcmp(t->name, "pred") : o->history))
		nii_out_history(out);
	return out;
}

static int to_one(struct frame *f, void *arg, struct err *e)
{
	struct work *w = arg;
	struct tensor *t = choose(f, w->o->tensor, e);

	if (!t || (!w->o->quiet && warn_prepared(f, t, e)))
		return -1;
	if (w->one)
		return err_set(e, NULL, "a second frame (one file takes one; --dir takes many)");
	w->one = begin(w->o, w->o->out, f, t, e);
	return w->one ? nii_out_frame(w->one, f, t, e) : -1;
}

static int to_path(const struct work *w, const char *path, const struct frame *f, const struct tensor *t, struct err *e)
{
	struct nii_out *out = begin(w->o, path, f, t, e);

	if (!out)
		return -1;
	if (!nii_out_frame(out, f, t, e))
		return nii_out_close(out, e);
	nii_out_abort(out);
	return -1;
}

/* DIR/ID.nii.gz, or with a channel, from 0 on, DIR/ID_NNNN.nii.gz; or with another ending */
static int name(const struct work *w, const char *id, int64_t channel, char *path, size_t room, struct err *e)
{
	char number[24] = "";

	if (channel >= 0)
		snprintf(number, sizeof number, "_%04lld", (long long)channel);
	if (snprintf(path, room, "%s/%s%s%s", w->o->dir, id, number, w->o->ending) >= (int)room)
		return err_set(e, NULL, "path of more than %zu bytes", room);
	return 0;
}

/* nnU-Net's names */
static int each_channel(const struct work *w, const char *id, const struct frame *f, const struct tensor *t, struct err *e)
{
	struct tensor one;
	char path[4096];

	if (t->rank < 3 || t->rank > 4)
		return err_set(e, NULL, "tensor '%s' is not [Z,Y,X] or [C,Z,Y,X]", t->name);
	for (int64_t c = 0; c < geo_planes(t); c++)
		if (geo_plane(t, c, &one, e) || name(w, id, c, path, sizeof path, e) || to_path(w, path, f, &one, e))
			return -1;
	return 0;
}

static int to_dir(struct frame *f, void *arg, struct err *e)
{
	struct work *w = arg;
	struct tensor *t = choose(f, w->o->tensor, e);
	const char *id = frame_meta(f, "id");
	char path[4096];

	if (!t || (!w->o->quiet && warn_prepared(f, t, e)))
		return -1;
	if (!id)
		return err_set(e, NULL, "no metadata 'id' to name a file after");
	if (frame_check_id(NULL, id, e))
		return -1;
	if (json_object_get(w->seen, id))
		return err_set(e, NULL, "a second frame of this id");
	json_object_set_new(w->seen, id, json_true());
	if (mkdir(w->o->dir, 0777) && errno != EEXIST)
		return err_sys(e, w->o->dir, "cannot make the directory");
	if (w->o->split)
		return each_channel(w, id, f, t, e);
	return name(w, id, -1, path, sizeof path, e) || to_path(w, path, f, t, e) ? -1 : 0;
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	struct work w = {.o = o, .seen = json_object()};
	int r = stream_each(c, o->dir ? to_dir : to_one, &w, e);

	if (r)
		nii_out_abort(w.one);
	else if (w.one)
		r = nii_out_close(w.one, e);
	json_decref(w.seen);
	return r;
}

static int known(const char *ending)
{
	static const char *const all[] = {".nii.gz", ".nii", ".nrrd", ".seg.nrrd"};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!strcmp(ending, all[i]))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static struct opts o = {.gzip = 1, .history = -1};
	const struct arg args[] = {
		{'d', "dir", ARG_DEST, &o.dir, "DIR", "write DIR/ID.nii.gz for every frame"},
		{0, "ending", ARG_STR, &o.ending, "ENDING", "with --dir: DIR/IDENDING, and the format: .nii.gz, .nii, .nrrd or .seg.nrrd (.nii.gz)"},
		{'t', "tensor", ARG_STR, &o.tensor, "TENSOR", "which tensor (default: pred, else label, else image)"},
		{0, "split", ARG_FLAG, &o.split, NULL, "with --dir: a file a channel, DIR/ID_0000.nii.gz, DIR/ID_0001.nii.gz, ... (one for all)"},
		{0, "history", ARG_FLAG, &o.history, NULL, "put where it comes from into the header, as a comment (of a pred)"},
		{0, "no-history", ARG_FLAG, &o.history, NULL, "do not", 0, 0, -1},
		{0, "gzip", ARG_INT, &o.gzip, "LEVEL", "0 fastest to 9 smallest (default 1)", 0, 9},
		{0},
	};
	const struct arg_spec spec = {
		"nii-write", "[STREAM ...]", "volume frames to NIfTI or NRRD files", args, ARG_OUT, 0, -1,
	};
	struct arg_common c;
	struct err e;

	arg_parse(&spec, argc, argv, &c);
	if (c.out && o.dir)
		err_usage("--output and --dir: one of them");
	if (o.split && !o.dir)
		err_usage("--split goes with --dir");
	if (o.ending && !o.dir)
		err_usage("--ending goes with --dir");
	if (!o.ending)
		o.ending = ".nii.gz";
	if (!known(o.ending))
		err_usage("--ending '%s' (expected .nii.gz, .nii, .nrrd or .seg.nrrd)", o.ending);
	o.out = c.out;
	o.quiet = c.quiet;
	if (run(&o, &c, &e))
		err_die(&e);
	return 0;
}
