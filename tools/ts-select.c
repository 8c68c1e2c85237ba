/* ts-select: some of a stream's frames, some of their tensors, as they are (no history entry: nothing is done to them).
   Frames are chosen by id, by index or by fold, counted from 0 over all operands; the data of the others are skipped unread. What was asked for by
   name and is not there is an error. Folds of a seed are dealt over all ids, so that the headers are read twice, or the ids come from a list; those
   of nnU-Net's splits are named in its file. Memory: one frame. */
#include <stdio.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/stream/fold.h"
#include "lib/stream/splits.h"
#include "lib/stream/stream.h"

enum { RANGES = 64 };
struct range { int64_t lo, hi; int met; };

struct opts {
	struct arg_strs ids, keep, drop;
	const char *index, *fold, *list, *splits;
	int64_t seed; /* -1: folds are dealt in turn */
	int not;
};

struct state {
	const struct opts *o;
	struct range range[RANGES];
	int ranges, met[ARG_LIST];
	int64_t fold, folds; /* folds 0: not asked for, or splits say them */
	struct splits splits;
	int64_t neither; /* frames that are in no part of a fold */
	struct fold_set set; /* with a seed */
	char stranger[256];  /* an id that is not in it */
	struct err *e;       /* of note_id, */
	int bad;             /* which failed */
	int64_t index, chosen;
};

/* "3", "2..5", "7..": both ends belong to it */
static int parse_range(char *word, struct range *r, struct err *e)
{
	char *dots = strstr(word, "..");

	r->met = 0;
	if (dots)
		*dots = 0;
	if (arg_int(word, 0, INT64_MAX, &r->lo, e))
		return -1;
	r->hi = r->lo;
	if (dots && !dots[2])
		r->hi = INT64_MAX;
	else if (dots && arg_int(dots + 2, r->lo, INT64_MAX, &r->hi, e))
		return -1;
	return 0;
}

static void parse_ranges(struct state *s, const char *text)
{
	char *copy = strdup(text), *p = copy, *word;
	struct err e;

	while (copy && (word = strsep(&p, ","))) {
		if (s->ranges == RANGES)
			err_usage("--index: more than %d ranges", RANGES);
		if (parse_range(word, &s->range[s->ranges++], &e))
			err_usage("--index: %s", e.text);
	}
	free(copy);
}

static void parse_fold(struct state *s, const char *text)
{
	const char *slash = strchr(text, '/');
	char first[24] = "";
	struct err e;

	if (s->o->splits) {
		if (arg_int(text, 0, INT64_MAX, &s->fold, &e))
			err_usage("--fold: %s (of --splits a number from 0 on)", e.text);
		return;
	}
	if (slash && slash - text < (int)sizeof first)
		memcpy(first, text, (size_t)(slash - text));
	if (!slash || arg_int(first, 0, INT64_MAX, &s->fold, &e) || arg_int(slash + 1, 1, INT64_MAX, &s->folds, &e) || s->fold >= s->folds)
		err_usage("--fold: '%.80s' is not I/N with 0 <= I < N", text);
}

static int64_t dealt(struct state *s, const char *id)
{
	int64_t k = fold_of(&s->set, id);

	if (k < 0 && !*s->stranger)
		snprintf(s->stranger, sizeof s->stranger, "%s", *id ? id : "?");
	return k;
}

/* Is it in the part of the fold that is asked for? */
static int split(struct state *s, const char *id)
{
	const enum splits_part part = splits_part_of(&s->splits, id);

	s->neither += part == SPLITS_NEITHER;
	return s->o->not ? part != SPLITS_TRAIN : part == SPLITS_VAL; /* of train it is turned round after this */
}

static int want(const struct frame *f, void *arg)
{
	struct state *s = arg;
	const struct opts *o = s->o;
	const char *id = frame_meta(f, "id");
	int in = !o->ids.n && !s->ranges && !o->fold;

	for (int i = 0; i < o->ids.n; i++)
		if (id && !strcmp(id, o->ids.v[i]))
			in = s->met[i] = 1;
	for (int i = 0; i < s->ranges; i++)
		if (s->index >= s->range[i].lo && s->index <= s->range[i].hi)
			in = s->range[i].met = 1;
	in |= s->folds && s->fold == (o->seed < 0 ? s->index % s->folds : dealt(s, id ? id : ""));
	if (o->splits)
		in |= split(s, id ? id : "");
	s->index++;
	in ^= o->not;
	s->chosen += in;
	return in;
}

static int listed(const struct arg_strs *list, const char *name)
{
	for (int i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], name))
			return 1;
	return 0;
}

static int thin(struct frame *f, const struct opts *o, struct err *e)
{
	const struct arg_strs *named = o->keep.n ? &o->keep : &o->drop;

	for (int i = 0; i < named->n; i++)
		if (!frame_need(f, named->v[i], e))
			return -1;
	for (int i = f->n - 1; i >= 0; i--)
		if (o->keep.n ? !listed(&o->keep, f->t[i].name) : listed(&o->drop, f->t[i].name))
			frame_drop(f, f->t[i].name);
	return 0;
}

static int one_stream(struct state *st, const char *path, struct out *out, struct err *e)
{
	struct stream *s = stream_open(path, e);
	struct frame f;
	int r = -1;

	while (s && (r = stream_next_if(s, &f, want, st, e)) == 1) {
		int bad = thin(&f, st->o, e) ? err_prefix(e, "%s: %s", stream_name(s), frame_id(&f)) : frame_write(&f, out, e);

		frame_free(&f);
		if (bad) {
			r = -1;
			break;
		}
	}
	stream_close(s);
	return r;
}

/* A data set of which some cases are set aside has fewer than the file, or more. */
static void tell_splits(const struct state *s)
{
	const enum splits_part part = s->o->not ? SPLITS_TRAIN : SPLITS_VAL;
	const long long unmet = (long long)splits_unmet(&s->splits, part);

	if (s->neither)
		err_warn("%s: %lld of %lld frames are in neither part of fold %lld", s->o->splits, (long long)s->neither, (long long)s->index,
			(long long)s->fold);
	if (unmet)
		err_warn("%s: %lld of the ids in '%s' of fold %lld are of no frame", s->o->splits, unmet, part == SPLITS_VAL ? "val" : "train", (long long)s->fold);
}

/* Everything asked for by name must have been there. */
static int all_met(const struct state *s, struct err *e)
{
	for (int i = 0; i < s->o->ids.n; i++)
		if (!s->met[i])
			return err_set(e, NULL, "no frame with the id '%.255s'", s->o->ids.v[i]);
	for (int i = 0; i < s->ranges; i++)
		if (!s->range[i].met || (s->range[i].hi != INT64_MAX && s->range[i].hi >= s->index))
			return err_set(e, NULL, "no frame %lld (there are %lld)",
			               (long long)(s->range[i].lo >= s->index ? s->range[i].lo : s->range[i].hi), (long long)s->index);
	if (*s->stranger)
		return err_set(e, s->o->list, "the id '%s' is not in the list", s->stranger);
	if (s->o->splits)
		tell_splits(s);
	return s->chosen ? 0 : err_set(e, NULL, "none of the %lld frames is chosen", (long long)s->index);
}

/* The headers alone are wanted. */
static int note_id(const struct frame *f, void *arg)
{
	struct state *s = arg;
	const char *id = frame_meta(f, "id");

	if (!s->bad)
		s->bad = id ? fold_add(&s->set, id, s->e) : err_set(s->e, f->file, "a frame has no id: --seed deals ids to folds");
	return 0;
}

static int ids_of(struct state *st, const char *path, struct err *e)
{
	struct stream *s = stream_open(path, e);
	struct frame f;
	int r = -1;

	st->e = e;
	if (s && !stream_mapped(s))
		err_set(e, stream_name(s), "a pipe cannot be read twice: --seed needs a file, or all ids with --list");
	else if (s && !stream_next_if(s, &f, note_id, st, e))
		r = st->bad;
	stream_close(s);
	return r;
}

/* With a seed: all ids, dealt to folds. */
static int deal(struct state *st, const struct arg_common *c, struct err *e)
{
	const struct opts *o = st->o;
	int r;

	if (!st->folds || o->seed < 0)
		return 0;
	r = o->list ? fold_add_file(&st->set, o->list, e) : 0;
	for (int i = 0; !o->list && i < (c->argc ? c->argc : 1) && !r; i++)
		r = ids_of(st, c->argc ? c->argv[i] : NULL, e);
	return r ? r : fold_deal(&st->set, st->folds, (uint32_t)o->seed, e);
}

static int run(struct state *st, const struct arg_common *c, struct err *e)
{
	struct out out;
	int r = 0;

	if (deal(st, c, e) || (st->o->splits && splits_read(&st->splits, st->o->splits, st->fold, e)) || out_open(&out, c->out, 1, e))
		return -1;
	for (int i = 0; i < (c->argc ? c->argc : 1) && !r; i++)
		r = one_stream(st, c->argc ? c->argv[i] : NULL, &out, e);
	if (r || all_met(st, e)) {
		out_abort(&out);
		return -1;
	}
	return out_close(&out, e);
}

int main(int argc, char **argv)
{
	struct opts o = {.seed = -1};
	struct state st = {.o = &o};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{0, "id", ARG_STRS, &o.ids, "ID", "the frame with this id; may be repeated"},
		{0, "index", ARG_STR, &o.index, "LIST", "frames by number from 0: 3, 2..5 (both ends in), 7.., or a list of these"},
		{0, "fold", ARG_STR, &o.fold, "I/N", "the frames whose number mod N is I: a fold of a cross-validation"},
		{0, "seed", ARG_INT, &o.seed, "SEED", "--fold deals the ids as scikit-learn's KFold shuffled with this seed", 0, UINT32_MAX},
		{0, "list", ARG_STR, &o.list, "FILE", "all ids for --seed, one a line (those of the operands)"},
		{0, "splits", ARG_STR, &o.splits, "FILE", "nnU-Net's splits_final.json: --fold I is 'val' of its fold I, with --not 'train'"},
		{0, "not", ARG_FLAG, &o.not, NULL, "the frames that --id, --index and --fold do not name"},
		{'t', "tensor", ARG_STRS, &o.keep, "TENSOR", "keep only this tensor; may be repeated"},
		{0, "drop", ARG_STRS, &o.drop, "TENSOR", "leave this tensor out; may be repeated"},
		{0},
	};
	const struct arg_spec spec = {"ts-select", "[STREAM ...]", "Choose frames of a tensor stream, and tensors of its frames.", args, ARG_OUT, 0, -1};

	arg_parse(&spec, argc, argv, &c);
	if (o.keep.n && o.drop.n)
		err_usage("--tensor and --drop exclude each other");
	if (o.index)
		parse_ranges(&st, o.index);
	if ((o.seed >= 0 && !o.fold) || (o.list && o.seed < 0))
		err_usage("--list needs --seed, and that --fold");
	if (o.splits && (!o.fold || o.seed >= 0 || o.ids.n || o.index))
		err_usage("--splits needs --fold, and goes without --seed, --id and --index");
	if (o.fold)
		parse_fold(&st, o.fold);
	if (run(&st, &c, &e))
		err_die(&e);
	fold_free(&st.set), splits_free(&st.splits);
	return 0;
}
