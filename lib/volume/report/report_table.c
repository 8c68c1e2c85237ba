#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/report/report_parts.h"

enum { RESAMPLES = 2000 }; /* as seg-score has it */

/* What seg-score's columns are called; relative numbers are fractions. */
static const struct report_column columns[] = {
	{"dice", "Dice", 3, 1},
	{"iou", "IoU", 3, 0},
	{"truth_ml", "Truth, mL", 2, 0},
	{"pred_ml", "Prediction, mL", 2, 0},
	{"volume_error", "Volume error", 3, 0},
	{"volume_bias", "Volume error, signed", 3, 1},
	{"truth_3d_mm", "Truth 3D, mm", 1, 0},
	{"pred_3d_mm", "Prediction 3D, mm", 1, 0},
	{"error_3d", "3D error", 3, 0},
	{"error_3d_clipped", "3D error, at most 1", 3, 0},
	{"truth_axial_mm", "Truth RECIST, mm", 1, 0},
	{"pred_axial_mm", "Prediction RECIST, mm", 1, 0},
	{"error_axial", "RECIST error", 3, 0},
	{"error_axial_clipped", "RECIST error, at most 1", 3, 1},
	{"sensitivity", "Sensitivity", 3, 0},
	{"precision", "Precision", 3, 0},
	{"volume_diff_ml", "Volume difference, mL", 2, 0},
	{"hd_mm", "Hausdorff, mm", 1, 0},
	{"hd95_mm", "Hausdorff 95 %, mm", 1, 1},
	{"assd_mm", "ASSD, mm", 2, 0},
	{"masd_mm", "MASD, mm", 2, 0},
	{"lesion_tp", "Lesions found", -1, 0},
	{"lesion_fp", "Lesions invented", -1, 0},
	{"lesion_fn", "Lesions missed", -1, 0},
	{"lesion_f1", "Lesion F1", 3, 1},
	{"lesion_dice", "Lesion Dice", 3, 0},
	{"sq", "Segmentation quality", 3, 0},
	{"pq", "Panoptic quality", 3, 0},
};

struct report_column report_column(const char *name)
{
	struct report_column c = {name, "", -1, 0};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		if (!strcmp(columns[i].name, name))
			return columns[i];
	snprintf(c.heading, sizeof c.heading, "%s", name);
	if (!strncmp(name, "nsd_", 4) && n > 6 && !strcmp(name + n - 2, "mm")) { /* one a tolerance */
		snprintf(c.heading, sizeof c.heading, "Surface Dice, %.*s mm", n < 14 ? (int)n - 6 : 8, name + 4);
		c.digits = 3, c.chart = 1;
	}
	return c;
}

void report_number(struct html *h, const struct report_column *c, double v)
{
	if (isnan(v))
		html_put(h, "&#8211;");
	else if (isinf(v))
		html_put(h, v > 0 ? "&#8734;" : "-&#8734;");
	else if (c->digits < 0)
		html_print(h, "%.4g", v);
	else
		html_print(h, "%.*f", c->digits, v);
}

/* Is this a column of numbers that are scores? */
static int is_score(const struct report *r, int64_t column)
{
	return column != r->id && column != r->label;
}

/* What a column comes to for a label. */
static int spread(const struct report *r, int64_t column, const char *label, int64_t resamples, struct chart_spread *s, struct err *e)
{
	double *v = mem_new((size_t)r->rows, sizeof *v, "scores", e);
	size_t n = 0;
	int bad = !v;

	for (int64_t i = 0; i < r->rows && !bad; i++) /* in the table's order, which the bootstrap depends on */
		if (!strcmp(table_cell(&r->scores, i, r->label), label))
			bad = table_number(&r->scores, i, column, &v[n++], e);
	bad = bad || chart_spread(v, n, resamples, s, e);
	free(v);
	return bad ? -1 : 0;
}

/* -- what comes first -------------------------------------------------------- */

static void card(struct html *h, const char *what, const char *value, const char *more)
{
	html_print(h, "<div class=\"card\"><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", what, value, more);
}

static int cards(const struct report *r, const char *label, struct html *h, struct err *e)
{
	struct chart_spread all;
	const struct summary *s = &all.s;
	char value[32], more[64];

	if (spread(r, r->dice, label, 0, &all, e))
		return -1;
	if (r->labels > 1) {
		html_put(h, "<h3>Label ");
		report_label(r, label, h);
		html_put(h, "</h3>\n");
	}
	html_put(h, "<dl class=\"cards\">");
	snprintf(value, sizeof value, "%lld", (long long)r->n);
	snprintf(more, sizeof more, "Dice is defined for %zu", s->n);
	card(h, "Cases", value, more);
	if (s->n) {
		snprintf(value, sizeof value, "%.3f", s->mean);
		snprintf(more, sizeof more, s->n > 1 ? "sd %.3f" : "one case", s->sd);
		card(h, "Mean Dice", value, more);
		snprintf(value, sizeof value, "%.3f", s->median);
		snprintf(more, sizeof more, "quartiles %.3f and %.3f", s->q1, s->q3);
		card(h, "Median Dice", value, more);
		snprintf(value, sizeof value, "%.3f", all.min);
		snprintf(more, sizeof more, "the best %.3f", all.max);
		card(h, "Worst Dice", value, more);
	}
	html_put(h, "</dl>\n");
	return 0;
}

int report_summary(const struct report *r, struct html *h, struct err *e)
{
	html_put(h, "<section aria-labelledby=\"summary\"><h2 id=\"summary\">Summary</h2>\n");
	for (int64_t l = 0; l < r->labels; l++)
		if (cards(r, r->name[l], h, e))
			return -1;
	html_put(h, "</section>\n");
	return 0;
}

/* -- tables ------------------------------------------------------------------ */

static void scroll(struct html *h, const char *caption)
{
	html_print(h, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"%s\"><table>\n<caption>%s</caption>\n<thead><tr>", caption,
	           caption);
}

/* The statistics of a column for a label, a row. */
static int statistics_row(const struct report *r, int64_t column, const char *label, struct html *h, struct err *e)
{
	struct report_column c = report_column(r->scores.cell[column]);
	struct chart_spread s;

	if (spread(r, column, label, RESAMPLES, &s, e))
		return -1;
	html_put(h, "<tr><th scope=\"row\">");
	html_text(h, c.heading);
	html_put(h, "</th>");
	if (r->labels > 1) {
		html_put(h, "<td>");
		report_label(r, label, h);
		html_put(h, "</td>");
	}
	html_print(h, "<td>%zu</td>", s.s.n);
	for (int k = 0; k < 9; k++) {
		html_put(h, "<td>");
		report_number(h, &c, ((const double[]){s.s.mean, s.s.lo, s.s.hi, s.s.sd, s.min, s.s.q1, s.s.median, s.s.q3, s.max})[k]);
		html_put(h, "</td>");
	}
	html_put(h, "</tr>\n");
	return 0;
}

static int statistics(const struct report *r, struct html *h, struct err *e)
{
	static const char *const what[] = {"n", "Mean", "95 % from", "to", "sd", "Minimum", "First quartile", "Median", "Third quartile", "Maximum"};

	scroll(h, "Statistics of what is finite; the mean with its 95 % interval by bootstrap");
	html_put(h, r->labels > 1 ? "<th scope=\"col\">Score</th><th scope=\"col\">Label</th>" : "<th scope=\"col\">Score</th>");
	for (size_t k = 0; k < sizeof what / sizeof *what; k++)
		html_print(h, "<th scope=\"col\">%s</th>", what[k]);
	html_put(h, "</tr></thead>\n<tbody>\n");
	for (int64_t i = 0; i < r->scores.columns; i++)
		for (int64_t l = 0; is_score(r, i) && l < r->labels; l++)
			if (statistics_row(r, i, r->name[l], h, e))
				return -1;
	html_put(h, "</tbody></table></div>\n");
	return 0;
}

static void heading(const struct report *r, int64_t column, struct html *h)
{
	const char *name = r->scores.cell[column];

	html_print(h, "<th scope=\"col\"%s><button type=\"button\" title=\"", column == r->dice ? " aria-sort=\"ascending\"" : "");
	html_text(h, name);
	html_put(h, "\">");
	html_text(h, column == r->id ? "Case" : column == r->label ? "Label" : report_column(name).heading);
	html_put(h, "</button></th>");
}

static int score_row(const struct report *r, int64_t k, int64_t row, struct html *h, struct err *e)
{
	html_print(h, "<tr><th scope=\"row\"><a href=\"#case-%lld\">", (long long)k);
	html_text(h, r->c[k].id);
	html_put(h, "</a></th>");
	if (r->labels > 1) {
		html_put(h, "<td data-v=\"");
		html_text(h, table_cell(&r->scores, row, r->label));
		html_put(h, "\">");
		report_label(r, table_cell(&r->scores, row, r->label), h);
		html_put(h, "</td>");
	}
	for (int64_t i = 0; i < r->scores.columns; i++) {
		struct report_column c = report_column(r->scores.cell[i]);
		double v;

		if (!is_score(r, i))
			continue;
		if (table_number(&r->scores, row, i, &v, e))
			return -1;
		html_put(h, "<td data-v=\"");
		html_text(h, table_cell(&r->scores, row, i));
		html_put(h, "\">");
		report_number(h, &c, v);
		html_put(h, "</td>");
	}
	html_put(h, "</tr>\n");
	return 0;
}

int report_table(const struct report *r, struct html *h, struct err *e)
{
	html_put(h, "<section aria-labelledby=\"scores\"><h2 id=\"scores\">Scores</h2>\n");
	if (statistics(r, h, e))
		return -1;
	scroll(h, "Every case; a heading sorts by its column");
	heading(r, r->id, h);
	if (r->labels > 1)
		heading(r, r->label, h);
	for (int64_t i = 0; i < r->scores.columns; i++)
		if (is_score(r, i))
			heading(r, i, h);
	html_put(h, "</tr></thead>\n<tbody class=\"sorts\">\n");
	for (int64_t k = 0; k < r->n; k++)
		for (int64_t i = 0; i < r->c[k].labels; i++)
			if (score_row(r, k, r->c[k].row[i].at, h, e))
				return -1;
	html_put(h, "</tbody></table></div>\n</section>\n");
	return 0;
}
