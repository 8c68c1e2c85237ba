/* seg-recist [MASK ... | STREAM ...]: the lesions of masks as RECIST 1.1 measures them: longest axial diameter, short axis, targets, sum of
   diameters, and against an earlier day CR, PR, SD or PD. Operands named .nii, .hdr, .img (or these with .gz), .nrrd, .nhdr, .mha or .mhd are
   masks; others are streams. A line a lesion, or a case; or JSON. Memory: one mask, and 24 bytes a run of labels along x. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/option.h"
#include "lib/base/outfile.h"
#include "lib/stream/story.h"
#include "lib/stream/stream.h"
#include "lib/volume/nifti/nifti.h"
#include "lib/volume/recist/recist.h"

struct opts {
	struct recist_options recist;
	struct arg_ints labels, nodes;
	struct arg_strs nadirs;
	const char *tensor, *baseline, *history;
	int64_t targets, organ;
	int by, connectivity, cases, json, quiet;
};

struct state {
	const struct opts *o;
	struct recist_past past;
	struct table baseline, nadir[ARG_LIST];
	struct recist_case *c;
	size_t n;
	struct story story;
};

static const char diameter_words[] = "mesh|centre|corner";
static const double oblique = 5; /* degrees */

static int one(struct state *s, const char *id, const struct tensor *t, const double affine[16], struct err *e)
{
	struct recist_case *c;

	if (mem_more(&s->c, s->n, sizeof *s->c, "cases", e))
		return -1;
	c = &s->c[s->n];
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->c[i].id, id))
			return err_set(e, NULL, "id '%.80s' is there twice", id);
	if (recist_mask(t, affine, &s->o->recist, c, e))
		return -1;
	s->n++;
	c->id = strdup(id);
	if (!c->id)
		return err_set(e, NULL, "not enough memory for cases");
	if (c->tilt > oblique && !s->o->quiet)
		err_warn("%s: the slices are %.1f degrees away from the axial plane", id, c->tilt);
	return s->o->baseline ? recist_compare(c, &s->past, e) : 0;
}

static int one_frame(struct frame *f, void *arg, struct err *e)
{
	struct state *s = arg;
	const struct tensor *t = frame_labels(f, s->o->tensor, e);
	double affine[16];

	return !t || story_frame(&s->story, f, e) || frame_affine(f, affine, e) ? -1 : one(s, frame_id(f), t, affine, e);
}

static int read_past(struct state *s, const struct arg_common *c, struct err *e)
{
	const struct opts *o = s->o;
	struct err unused;

	s->past = (struct recist_past){&s->baseline, s->nadir, 0, 1e300};
	story_begin(&s->story, c);
	if (o->history || o->json) { /* whole files are read for it */
		story_operands(&s->story);
		story_file(&s->story, o->baseline);
		for (int i = 0; i < o->nadirs.n; i++)
			story_file(&s->story, o->nadirs.v[i]);
	}
	if (o->baseline && table_read(o->baseline, &s->baseline, e))
		return -1;
	for (int i = 0; i < o->nadirs.n; i++) {
		double mm;

		if (!arg_float(o->nadirs.v[i], 0, 1e6, &mm, &unused))
			s->past.least = mm < s->past.least ? mm : s->past.least;
		else if (table_read(o->nadirs.v[i], &s->nadir[s->past.nadirs++], e))
			return -1;
	}
	return 0;
}

static int write_all(const struct state *s, struct out *out, struct err *e)
{
	const struct opts *o = s->o;
	json_t *about;
	int r;

	if (!o->json)
		return recist_write(s->c, s->n, o->cases || o->baseline ? RECIST_CASES : RECIST_LESIONS, out, e);
	about = json_pack("{s:{s:o, s:i, s:b, s:i, s:i}}", "options", "diameter", option_word(diameter_words, o->by), "connectivity",
	                  o->recist.connectivity, "union", o->recist.all, "targets", o->recist.rule.targets, "per_organ", o->recist.rule.organ);
	r = story_set(&s->story, about, e) || recist_write_json(s->c, s->n, about, out, e) ? -1 : 0;
	json_decref(about);
	return r;
}

static int run(struct state *s, const struct arg_common *c, struct err *e)
{
	struct out out;

	if (read_past(s, c, e) || out_open(&out, c->out, 0, e))
		return -1;
	if (nii_each_mask(c, s->o->tensor, one_frame, s, e) || write_all(s, &out, e) || story_write(&s->story, s->o->history, e)) {
		out_abort(&out);
		return -1;
	}
	return out_close(&out, e);
}

static void set_up(struct opts *o, const struct arg_common *c)
{
	if (o->nadirs.n && !o->baseline)
		err_usage("--nadir goes with --baseline");
	o->quiet = c->quiet;
	o->recist.by = (enum diameter_by)o->by;
	o->recist.connectivity = (const int[]){6, 18, 26}[o->connectivity];
	o->recist.labels = &o->labels;
	o->recist.rule.targets = (int)o->targets;
	o->recist.rule.organ = (int)o->organ;
	o->recist.rule.node = o->nodes.v;
	o->recist.rule.nodes = o->nodes.n;
}

static void state_free(struct state *s)
{
	for (size_t i = 0; i < s->n; i++)
		recist_case_free(&s->c[i]);
	free(s->c);
	story_free(&s->story);
	table_free(&s->baseline);
	for (int i = 0; i < s->past.nadirs; i++)
		table_free(&s->nadir[i]);
}

int main(int argc, char **argv)
{
	struct opts o = {.connectivity = 2, .targets = 5, .organ = 2};
	struct state s = {.o = &o};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'t', "tensor", ARG_STR, &o.tensor, "TENSOR", "the mask in a stream (pred, or else label)"},
		{0, "diameter", ARG_CHOICE, &o.by, diameter_words, "between points of the mesh's outline, voxel centres or corners (mesh)"},
		{'c', "connectivity", ARG_CHOICE, &o.connectivity, "6|18|26", "neighbours of a voxel in a lesion: by faces, edges too, corners too (26)"},
		{0, "labels", ARG_INTS, &o.labels, "L,...", "lesions are these labels (all)"},
		{0, "union", ARG_FLAG, &o.recist.all, NULL, "all labels together, as label 1"},
		{0, "nodes", ARG_INTS, &o.nodes, "L,...", "labels that are lymph nodes: their short axis counts"},
		{0, "slice-thickness", ARG_FLOAT, &o.recist.rule.slice_mm, "MM", "for what is measurable (the slices' spacing)", 1e-3, 1e3},
		{0, "targets", ARG_INT, &o.targets, "N", "at most so many target lesions (5)", 1, 1000},
		{0, "per-organ", ARG_INT, &o.organ, "N", "and so many of one label (2)", 1, 1000},
		{0, "cases", ARG_FLAG, &o.cases, NULL, "a line a case with its sum of diameters (a line a lesion)"},
		{0, "baseline", ARG_STR, &o.baseline, "TABLE", "lesions of the first day, from this program: CR, PR, SD or PD of each case"},
		{0, "nadir", ARG_STRS, &o.nadirs, "TABLE|MM", "lesions or cases of a day between, or a sum; may be repeated"},
		{0, "history", ARG_DEST, &o.history, "FILE", "write there what made the table, with hashes of what it was made of"},
		{0, "json", ARG_FLAG, &o.json, NULL, "one JSON object with lesions and cases (tab-separated lines)"},
		{0},
	};
	const struct arg_spec spec = {"seg-recist", "[MASK ... | STREAM ...]", "Measure lesions by RECIST 1.1: diameters, targets, response.", args,
	                              ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	set_up(&o, &c);
	if (run(&s, &c, &e))
		err_die(&e);
	state_free(&s);
	return 0;
}
