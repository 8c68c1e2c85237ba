/* seg-plan: what a data set is like, and what nnU-Net's planner makes of it: spacing, normalisation, patch, network and batch for a memory budget.
   In: labelled volumes as NIfTI files that pair by name, a table of cases, streams or standard input; or a fingerprint made before, nnU-Net's too.
   Out: plans.json in nnU-Net's format, for nii-normalize, nii-resample, nii-patch and seg-train --plan. Memory: a volume, and 4 bytes a foreground
   voxel and channel of all. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/json.h"
#include "lib/base/outfile.h"
#include "lib/net/planner/planner.h"
#include "lib/stream/story.h"
#include "lib/stream/stream.h"
#include "lib/volume/nifti/nifti.h"

struct opts {
	struct planner p;
	const char *list, *fingerprint, *save, *normalization, *files;
	struct nii_channels channels;
	int kind;
	double spacing[3]; /* x,y,z */
	struct arg_common c;
};

struct state { const struct opts *o; struct fingerprint p; struct story story; };

static int one(struct frame *f, void *arg, struct err *e)
{
	struct state *s = arg;

	return story_frame(&s->story, f, e) || fingerprint_add(&s->p, f, e) ? -1 : 0;
}

static void say(const char *line)
{
	err_warn("%s", line);
}

static int each_case(struct state *s, struct nii_list *l, struct err *e)
{
	for (int64_t i = 0; i < l->n; i++) {
		struct nii_case *c = &l->c[i];
		struct frame f;
		int r;

		c->channels = s->o->files ? &s->o->channels : NULL;
		r = !c->label ? err_set(e, c->image, "has no label") : nii_case_load(c, &f, e);

		if (!r && (story_inputs(&s->story, &f, e) || fingerprint_add(&s->p, &f, e)))
			r = err_prefix(e, "%s", c->image);
		if (c->label)
			frame_free(&f);
		if (r)
			return -1;
		if (s->o->c.verbose)
			err_warn("%s: done", c->id);
	}
	return 0;
}

static int measure(struct state *s, struct err *e)
{
	const struct opts *o = s->o;
	const int volumes = nii_are_volumes(o->c.argv, o->c.argc);
	struct nii_list l = {0};
	int r;

	if (volumes < 0)
		err_usage("volumes and streams cannot be mixed");
	if (o->files && !o->list && !volumes)
		err_usage("--channels goes with NIfTI files and --list");
	if (!volumes)
		story_operands(&s->story);
	if (!o->list && !volumes)
		r = stream_each(&o->c, one, s, e);
	else {
		r = o->list ? nii_list_read(&l, o->list, e) : nii_list_pairs(&l, o->c.argv, o->c.argc, say, e);
		r = r ? r : each_case(s, &l, e);
		nii_list_free(&l);
	}
	return r ? r : fingerprint_finish(&s->p, e);
}

static int load(const struct opts *o, struct fingerprint *p, struct err *e)
{
	json_t *root = json_of_file(o->fingerprint, e);
	int r = root ? fingerprint_parse(p, root, e) : -1;

	if (root && r)
		err_prefix(e, "%s", o->fingerprint);
	json_decref(root);
	return r ? -1 : 0;
}

/* With where it comes from beside what else nnU-Net does not have. */
static int write_json(const struct state *s, const char *path, json_t *j, struct err *e)
{
	int r = story_set(&s->story, json_object_get(j, "niipipe"), e);
	char *text = r ? NULL : json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	struct out out = {.fd = -1};

	if (!r)
		r = text ? out_open(&out, path, 0, e) : err_set(e, NULL, "not enough memory for JSON");
	r = r || out_printf(&out, e, "%s\n", text) || out_close(&out, e);
	out_abort(&out);
	free(text);
	json_decref(j);
	return r ? -1 : 0;
}

static int run(struct opts *o, struct state *s, struct err *e)
{
	json_t *plan;

	story_begin(&s->story, &o->c);
	story_file(&s->story, o->list);
	story_file(&s->story, o->fingerprint);
	if (o->fingerprint ? load(o, &s->p, e) : measure(s, e))
		return -1;
	if (o->save && write_json(s, o->save, fingerprint_json(&s->p), e))
		return -1;
	o->p.classes = o->p.classes ? o->p.classes : s->p.classes;
	if (!o->p.classes)
		err_usage("--classes is needed: %s does not say how many there are", o->fingerprint);
	plan = planner_plan(&o->p, &s->p, e);
	return plan ? write_json(s, o->c.out, plan, e) : -1;
}

static void take_schemes(const char *words, struct planner *p)
{
	for (const char *w = words; w; w = *w ? w + 1 : NULL) {
		const size_t len = strcspn(w, ",");
		const int scheme = planner_scheme(w, len);

		if (scheme < 0 || p->schemes == FINGERPRINT_CHANNELS)
			err_usage("--normalization: '%.*s' is not one of " PLANNER_SCHEME_WORDS, (int)(len < 40 ? len : 40), w);
		p->scheme[p->schemes++] = (enum planner_scheme)scheme;
		w += len;
	}
}

int main(int argc, char **argv)
{
	struct opts o = {.kind = PLANNER_RESENC_M, .p = {.name = "Dataset001_niipipe"}};
	struct state s = {.o = &o};
	struct err e;
	const struct arg args[] = {
		{'L', "list", ARG_STR, &o.list, "CASES", "table of cases: id, image, label, with tabs between"},
		{0, "fingerprint", ARG_STR, &o.fingerprint, "FILE", "no volumes: this dataset_fingerprint.json, nnU-Net's or one saved"},
		{0, "save-fingerprint", ARG_DEST, &o.save, "FILE", "write what was measured there"},
		{0, "planner", ARG_CHOICE, &o.kind, PLANNER_WORDS, "which of nnU-Net's planners (resenc-m)"},
		{0, "memory", ARG_FLOAT, &o.p.memory, "GB", "memory budget (8; resenc-l 24; resenc-xl 40)", 0.001, 10000},
		{'s', "spacing", ARG_FLOAT, o.spacing, "X,Y,Z", "target spacing, mm (the data set's median)", 1e-3, 1e3, 3},
		{0, "normalization", ARG_STR, &o.normalization, "WORD,...", "of all channels or each: " PLANNER_SCHEME_WORDS " (as they are called; ct)"},
		{0, "channels", ARG_STR, &o.files, "N|NAME,...|JSON", "files of a case, a channel each: how many, or their names (as found)"},
		{0, "classes", ARG_INT, &o.p.classes, "N", "classes with the background (highest label and 1)", 2, 255},
		{0, "name", ARG_STR, &o.p.name, "NAME", "dataset_name of the plans (Dataset001_niipipe)"},
		{0},
	};
	const struct arg_spec spec = {"seg-plan", "[FILE ...]", "plan spacing, patches and network for a data set", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &o.c);
	if ((o.list != NULL) + (o.fingerprint != NULL) + (o.c.argc > 0) > 1)
		err_usage("FILE, --list and --fingerprint exclude each other");
	o.p.kind = (enum planner_kind)o.kind;
	take_schemes(o.normalization, &o.p);
	if (o.files)
		nii_channels_option(&o.channels, o.files);
	for (int k = 0; k < 3; k++)
		o.p.spacing[k] = o.spacing[2 - k];
	if (run(&o, &s, &e))
		err_die(&e);
	fingerprint_free(&s.p);
	nii_channels_free(&o.channels);
	story_free(&s.story);
	return 0;
}
