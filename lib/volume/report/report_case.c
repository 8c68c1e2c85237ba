#include <math.h>
#include <string.h>

#include "lib/volume/report/report_parts.h"

/* What is said of a case beside its picture: these columns, where there are any. */
static const char *const shown[] = {"dice", "truth_ml", "pred_ml", "volume_bias", "truth_axial_mm", "pred_axial_mm", "error_axial"};

static void measures(const struct report *r, const struct report_case *c, struct html *h)
{
	for (int64_t l = 0; l < c->labels; l++) {
		if (r->labels > 1) {
			html_put(h, "<h4>Label ");
			report_label(r, table_cell(&r->scores, c->row[l].at, r->label), h);
			html_put(h, "</h4>");
		}
		html_put(h, "<dl>");
		for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
			struct report_column column = report_column(shown[i]);
			int64_t at = table_find(&r->scores, shown[i]);
			struct err e;
			double v;

			if (at < 0 || table_number(&r->scores, c->row[l].at, at, &v, &e))
				continue;
			html_print(h, "<dt>%s</dt><dd>", column.heading);
			report_number(h, &column, v);
			html_put(h, "</dd>");
		}
		html_put(h, "</dl>\n");
	}
}

void report_case(const struct report *r, int64_t k, struct html *h)
{
	const struct report_case *c = &r->c[k];

	html_print(h, "<article class=\"case\" id=\"case-%lld\" tabindex=\"-1\" aria-labelledby=\"name-%lld\"><h3 id=\"name-%lld\">", (long long)k,
	           (long long)k, (long long)k);
	html_text(h, c->id);
	html_put(h, "</h3><div class=\"beside\">\n");
	if (c->picture.n) {
		html_put(h, "<figure><img alt=\"The slice of ");
		html_text(h, c->id);
		html_put(h, " with the longest diameter of the truth; truth and prediction outlined\" src=\"data:image/png;base64,");
		html_bytes(h, c->picture.p, c->picture.n);
		html_put(h, "\">");
		html_bytes(h, c->slices.p, c->slices.n);
		html_put(h, "</figure>\n");
	}
	html_put(h, "<div class=\"measures\">");
	measures(r, c, h);
	html_put(h, "<a class=\"back\" href=\"#scores\">to the table</a></div></div></article>\n");
}
