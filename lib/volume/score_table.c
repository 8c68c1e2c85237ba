#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/score.h"

static const char *const names[SCORE_METRICS] = {
	[SCORE_DICE] = "dice", [SCORE_IOU] = "iou",
	[SCORE_TRUTH_ML] = "truth_ml", [SCORE_PRED_ML] = "pred_ml", [SCORE_VOLUME_ERROR] = "volume_error", [SCORE_VOLUME_BIAS] = "volume_bias",
	[SCORE_TRUTH_3D] = "truth_3d_mm", [SCORE_PRED_3D] = "pred_3d_mm", [SCORE_ERROR_3D] = "error_3d", [SCORE_CLIPPED_3D] = "error_3d_clipped",
	[SCORE_TRUTH_AXIAL] = "truth_axial_mm", [SCORE_PRED_AXIAL] = "pred_axial_mm", [SCORE_ERROR_AXIAL] = "error_axial",
	[SCORE_CLIPPED_AXIAL] = "error_axial_clipped",
};

const char *score_name(enum score_metric m)
{
	return names[m];
}

int score_find(const char *name, size_t n, enum score_metric *m)
{
	for (int i = 0; i < SCORE_METRICS; i++)
		if (strlen(names[i]) == n && !strncmp(names[i], name, n)) {
			*m = (enum score_metric)i;
			return 0;
		}
	return -1;
}

int score_add(struct score_table *t, const char *id, const struct score *s, struct err *e)
{
	struct score_row *grown;
	size_t room = t->n ? 2 * t->n : 16;

	if (!(t->n & (t->n - 1)) && (t->n >= 16 || !t->n)) { /* full at 0, 16, 32, ... */
		grown = realloc(t->row, room * sizeof *grown);
		if (!grown)
			return err_set(e, NULL, "not enough memory for scores");
		t->row = grown;
	}
	t->row[t->n].s = *s;
	t->row[t->n].id = strdup(id);
	if (!t->row[t->n].id)
		return err_set(e, NULL, "not enough memory for scores");
	t->n++;
	return 0;
}

void score_free(struct score_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->row[i].id);
	free(t->row);
	memset(t, 0, sizeof *t);
}

static int by_size(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return p < q ? -1 : p > q;
}

int score_summarize(const struct score_table *t, int64_t label, enum score_metric m, struct score_summary *s, struct err *e)
{
	double *v = mem_new(t->n, sizeof *v, "scores", e), sum = 0;
	size_t n = 0;

	if (!v)
		return -1;
	for (size_t i = 0; i < t->n; i++)
		if (t->row[i].s.label == label && !isnan(t->row[i].s.v[m])) {
			v[n] = t->row[i].s.v[m];
			sum += v[n++];
		}
	qsort(v, n, sizeof *v, by_size);
	*s = (struct score_summary){n ? sum / (double)n : NAN, n ? (v[(n - 1) / 2] + v[n / 2]) / 2 : NAN, n};
	free(v);
	return 0;
}

/* The next label above *label that some row has: 1, or 0. */
static int next_label(const struct score_table *t, int first, int64_t *label)
{
	int found = 0;
	int64_t best = 0;

	for (size_t i = 0; i < t->n; i++) {
		int64_t l = t->row[i].s.label;

		if ((first || l > *label) && (!found || l < best)) {
			best = l;
			found = 1;
		}
	}
	*label = best;
	return found;
}

static int number(struct out *o, double v, struct err *e)
{
	return isnan(v) ? out_printf(o, e, "\tnan") : out_printf(o, e, "\t%.6g", v);
}

static int summary_tsv(const struct score_table *t, int64_t label, struct out *o, struct err *e)
{
	static const char *const what[] = {"mean", "median", "count"};

	for (int k = 0; k < 3; k++) {
		if (out_printf(o, e, "%s\t%lld", what[k], (long long)label))
			return -1;
		for (int m = 0; m < SCORE_METRICS; m++) {
			struct score_summary s;

			if (score_summarize(t, label, (enum score_metric)m, &s, e) ||
			    (k == 2 ? out_printf(o, e, "\t%zu", s.count) : number(o, k ? s.median : s.mean, e)))
				return -1;
		}
		if (out_printf(o, e, "\n"))
			return -1;
	}
	return 0;
}

int score_write_tsv(const struct score_table *t, struct out *o, struct err *e)
{
	int64_t label = 0;

	if (out_printf(o, e, "id\tlabel"))
		return -1;
	for (int m = 0; m < SCORE_METRICS; m++)
		if (out_printf(o, e, "\t%s", names[m]))
			return -1;
	if (out_printf(o, e, "\n"))
		return -1;
	for (size_t i = 0; i < t->n; i++) {
		if (out_printf(o, e, "%s\t%lld", t->row[i].id, (long long)t->row[i].s.label))
			return -1;
		for (int m = 0; m < SCORE_METRICS; m++)
			if (number(o, t->row[i].s.v[m], e))
				return -1;
		if (out_printf(o, e, "\n"))
			return -1;
	}
	for (int first = 1; next_label(t, first, &label); first = 0)
		if (summary_tsv(t, label, o, e))
			return -1;
	return 0;
}

static json_t *real(double v)
{
	return isnan(v) ? json_null() : json_real(v);
}

static json_t *row_json(const struct score_row *r)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "id", r->id, "label", (json_int_t)r->s.label, "truth_voxels", (json_int_t)r->s.truth,
	                      "pred_voxels", (json_int_t)r->s.pred, "both_voxels", (json_int_t)r->s.both, "truth_lesions", (json_int_t)r->s.truth_lesions,
	                      "pred_lesions", (json_int_t)r->s.pred_lesions);

	for (int m = 0; m < SCORE_METRICS; m++)
		json_object_set_new(o, names[m], real(r->s.v[m]));
	return o;
}

static json_t *summary_json(const struct score_table *t, int64_t label, struct err *e)
{
	json_t *o = json_pack("{s:I}", "label", (json_int_t)label);

	for (int m = 0; m < SCORE_METRICS; m++) {
		struct score_summary s;

		if (score_summarize(t, label, (enum score_metric)m, &s, e)) {
			json_decref(o);
			return NULL;
		}
		json_object_set_new(o, names[m],
		                    json_pack("{s:o, s:o, s:I}", "mean", real(s.mean), "median", real(s.median), "count", (json_int_t)s.count));
	}
	return o;
}

int score_write_json(const struct score_table *t, struct out *o, struct err *e)
{
	json_t *cases = json_array(), *summary = json_array(), *all = json_pack("{s:o, s:o}", "cases", cases, "summary", summary);
	int64_t label = 0;
	char *text;
	int r = 0;

	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(cases, row_json(&t->row[i]));
	for (int first = 1; next_label(t, first, &label) && !r; first = 0)
		r = json_array_append_new(summary, summary_json(t, label, e));
	text = r ? NULL : json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	if (!r)
		r = text ? out_printf(o, e, "%s\n", text) : err_set(e, NULL, "not enough memory for JSON, or an id that is not UTF-8");
	free(text);
	json_decref(all);
	return r;
}
