/* seg-score TRUTH PRED ... | [STREAM ...]: how well predicted masks agree with the truth: Dice, IoU, volumes, longest diameters.
   Operands named .nii, .hdr, .img (or these with .gz), .nrrd or .nhdr are masks and come in pairs; others are streams with both masks in every frame.
   A line a case and label, then mean, median and count; or JSON. Memory: one case and 24 bytes a run of labels along x. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/outfile.h"
#include "lib/stream/stream.h"
#include "lib/volume/nifti.h"
#include "lib/volume/score.h"

struct opts {
	struct score_options score;
	struct arg_ints labels;
	struct arg_strs least;
	const char *truth, *pred;
	int empty, by, json;
	enum score_metric metric[ARG_LIST];
	double bound[ARG_LIST];
};

struct state {
	const struct opts *o;
	struct score_table table;
};

static const double grid_tolerance = 1e-3; /* mm */

static int add(struct state *s, const char *id, const struct tensor *truth, const struct tensor *pred, const double affine[16], struct err *e)
{
	struct score *sc;
	size_t n = 0;
	int r = score_case(truth, pred, affine, &s->o->score, &sc, &n, e);

	for (size_t i = 0; i < n && !r; i++)
		r = score_add(&s->table, id, &sc[i], e);
	free(sc);
	return r;
}

static int one_frame(struct frame *f, void *arg, struct err *e)
{
	struct state *s = arg;
	struct tensor *truth = frame_labels(f, s->o->truth, e), *pred = truth ? frame_labels(f, s->o->pred, e) : NULL;
	double affine[16];

	if (!pred || frame_affine(f, affine, e))
		return -1;
	return add(s, frame_id(f), truth, pred, affine, e);
}

static int same_grid(const struct frame *f, const struct frame *g, const char *const path[2], struct err *e)
{
	struct grid a, b;

	if (frame_grid(f, &a, e) || frame_grid(g, &b, e))
		return -1;
	if (nii_same_grid(&a, &b, grid_tolerance))
		return 0;
	if (memcmp(a.size, b.size, sizeof a.size))
		return err_set(e, path[1], "%lldx%lldx%lld voxels, but %s has %lldx%lldx%lld", (long long)b.size[0], (long long)b.size[1],
		               (long long)b.size[2], path[0], (long long)a.size[0], (long long)a.size[1], (long long)a.size[2]);
	return err_set(e, path[1], "lies elsewhere in space than %s: their affines differ by more than %g mm", path[0], grid_tolerance);
}

static int one_pair(struct state *s, const char *const path[2], struct err *e)
{
	struct frame f[2] = {{0}};
	double affine[16];
	int r = -1;

	if (!nii_load(path[0], "label", &f[0], e) && !nii_load(path[1], "pred", &f[1], e) && !same_grid(&f[0], &f[1], path, e) &&
	    !frame_affine(&f[0], affine, e)) {
		r = add(s, frame_id(&f[0]), frame_find(&f[0], "label"), frame_find(&f[1], "pred"), affine, e);
		if (r)
			err_prefix(e, "%s", path[1]);
	}
	frame_free(&f[0]);
	frame_free(&f[1]);
	return r;
}

/* --min METRIC=V */
static void parse_bounds(struct opts *o)
{
	for (int i = 0; i < o->least.n; i++) {
		const char *text = o->least.v[i], *eq = strchr(text, '=');
		struct err e;

		if (!eq || score_find(text, (size_t)(eq - text), &o->metric[i]))
			err_usage("--min: '%.80s' is not METRIC=VALUE with a metric of the table", text);
		if (arg_float(eq + 1, 0, 0, &o->bound[i], &e))
			err_usage("--min: %s", e.text);
	}
}

/* The mean of every label must reach every bound. */
static int check_bounds(const struct state *s, struct err *e)
{
	for (int i = 0; i < s->o->least.n; i++)
		for (size_t k = 0; k < s->table.n; k++) {
			int64_t label = s->table.row[k].s.label;
			struct score_summary m;

			if (score_summarize(&s->table, label, s->o->metric[i], &m, e))
				return -1;
			if (!(m.mean >= s->o->bound[i]))
				return err_set(e, NULL, "mean %s of label %lld is %.6g, below %.6g", score_name(s->o->metric[i]), (long long)label, m.mean,
				               s->o->bound[i]);
		}
	return 0;
}

static int run(struct state *s, const struct arg_common *c, int pairs, struct err *e)
{
	struct out o;
	int r = 0;

	if (out_open(&o, c->out, 0, e))
		return -1;
	for (int i = 0; i < c->argc && pairs && !r; i += 2)
		r = one_pair(s, (const char *const *)c->argv + i, e);
	if (!pairs)
		r = stream_each(c, one_frame, s, e);
	if (r || (s->o->json ? score_write_json(&s->table, &o, e) : score_write_tsv(&s->table, &o, e))) {
		out_abort(&o);
		return -1;
	}
	return out_close(&o, e) ? -1 : check_bounds(s, e);
}

static int are_pairs(const struct arg_common *c)
{
	int n = 0;

	for (int i = 0; i < c->argc; i++)
		n += nii_is_volume(c->argv[i]);
	if (n && n < c->argc)
		err_usage("NIfTI files and streams do not mix");
	if (n % 2)
		err_usage("NIfTI files come in pairs: TRUTH PRED");
	return n;
}

int main(int argc, char **argv)
{
	struct opts o = {.truth = "label", .pred = "pred"};
	struct state s = {.o = &o};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "diameter", ARG_CHOICE, &o.by, "mesh|centre|corner", "longest diameter between mesh vertices, voxel centres or corners (mesh)"},
		{0, "whole", ARG_FLAG, &o.score.whole, NULL, "diameters across all parts of a label (each 26-connected lesion by itself)"},
		{0, "empty", ARG_CHOICE, &o.empty, "nnunet|monai|one", "score of a case without truth: see the manual (nnunet)"},
		{0, "labels", ARG_INTS, &o.labels, "L,...", "score these labels (those that there are)"},
		{0, "union", ARG_FLAG, &o.score.all, NULL, "all labels together, as label 1"},
		{0, "truth", ARG_STR, &o.truth, "TENSOR", "the truth in a stream (label)"},
		{0, "pred", ARG_STR, &o.pred, "TENSOR", "the prediction in a stream (pred)"},
		{0, "min", ARG_STRS, &o.least, "METRIC=V", "fail if the mean is below V, as dice=0.7; may be repeated"},
		{0, "json", ARG_FLAG, &o.json, NULL, "one JSON object (tab-separated lines)"},
		{0},
	};
	const struct arg_spec spec = {"seg-score", "TRUTH PRED ... | [STREAM ...]", "Score predicted masks: overlap, volumes, diameters.", args,
	                              ARG_OUT, 0, -1};
	int pairs;

	arg_parse(&spec, argc, argv, &c);
	o.score.empty = (enum score_empty)o.empty;
	o.score.by = (enum diameter_by)o.by;
	o.score.labels = &o.labels;
	parse_bounds(&o);
	pairs = are_pairs(&c);
	if (run(&s, &c, pairs, &e))
		err_die(&e);
	score_free(&s.table);
	return 0;
}
