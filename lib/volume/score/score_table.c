#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/score/score.h"
#include "lib/volume/score/summary.h"

static int take(struct score_table *t, const char *id, struct score_case *c, struct err *e)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->row[i].id, id))
			return err_set(e, NULL, "id '%.80s' is there twice", id);
	if (mem_more(&t->row, t->n, sizeof *t->row, "scores", e))
		return -1;
	t->row[t->n] = (struct score_row){strdup(id), *c};
	if (!t->row[t->n].id)
		return err_set(e, NULL, "not enough memory for scores");
	memset(c, 0, sizeof *c);
	t->n++;
	return 0;
}

int score_add(struct score_table *t, const char *id, struct score_case *c, struct err *e)
{
	int r = take(t, id, c, e);

	score_case_free(c);
	return r;
}

void score_free(struct score_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->row[i].id);
		score_case_free(&t->row[i].c);
	}
	free(t->row);
	memset(t, 0, sizeof *t);
}

const char *score_label(const struct score_table *t, int64_t label, char text[SCORE_LABEL])
{
	if (t->regions)
		return t->regions->name[label - 1];
	snprintf(text, SCORE_LABEL, "%lld", (long long)label);
	return text;
}

json_t *score_label_json(const struct score_table *t, int64_t label)
{
	return t->regions ? json_string(t->regions->name[label - 1]) : json_integer(label);
}

int score_label_order(const char *a, const char *b)
{
	struct err ignored;
	int64_t p = 0, q = 0;
	const int name = arg_int(a, 0, 0, &p, &ignored) != 0, other = arg_int(b, 0, 0, &q, &ignored) != 0;

	return name != other ? name - other : name ? strcmp(a, b) : (p > q) - (p < q);
}

/* ---- a column of a label ---- */

static const struct score *of_label(const struct score_case *c, int64_t label)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->s[i].label == label)
			return &c->s[i];
	return NULL;
}

/* Its numbers, but NaN, into v (room for t->n); returns how many. */
static size_t gather(const struct score_table *t, int64_t label, enum score_metric m, double *v)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct score *s = of_label(&t->row[i].c, label);

		if (s && !isnan(s->v[m]))
			v[n++] = s->v[m];
	}
	return n;
}

double score_mean(const struct score_table *t, int64_t label, enum score_metric m)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct score *s = of_label(&t->row[i].c, label);

		if (s && !isnan(s->v[m])) {
			sum += s->v[m];
			n++;
		}
	}
	return n ? sum / (double)n : NAN;
}

int score_next_label(const struct score_table *t, int first, int64_t *label)
{
	int found = 0;
	int64_t best = 0;

	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < t->row[i].c.n; k++) {
			int64_t l = t->row[i].c.s[k].label;

			if ((first || l > *label) && (!found || l < best)) {
				best = l;
				found = 1;
			}
		}
	*label = best;
	return found;
}

/* Every column's summary; caller frees. */
static struct summary *summarize(const struct score_table *t, const struct score_columns *c, int64_t label, const struct score_summary_options *o,
                                 struct err *e)
{
	struct summary *s = mem_new((size_t)c->n, sizeof *s, "a summary", e);
	double *v = mem_new(t->n, sizeof *v, "a summary", e);
	int r = s && v ? 0 : -1;

	for (int i = 0; i < c->n && !r; i++)
		r = summary_of(v, gather(t, label, c->m[i], v), o->resamples, o->seed, &s[i], e);
	free(v);
	if (!r)
		return s;
	free(s);
	return NULL;
}

/* The lines of a summary. */
static const struct { const char *name; size_t at; } lines[] = {
	{"mean", offsetof(struct summary, mean)}, {"median", offsetof(struct summary, median)}, {"sd", offsetof(struct summary, sd)},
	{"q1", offsetof(struct summary, q1)},     {"q3", offsetof(struct summary, q3)},         {"ci_low", offsetof(struct summary, lo)},
	{"ci_high", offsetof(struct summary, hi)},
};
enum { LINES = sizeof lines / sizeof *lines };

static double line_of(const struct summary *s, int line)
{
	double v;

	memcpy(&v, (const char *)s + lines[line].at, sizeof v);
	return v;
}

int score_is_summary(const char *id)
{
	for (int i = 0; i < LINES; i++)
		if (!strcmp(id, lines[i].name))
			return 1;
	return !strcmp(id, "count");
}

/* ---- tab-separated ---- */

static int number(struct out *o, double v, struct err *e)
{
	return isnan(v) ? out_printf(o, e, "\tnan") : out_printf(o, e, "\t%.6g", v);
}

static int summary_tsv(const struct summary *s, int n, const char *label, struct out *o, struct err *e)
{
	for (int k = 0; k < LINES; k++) {
		if (out_printf(o, e, "%s\t%s", lines[k].name, label))
			return -1;
		for (int i = 0; i < n; i++)
			if (number(o, line_of(&s[i], k), e))
				return -1;
		if (out_printf(o, e, "\n"))
			return -1;
	}
	if (out_printf(o, e, "count\t%s", label))
		return -1;
	for (int i = 0; i < n; i++)
		if (out_printf(o, e, "\t%zu", s[i].n))
			return -1;
	return out_printf(o, e, "\n");
}

static int case_tsv(const struct score_table *t, const struct score_row *r, const struct score_columns *c, struct out *o, struct err *e)
{
	char text[SCORE_LABEL];

	for (size_t k = 0; k < r->c.n; k++) {
		if (out_printf(o, e, "%s\t%s", r->id, score_label(t, r->c.s[k].label, text)))
			return -1;
		for (int i = 0; i < c->n; i++)
			if (number(o, r->c.s[k].v[c->m[i]], e))
				return -1;
		if (out_printf(o, e, "\n"))
			return -1;
	}
	return 0;
}

int score_write_tsv(const struct score_table *t, const struct score_columns *c, const struct score_summary_options *o, struct out *out,
                    struct err *e)
{
	char text[SCORE_LABEL];
	int64_t label = 0;
	int r = 0;

	if (out_printf(out, e, "id\tlabel"))
		return -1;
	for (int i = 0; i < c->n; i++)
		if (out_printf(out, e, "\t%s", c->name[i]))
			return -1;
	if (out_printf(out, e, "\n"))
		return -1;
	for (size_t i = 0; i < t->n; i++)
		if (score_is_summary(t->row[i].id))
			return err_set(e, NULL, "a case's id is '%s', which is what a line of the summary is called", t->row[i].id);
		else if (case_tsv(t, &t->row[i], c, out, e))
			return -1;
	for (int first = 1; !r && score_next_label(t, first, &label); first = 0) {
		struct summary *s = summarize(t, c, label, o, e);

		r = s ? summary_tsv(s, c->n, score_label(t, label, text), out, e) : -1;
		free(s);
	}
	return r;
}

/* ---- JSON ---- */

json_t *score_json(double v)
{
	return isnan(v) ? json_null() : isinf(v) ? json_string(v > 0 ? "inf" : "-inf") : json_real(v);
}

static json_t *row_json(const struct score_table *t, const char *id, const struct score *s, const struct score_columns *c)
{
	json_t *o = json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "id", id, "label", score_label_json(t, s->label), "truth_voxels", (json_int_t)s->truth,
	                      "pred_voxels", (json_int_t)s->pred, "both_voxels", (json_int_t)s->both, "truth_lesions", (json_int_t)s->truth_lesions,
	                      "pred_lesions", (json_int_t)s->pred_lesions);

	for (int i = 0; i < c->n; i++)
		json_object_set_new(o, c->name[i], score_json(s->v[c->m[i]]));
	return o;
}

static json_t *summary_json(const struct summary *s, const struct score_columns *c, json_t *label)
{
	json_t *o = json_pack("{s:o}", "label", label);

	for (int i = 0; i < c->n; i++) {
		json_t *of = json_object();

		for (int k = 0; k < LINES; k++)
			json_object_set_new(of, lines[k].name, score_json(line_of(&s[i], k)));
		json_object_set_new(of, "count", json_integer((json_int_t)s[i].n));
		json_object_set_new(o, c->name[i], of);
	}
	return o;
}

int score_write_object(json_t *all, json_t *about, struct out *out, struct err *e)
{
	char *text = json_object_update(all, about) ? NULL : json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	int r = text ? out_printf(out, e, "%s\n", text) : err_set(e, NULL, "not enough memory for JSON, or an id that is not UTF-8");

	free(text);
	return r;
}

int score_write_json(const struct score_table *t, const struct score_columns *c, const struct score_summary_options *o, json_t *about,
                     struct out *out, struct err *e)
{
	json_t *cases = json_array(), *summary = json_array(), *all = json_pack("{s:o, s:o}", "cases", cases, "summary", summary);
	int64_t label = 0;
	int r = 0;

	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < t->row[i].c.n; k++)
			json_array_append_new(cases, row_json(t, t->row[i].id, &t->row[i].c.s[k], c));
	for (int first = 1; !r && score_next_label(t, first, &label); first = 0) {
		struct summary *s = summarize(t, c, label, o, e);

		r = s ? json_array_append_new(summary, summary_json(s, c, score_label_json(t, label))) : -1;
		free(s);
	}
	if (!r)
		r = score_write_object(all, about, out, e);
	json_decref(all);
	return r;
}
