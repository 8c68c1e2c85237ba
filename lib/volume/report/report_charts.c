#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/report/report_parts.h"

/* Two columns that measure one thing. */
static const struct { const char *truth, *pred, *heading, *unit; } pairs[] = {
	{"truth_ml", "pred_ml", "Volume", "mL"},
	{"truth_axial_mm", "pred_axial_mm", "RECIST: longest axial diameter", "mm"},
	{"truth_3d_mm", "pred_3d_mm", "Longest diameter in space", "mm"},
};

/* Dots of a label: y of column a or, with b >= 0, b - a against their mean. Returns how many, -1 and an error. */
static int64_t dots(const struct report *r, const char *label, int64_t a, int64_t b, struct chart_dot *dot, struct err *e)
{
	const struct table *t = &r->scores;
	int64_t n = 0;

	for (int64_t k = 0; k < r->n; k++)
		for (int64_t i = 0; i < r->c[k].labels; i++) {
			int64_t row = r->c[k].row[i].at;
			double u, v = 0;

			if (strcmp(table_cell(t, row, r->label), label))
				continue;
			if (table_number(t, row, a, &u, e) || (b >= 0 && table_number(t, row, b, &v, e)))
				return -1;
			dot[n++] = b < 0 ? (struct chart_dot){0, u, k, r->c[k].id} : (struct chart_dot){(u + v) / 2, v - u, k, r->c[k].id};
		}
	return n;
}

static int label_charts(const struct report *r, const char *label, struct chart_dot *dot, struct html *h, struct err *e)
{
	int64_t n;

	html_put(h, "<div class=\"charts\">\n");
	for (int64_t i = 0; i < r->scores.columns; i++) {
		struct report_column c = report_column(r->scores.cell[i]);

		if (!c.chart)
			continue;
		if ((n = dots(r, label, i, -1, dot, e)) < 0 || chart_box(h, c.heading, dot, n, e))
			return -1;
	}
	for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++) {
		int64_t a = table_find(&r->scores, pairs[p].truth), b = table_find(&r->scores, pairs[p].pred);

		if (a < 0 || b < 0)
			continue;
		if ((n = dots(r, label, a, b, dot, e)) < 0 || chart_agreement(h, pairs[p].heading, pairs[p].unit, dot, n, e))
			return -1;
	}
	html_put(h, "</div>\n");
	return 0;
}

int report_charts(const struct report *r, struct html *h, struct err *e)
{
	struct chart_dot *dot = mem_new((size_t)r->rows, sizeof *dot, "charts", e);
	int bad = !dot;

	html_put(h, "<section aria-labelledby=\"charts\"><h2 id=\"charts\">Distributions and agreement</h2>\n<p>A dot is a case and leads to it. "
	            "Bland-Altman: prediction minus truth against their mean, the bias and its limits of agreement.</p>\n");
	for (int64_t l = 0; l < r->labels && !bad; l++) {
		if (r->labels > 1) {
			html_put(h, "<h3>Label ");
			report_label(r, r->name[l], h);
			html_put(h, "</h3>\n");
		}
		bad = label_charts(r, r->name[l], dot, h, e);
	}
	html_put(h, "</section>\n");
	free(dot);
	return bad ? -1 : 0;
}
