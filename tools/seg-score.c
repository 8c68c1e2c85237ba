/* seg-score TRUTH PRED ... | -L TABLE | -L CASES PREDS/ | TRUTHS/ PREDS/ | [STREAM ...] | --compare A.tsv B.tsv: how well predicted masks agree with
   the truth. Operands named .nii, .hdr, .img (or these with .gz), .nrrd, .nhdr, .mha or .mhd are masks and come in pairs; two directories are paired
   by name; others are streams with both masks in every frame. A line a case and label, then a summary; or a line a lesion; or JSON. Memory: of
   pairs of files as many cases as threads, else one; 24 bytes a run of labels along x, and for surfaces up to 7 bytes a voxel of the masks' box. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/option.h"
#include "lib/base/outfile.h"
#include "lib/stream/story.h"
#include "lib/stream/stream.h"
#include "lib/volume/nifti/nifti.h"
#include "lib/volume/score/score_bound.h"
#include "lib/volume/score/score_compare.h"
#include "lib/volume/score/score_pairs.h"

struct opts {
	struct score_options score;
	struct score_summary_options summary;
	struct arg_ints labels, allow;
	struct arg_floats tolerances;
	struct arg_strs least, most;
	const char *truth, *pred, *list, *metrics, *history, *regions_text;
	struct regions regions;
	int empty, by, surface, connectivity, json, compare;
	struct score_bound min[ARG_LIST], max[ARG_LIST];
};

struct state {
	const struct opts *o;
	struct score_columns columns;
	struct score_table table;
	struct pairs pairs;
	struct story story;
};

static const char diameter_words[] = "mesh|centre|corner", empty_words[] = "nnunet|monai|one", surface_words[] = "monai|deepmind";

/* ---- what is scored ---- */

static int one_frame(struct frame *f, void *arg, struct err *e)
{
	struct state *s = arg;
	struct tensor *truth = frame_labels(f, s->o->truth, e), *pred = truth ? frame_labels(f, s->o->pred, e) : NULL;
	struct score_case c;
	double affine[16];

	if (!pred || story_frame(&s->story, f, e) || frame_affine(f, affine, e) || score_masks(truth, pred, affine, &s->o->score, &c, e))
		return -1;
	return score_add(&s->table, frame_id(f), &c, e);
}

static int two_directories(const struct arg_common *c)
{
	return c->argc == 2 && pairs_is_directory(c->argv[0]) && pairs_is_directory(c->argv[1]);
}

static void say(const char *line)
{
	err_warn("%s", line);
}

/* 1: pairs were named; 0: streams are meant. */
static int find_pairs(struct state *s, const struct arg_common *c, struct err *e)
{
	const int files = nii_are_volumes(c->argv, c->argc);

	if (s->o->list && c->argc)
		return pairs_of_cases(&s->pairs, s->o->list, c->argv[0], say, e) ? -1 : 1;
	if (s->o->list)
		return pairs_of_table(&s->pairs, s->o->list, e) ? -1 : 1;
	if (two_directories(c))
		return pairs_of_directories(&s->pairs, c->argv[0], c->argv[1], e) ? -1 : 1;
	if (files < 0)
		err_usage("NIfTI files and streams do not mix");
	if (files && c->argc % 2)
		err_usage("NIfTI files come in pairs: TRUTH PRED");
	return !files ? 0 : pairs_of_files(&s->pairs, c->argv, c->argc, e) ? -1 : 1;
}

/* Every problem is a line of its own. */
static int tell(const struct pairs *p, struct err *e)
{
	for (size_t i = 0; i + 1 < p->problems; i++)
		err_warn("%s", p->problem[i].text);
	return p->problems ? err_set(e, NULL, "%s", p->problem[p->problems - 1].text) : 0;
}

/* Whole files are read for it. */
static void hash_inputs(struct state *s, int pairs)
{
	story_file(&s->story, s->o->list);
	if (!pairs)
		story_operands(&s->story);
	for (size_t i = 0; i < s->pairs.n; i++) {
		story_file(&s->story, s->pairs.p[i].truth);
		story_file(&s->story, s->pairs.p[i].pred);
	}
}

static int score_all(struct state *s, const struct arg_common *c, struct err *e)
{
	int pairs = find_pairs(s, c, e);

	story_begin(&s->story, c);
	if (s->o->history || s->o->json)
		hash_inputs(s, pairs);
	if (pairs <= 0)
		return pairs ? -1 : stream_each(c, one_frame, s, e);
	if (!s->pairs.problems && score_pairs(&s->table, &s->pairs, &s->o->score, e))
		return -1;
	return tell(&s->pairs, e);
}

/* ---- what is said ---- */

static json_t *options_json(const struct state *s)
{
	const struct opts *o = s->o;
	json_t *tolerances = json_array();

	for (int i = 0; i < s->columns.tolerances; i++)
		json_array_append_new(tolerances, json_real(s->columns.tolerance[i]));
	return json_pack("{s:o, s:o, s:o, s:b, s:b, s:o*, s:o*, s:I, s:f, s:o, s:I, s:I}", "diameter", option_word(diameter_words, (int)o->score.by),
	                 "empty", option_word(empty_words, (int)o->score.empty),
	                 "surface", option_word(surface_words, (int)o->score.surface), "whole", o->score.whole, "union", o->score.all,
	                 "regions", o->regions_text ? regions_json(&o->regions) : NULL, "ignore_label",
	                 o->score.ignore ? json_integer(o->score.ignore) : NULL, "connectivity",
	                 (json_int_t)o->score.connectivity, "match", o->score.match, "nsd", tolerances, "bootstrap",
	                 (json_int_t)o->summary.resamples, "seed", (json_int_t)o->summary.seed);
}

static int write_table(const struct state *s, struct out *out, struct err *e)
{
	const struct opts *o = s->o;
	json_t *about = o->json ? json_pack("{s:o}", "options", options_json(s)) : NULL;
	int r = about ? story_set(&s->story, about, e) : 0;

	if (!r && o->score.lesions)
		r = o->json ? score_write_lesions_json(&s->table, about, out, e) : score_write_lesions(&s->table, out, e);
	else if (!r)
		r = o->json ? score_write_json(&s->table, &s->columns, &o->summary, about, out, e)
		            : score_write_tsv(&s->table, &s->columns, &o->summary, out, e);
	json_decref(about);
	return r;
}

static int compare(struct state *s, const struct arg_common *c, struct out *out, struct err *e)
{
	struct score_file a = {0}, b = {0};
	json_t *about = !s->o->json ? NULL : json_pack("{s:{s:s, s:s, s:I, s:I}}", "options", "a", c->argv[0], "b", c->argv[1], "bootstrap",
	                                               (json_int_t)s->o->summary.resamples, "seed", (json_int_t)s->o->summary.seed);
	int r;

	story_begin(&s->story, c);
	if (s->o->history || s->o->json)
		story_operands(&s->story);
	r = (about && story_set(&s->story, about, e)) || score_file_read(&a, c->argv[0], e) || score_file_read(&b, c->argv[1], e) ||
	    score_compare(&a, &b, s->o->metrics, &s->o->summary, s->o->json, about, out, e);
	score_file_free(&a);
	score_file_free(&b);
	json_decref(about);
	return r ? -1 : 0;
}

/* --min and --max METRIC=V */
static void parse_bounds(const struct score_columns *c, const struct arg_strs *texts, const char *option, struct score_bound *b)
{
	struct err e;

	for (int i = 0; i < texts->n; i++)
		if (score_bound_parse(&b[i], c, texts->v[i], &e))
			err_usage("%s: %s", option, e.text);
}

/* ---- the whole ---- */

static int run(struct state *s, const struct arg_common *c, struct err *e)
{
	const struct opts *o = s->o;
	struct out out;

	if (out_open(&out, c->out, 0, e))
		return -1;
	if ((o->compare ? compare(s, c, &out, e) : score_all(s, c, e) || write_table(s, &out, e)) || story_write(&s->story, o->history, e)) {
		out_abort(&out);
		return -1;
	}
	if (out_close(&out, e))
		return -1;
	return score_bound_check(o->min, o->least.n, 1, &s->table, &s->columns, e) || score_bound_check(o->max, o->most.n, 0, &s->table, &s->columns, e)
	       ? -1 : 0;
}

static int or(int given, int otherwise)
{
	return given >= 0 ? given : otherwise;
}

/* Options that say something of metrics that are computed only. */
static void refuse_strangers(const struct opts *o, const struct state *s)
{
	enum { DIAMETER = 1 << SCORE_OF_DIAMETER, SURFACE = 1 << SCORE_OF_SURFACE, LESION = 1 << SCORE_OF_LESION,
	       ANY = (1 << SCORE_GROUPS) - 1, LISTED = 1 << SCORE_GROUPS, NSD = LISTED << 1, JSON = NSD << 1 };
	const struct { const char *name; int given, of; const char *needs; } option[] = {
		{"metrics", o->metrics != NULL, ANY, "--lesions has columns of its own: only with --min or --max"},
		{"nsd", o->tolerances.n > 0, NSD, "the metric nsd is not asked for"},
		{"surface", o->surface >= 0, SURFACE, "no metric of surfaces is asked for"},
		{"diameter", o->by >= 0, DIAMETER | LISTED, "no metric of diameters is asked for"},
		{"whole", o->score.whole, DIAMETER, "no metric of diameters is asked for"},
		{"match", o->score.match >= 0, LESION | LISTED, "no metric of lesions is asked for"},
		{"connectivity", o->connectivity >= 0, LESION | DIAMETER | LISTED | JSON, "no metric of lesions or diameters is asked for"},
		{"empty", o->empty >= 0, ANY, "no metric is asked for"},
	};
	int has = (int)s->columns.groups | (o->score.lesions ? LISTED : 0) | (o->json ? JSON : 0);

	for (int i = 0; i < s->columns.n && s->columns.groups; i++)
		has |= s->columns.m[i] == SCORE_NSD ? NSD : 0;
	for (size_t i = 0; i < sizeof option / sizeof *option; i++)
		if (option[i].given && !(option[i].of & has))
			err_usage("--%s: %s", option[i].name, option[i].needs);
}

/* What the options say, in the library's words. */
static void set_up(struct opts *o, struct state *s, const struct arg_common *c)
{
	const double two[] = {2}, *mm = o->tolerances.n ? o->tolerances.v : two;
	struct err e;

	if (!o->compare && score_columns_choose(&s->columns, o->metrics ? o->metrics : "all", mm, o->tolerances.n ? o->tolerances.n : 1, &e))
		err_usage("--metrics: %s", e.text);
	for (int i = 0; i < o->labels.n; i++)
		if (!o->labels.v[i])
			err_usage("--labels: 0 is the background, which is not scored");
	for (int i = 0; i < o->tolerances.n; i++)
		if (o->tolerances.v[i] < 0)
			err_usage("--nsd: %g is below 0", o->tolerances.v[i]);
	if (o->compare && c->argc != 2)
		err_usage("--compare takes two tables: A.tsv B.tsv");
	if (o->compare && (o->least.n || o->most.n || o->list || o->score.lesions || o->score.whole || o->score.all || o->tolerances.n || o->labels.n ||
	                   o->allow.n || o->truth || o->pred || o->surface >= 0 || o->by >= 0 || o->empty >= 0 || o->connectivity >= 0 ||
	                   o->score.match >= 0 || o->regions_text || o->score.ignore >= 0))
		err_usage("--compare goes with --metrics, --bootstrap, --seed, --history and --json only");
	if (o->list && (c->argc > 1 || (c->argc && !pairs_is_directory(c->argv[0]))))
		err_usage("--list takes one operand at most, the directory of the masks");
	if (o->score.lesions && !o->least.n && !o->most.n)
		s->columns.groups = 0;
	if (!o->compare)
		refuse_strangers(o, s);
	o->score.empty = (enum score_empty)or(o->empty, SCORE_NNUNET);
	o->score.by = (enum diameter_by)or(o->by, DIAMETER_MESH);
	o->score.surface = (enum surface_by)or(o->surface, SURFACE_MONAI);
	o->score.connectivity = (const int[]){6, 18, 26}[or(o->connectivity, 2)];
	o->score.match = o->score.match < 0 ? .5 : o->score.match;
	o->truth = o->truth ? o->truth : "label";
	o->pred = o->pred ? o->pred : "pred";
	if (o->regions_text && regions_parse(&o->regions, o->regions_text, &e))
		err_usage("--regions: %s", e.text);
	if (o->regions_text && regions_ignore(&o->regions, &o->score.ignore, &e))
		err_usage("--ignore-label: %s", e.text);
	o->score.ignore = o->score.ignore > 0 ? o->score.ignore : 0;
	if (o->regions_text && (o->score.all || o->labels.n || o->allow.n))
		err_usage("--regions says what is scored: --labels, --allow and --union have no meaning with it");
	if (o->regions_text)
		o->score.regions = s->table.regions = &o->regions;
	o->score.labels = &o->labels;
	o->score.allow = &o->allow;
	o->score.columns = &s->columns;
	parse_bounds(&s->columns, &o->least, "--min", o->min);
	parse_bounds(&s->columns, &o->most, "--max", o->max);
}

int main(int argc, char **argv)
{
	struct opts o = {.by = -1, .empty = -1, .surface = -1, .connectivity = -1, .score.match = -1, .score.ignore = -1, .summary = {2000, 0}};
	struct state s = {.o = &o};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'L', "list", ARG_STR, &o.list, "TABLE", "pairs from lines id, truth, prediction; beside PREDS/: cases, id, image, label"},
		{0, "metrics", ARG_STR, &o.metrics, "NAME,...", "columns, or overlap, volume, diameter, surface, lesion, all (all)"},
		{0, "diameter", ARG_CHOICE, &o.by, diameter_words, "longest diameter between mesh vertices, voxel centres or corners (mesh)"},
		{0, "whole", ARG_FLAG, &o.score.whole, NULL, "diameters across all parts of a label (each lesion by itself)"},
		{0, "surface", ARG_CHOICE, &o.surface, surface_words, "surfaces are edge voxels, or corners with areas (monai)"},
		{0, "nsd", ARG_FLOATS, &o.tolerances, "MM,...", "tolerances of the surface Dice, mm (2)"},
		{'c', "connectivity", ARG_CHOICE, &o.connectivity, "6|18|26", "neighbours of a voxel in a lesion: by faces, edges too, corners too (26)"},
		{0, "match", ARG_FLOAT, &o.score.match, "IOU", "least overlap of two lesions that are the same; 0: any (0.5)", 0, 1},
		{0, "lesions", ARG_FLAG, &o.score.lesions, NULL, "a line a lesion, matched or not, in place of the cases"},
		{0, "empty", ARG_CHOICE, &o.empty, empty_words, "score of a case without truth: see the manual (nnunet)"},
		{0, "labels", ARG_INTS, &o.labels, "L,...", "score these labels (those that there are)"},
		{0, "allow", ARG_INTS, &o.allow, "L,...", "any other label is an error"},
		{0, "regions", ARG_STR, &o.regions_text, "R/R/...|JSON", "these, which may overlap: 1,2,3/2,3/3, or a dataset.json"},
		{0, "ignore-label", ARG_INT, &o.score.ignore, "N", "voxels whose truth is this label count as background in both masks (none)", 1, 255},
		{0, "union", ARG_FLAG, &o.score.all, NULL, "all labels together, as label 1"},
		{0, "truth", ARG_STR, &o.truth, "TENSOR", "the truth in a stream (label)"},
		{0, "pred", ARG_STR, &o.pred, "TENSOR", "the prediction in a stream (pred)"},
		{0, "min", ARG_STRS, &o.least, "METRIC=V", "fail if the mean is below V, as dice=0.7; may be repeated"},
		{0, "max", ARG_STRS, &o.most, "METRIC=V", "fail if the mean is above V, as hd95_mm=10; may be repeated"},
		{0, "bootstrap", ARG_INT, &o.summary.resamples, "N", "resamples for the interval of a mean; 0: none (2000)", 0, 1000000},
		{0, "seed", ARG_INT, &o.summary.seed, "S", "which resamples (0)", 0, 9e15},
		{0, "compare", ARG_FLAG, &o.compare, NULL, "operands are two tables of this program: how B differs from A"},
		{0, "history", ARG_DEST, &o.history, "FILE", "write there what made the table, with hashes of what it was made of"},
		{0, "json", ARG_FLAG, &o.json, NULL, "one JSON object (tab-separated lines)"},
		{0},
	};
	const struct arg_spec spec = {"seg-score", "TRUTH PRED ... | TRUTHS/ PREDS/ | -L TABLE [PREDS/] | [STREAM ...]",
	                              "Score predicted masks: overlap, volumes, diameters, surfaces, lesions.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	set_up(&o, &s, &c);
	if (run(&s, &c, &e))
		err_die(&e);
	score_free(&s.table);
	pairs_free(&s.pairs);
	story_free(&s.story);
	return 0;
}
