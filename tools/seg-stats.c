/* seg-stats [MASK ... | STREAM ...]: every label of a mask: volume, centroid, bounding box; of a stream that has an image, its values there. Operands
   named .nii, .hdr, .img (or these with .gz), .nrrd, .nhdr, .mha or .mhd are masks; others are streams. A line a label; or JSON.
   Memory: one frame, 24 bytes a run of labels along x, 4 bytes a labelled voxel. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/option.h"
#include "lib/base/outfile.h"
#include "lib/stream/history.h"
#include "lib/stream/names.h"
#include "lib/stream/story.h"
#include "lib/stream/stream.h"
#include "lib/volume/nifti/nifti.h"
#include "lib/volume/stats/stats.h"

struct opts {
	struct stats_options stats;
	struct arg_ints labels;
	const char *tensor, *image, *history;
	int64_t channel;
	int json, quiet;
};

struct state {
	const struct opts *o;
	struct stats_case *c;
	size_t n;
	struct story story;
};

/* The image whose values are asked for: that of the option, or `image` where there is one. 0, or -1 and an error. */
static int find_image(const struct opts *o, const struct frame *f, const struct tensor *mask, const double affine[16], const struct tensor **image,
                      struct err *e)
{
	struct grid g;

	memcpy(g.affine, affine, sizeof g.affine);
	for (int a = 0; a < 3; a++)
		g.size[a] = mask->shape[2 - a];
	*image = o->image ? frame_need(f, o->image, e) : frame_find(f, "image");
	if (o->image && !*image)
		return -1;
	if (*image && !tensor_on_grid(*image, &g))
		return err_set(e, NULL, "'%s' is not on the grid of '%s'", (*image)->name, mask->name);
	return 0;
}

/* What the image was before its values were changed is not what is measured: said. */
static int look_at_history(const struct state *s, const struct frame *f, struct err *e)
{
	json_t *history = history_get(f, e), *entry;
	size_t i;

	json_array_foreach(history, i, entry)
		if (!strcmp(json_string_value(json_object_get(entry, "tool")), "nii-normalize") && !s->o->quiet) {
			err_warn("%s: values are those that nii-normalize left, not the scan's", frame_id(f));
			break;
		}
	json_decref(history);
	return history ? 0 : -1;
}

static int one(struct state *s, const struct frame *f, const struct tensor *mask, const struct tensor *image, const double affine[16], struct err *e)
{
	struct stats_case *c;
	json_t *names;
	int r;

	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->c[i].id, frame_id(f)))
			return err_set(e, NULL, "id '%.80s' is there twice", frame_id(f));
	if (names_get(f, &names, e))
		return -1;
	r = mem_more(&s->c, s->n, sizeof *s->c, "cases", e) ||
	    stats_mask(mask, image, s->o->channel, affine, names, &s->o->stats, &s->c[s->n], e) ? -1 : 0;
	json_decref(names);
	if (r)
		return -1;
	c = &s->c[s->n++];
	c->id = strdup(frame_id(f));
	if (!c->id)
		return err_set(e, NULL, "not enough memory for cases");
	for (size_t i = 0; i < c->n && image && !s->o->quiet; i++)
		if (c->l[i].nan)
			err_warn("%s: '%s' has a voxel that is no number in label %lld: no values of it", c->id, image->name, (long long)c->l[i].label);
	return 0;
}

static int one_frame(struct frame *f, void *arg, struct err *e)
{
	struct state *s = arg;
	const struct tensor *mask = frame_labels(f, s->o->tensor, e), *image;
	double affine[16];

	if (!mask || story_frame(&s->story, f, e) || frame_affine(f, affine, e) || find_image(s->o, f, mask, affine, &image, e))
		return -1;
	if (image && look_at_history(s, f, e))
		return -1;
	return one(s, f, mask, image, affine, e);
}

static int write_all(const struct state *s, struct out *out, struct err *e)
{
	json_t *about;
	int r;

	if (!s->o->json)
		return stats_write(s->c, s->n, out, e);
	about = json_pack("{s:{s:b}}", "options", "union", s->o->stats.all);
	r = story_set(&s->story, about, e) || stats_write_json(s->c, s->n, about, out, e) ? -1 : 0;
	json_decref(about);
	return r;
}

static int run(struct state *s, const struct arg_common *c, struct err *e)
{
	struct out out;

	story_begin(&s->story, c);
	if (s->o->history || s->o->json) /* whole files are read for it */
		story_operands(&s->story);
	if (out_open(&out, c->out, 0, e))
		return -1;
	if (nii_each_mask(c, s->o->tensor, one_frame, s, e) || write_all(s, &out, e) || story_write(&s->story, s->o->history, e)) {
		out_abort(&out);
		return -1;
	}
	return out_close(&out, e);
}

int main(int argc, char **argv)
{
	struct opts o = {0};
	struct state s = {.o = &o};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'t', "tensor", ARG_STR, &o.tensor, "TENSOR", "the mask in a stream (pred, or else label)"},
		{'i', "image", ARG_STR, &o.image, "TENSOR", "whose values are taken, in a stream (image, if there is one)"},
		{0, "channel", ARG_INT, &o.channel, "K", "its channel, from 0 (0)", 0, INT32_MAX},
		{0, "labels", ARG_INTS, &o.labels, "L,...", "these labels (those that there are, and those with a name)", 1, INT32_MAX},
		{0, "union", ARG_FLAG, &o.stats.all, NULL, "all labels together, as label 1"},
		{0, "history", ARG_DEST, &o.history, "FILE", "write there what made the table, with hashes of what it was made of"},
		{0, "json", ARG_FLAG, &o.json, NULL, "one JSON object (tab-separated lines)"},
		{0},
	};
	const struct arg_spec spec = {"seg-stats", "[MASK ... | STREAM ...]", "Measure labels: volume, centroid, box, an image's values.", args,
	                              ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	o.quiet = c.quiet;
	o.stats.labels = &o.labels;
	if (o.labels.n && o.stats.all)
		err_usage("--labels and --union do not go together");
	if (o.image && nii_are_volumes(c.argv, c.argc) > 0)
		err_usage("--image is of a stream: nii-read SCAN --label MASK | seg-stats");
	if (run(&s, &c, &e))
		err_die(&e);
	for (size_t i = 0; i < s.n; i++)
		stats_free(&s.c[i]);
	free(s.c);
	story_free(&s.story);
	return 0;
}
