#include "lib/volume/report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/volume/report/report_parts.h"
#include "lib/volume/score/score.h"

enum { PICTURE = 400 }; /* pixels of a case's picture, about */

/* -- the table --------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct report_row *p = a, *q = b;
	int c = strcmp(p->id, q->id);

	return c ? c : p->at < q->at ? -1 : p->at > q->at;
}

/* Undefined scores last, equal ones in the order of the table. */
static int worst_first(const void *a, const void *b)
{
	const struct report_case *p = a, *q = b;

	if (isnan(p->dice) != isnan(q->dice))
		return isnan(p->dice) - isnan(q->dice);
	if (p->dice != q->dice && !isnan(p->dice))
		return p->dice < q->dice ? -1 : 1;
	return p->row->at < q->row->at ? -1 : p->row->at > q->row->at;
}

static int add_label(struct report *r, const char *name, struct err *e)
{
	if (!*name)
		return err_set(e, r->scores.path, "a row without a label");
	for (int64_t i = 0; i < r->labels; i++)
		if (!strcmp(r->name[i], name))
			return 0;
	r->name[r->labels++] = name;
	return 0;
}

void report_label(const struct report *r, const char *label, struct html *h)
{
	const char *name = json_string_value(json_object_get(r->called, label));

	html_text(h, label);
	if (name) {
		html_put(h, " ");
		html_text(h, name);
	}
}

static int by_label(const void *a, const void *b)
{
	return score_label_order(*(const char *const *)a, *(const char *const *)b);
}

/* The case of the rows from r->row[at] on. */
static int add_case(struct report *r, int64_t at, struct err *e)
{
	const struct table *t = &r->scores;
	const struct report_row *row = &r->row[at];
	struct report_case *c = &r->c[r->n];
	double sum = 0, dice;
	int64_t n = 0, some = 0;

	*c = (struct report_case){.id = row->id, .row = row};
	if (frame_check_id(t->path, c->id, e))
		return -1;
	for (; at + n < r->rows && !strcmp(row[n].id, c->id); n++) {
		const char *label = table_cell(t, row[n].at, r->label);

		for (int64_t k = 0; k < n; k++)
			if (!strcmp(table_cell(t, row[k].at, r->label), label))
				return err_set(e, t->path, "two rows for label %.20s of '%.80s'", label, c->id);
		if (add_label(r, label, e) || table_number(t, row[n].at, r->dice, &dice, e))
			return -1;
		sum += isnan(dice) ? 0 : dice;
		some += !isnan(dice);
	}
	c->labels = n;
	c->dice = some ? sum / (double)some : NAN;
	r->n++;
	return 0;
}

static int read_scores(struct report *r, struct err *e)
{
	struct table *t = &r->scores;

	if (table_read(r->o->scores, t, e) || (r->id = table_need(t, "id", e)) < 0 || (r->label = table_need(t, "label", e)) < 0 ||
	    (r->dice = table_need(t, "dice", e)) < 0)
		return -1;
	while (r->rows < t->rows && !score_is_summary(table_cell(t, r->rows, r->id)))
		r->rows++;
	if (!r->rows)
		return err_set(e, t->path, "not one case: there is nothing to report");
	r->row = mem_new((size_t)r->rows, sizeof *r->row, "cases", e);
	r->c = mem_zero((size_t)r->rows, sizeof *r->c, "cases", e);
	r->name = mem_new((size_t)r->rows, sizeof *r->name, "labels", e);
	if (!r->row || !r->c || !r->name)
		return -1;
	for (int64_t i = 0; i < r->rows; i++)
		r->row[i] = (struct report_row){table_cell(t, i, r->id), i};
	qsort(r->row, (size_t)r->rows, sizeof *r->row, by_id);
	for (int64_t at = 0; at < r->rows; at += r->c[r->n - 1].labels)
		if (add_case(r, at, e))
			return -1;
	qsort(r->c, (size_t)r->n, sizeof *r->c, worst_first);
	qsort(r->name, (size_t)r->labels, sizeof *r->name, by_label);
	return 0;
}

struct report *report_open(const struct report_opts *o, struct err *e)
{
	struct report *r = mem_zero(1, sizeof *r, "a report", e);

	if (r)
		r->o = o;
	if (r && read_scores(r, e)) {
		report_close(r);
		return NULL;
	}
	return r;
}

void report_close(struct report *r)
{
	if (!r)
		return;
	for (int64_t i = 0; i < r->n; i++) {
		html_free(&r->c[i].picture);
		html_free(&r->c[i].slices);
	}
	free(r->c);
	free(r->row);
	free(r->name);
	table_free(&r->scores);
	json_decref(r->called);
	free(r);
}

/* -- volumes ----------------------------------------------------------------- */

static int draw_picture(const struct report *r, const struct frame *f, struct html *h, struct err *e)
{
	struct view_opts o = {.tensor = "image", .channel = r->o->channel, .slice = -1, .close = -1, .recist = 1, .window = r->o->window, .lo = r->o->lo,
	                      .hi = r->o->hi};
	struct draw d;
	struct grid g;
	struct cut c;
	int bad;

	if (frame_grid(f, &g, e))
		return -1;
	c = cut_of(&g, CUT_AXIAL);
	o.zoom = PICTURE / ((double)c.right.n * fmax(1, c.right.spacing / c.down.spacing));
	o.zoom = fmin(fmax(o.zoom, 0.05), 50);
	bad = view_draw(f, &o, &d, e) || draw_png_page(&d, h, e) ? -1 : 0;
	draw_free(&d);
	return bad;
}

/* What a volume's labels are called; where two disagree, nothing. */
static int take_names(struct report *r, const struct frame *f, struct err *e)
{
	const char *label;
	json_t *names, *v;

	if (names_get(f, &names, e))
		return -1;
	if (!r->called)
		r->called = json_object();
	json_object_foreach(names, label, v)
		names_set(r->called, strtoll(label, NULL, 10), v);
	json_decref(names);
	return 0;
}

int report_frame(struct report *r, const struct frame *f, struct err *e)
{
	int64_t k = 0;

	while (k < r->n && strcmp(r->c[k].id, frame_id(f)))
		k++;
	if (k == r->n)
		return err_set(e, NULL, "no such case in %s", r->scores.path);
	if (r->c[k].picture.n)
		return err_set(e, NULL, "this case came before");
	if (take_names(r, f, e) || !frame_need(f, "image", e) || draw_picture(r, f, &r->c[k].picture, e))
		return -1;
	return k < r->o->viewers ? report_slices(r->o, f, &r->c[k].slices, e) : 0;
}

/* All cases without a volume in one error. */
static int all_there(const struct report *r, struct err *e)
{
	char names[700] = "";
	size_t used = 0;
	int64_t lost = 0;

	for (int64_t k = 0; k < r->n; k++) {
		size_t n = strlen(r->c[k].id);

		if (r->c[k].picture.n)
			continue;
		if (used + n + 3 < sizeof names)
			used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", lost ? ", " : "", r->c[k].id);
		else if (used < sizeof names)
			used = sizeof names; /* no room for this one, none for those behind it */
		lost++;
	}
	if (!lost)
		return 0;
	return err_set(e, NULL, "%lld of %lld cases of %.100s have no volume: %s%s", (long long)lost, (long long)r->n, r->scores.path, names,
	               used == sizeof names ? ", ..." : "");
}

/* -- the page ---------------------------------------------------------------- */

static void head(const struct report *r, struct html *h)
{
	const char *title = r->o->title ? r->o->title : "Segmentation report";

	html_put(h, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
	            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
	            "'unsafe-inline'\">\n<meta name=\"generator\" content=\"niipipe " NIIPIPE_VERSION "\">\n<title>");
	html_text(h, title);
	html_put(h, "</title>\n<style>\n");
	html_put(h, report_css);
	html_put(h, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#scores\">Skip to the scores</a>\n<header><h1>");
	html_text(h, title);
	html_put(h, "</h1></header>\n<main>\n");
}

static int put_cases(const struct report *r, int volumes, struct html *h, struct out *out, struct err *e)
{
	html_put(h, "<section aria-labelledby=\"cases\"><h2 id=\"cases\">Cases, the worst first</h2>\n");
	if (volumes)
		html_put(h, "<p>Truth is blue, prediction orange, yellow where both have their edge. A line is the longest diameter in one slice of voxels; the "
		            "table's may lie between two slices and be longer.</p>\n");
	for (int64_t k = 0; k < r->n; k++) {
		report_case(r, k, h);
		if (html_write(h, out, e))
			return -1;
	}
	html_put(h, "</section>\n");
	return 0;
}

/* Cut at its lines. */
static void put_history(char *history, struct html *h)
{
	char *line;

	html_put(h, "<section aria-labelledby=\"history\"><h2 id=\"history\">Where this comes from</h2>\n<pre>");
	while ((line = strsep(&history, "\n"))) {
		html_text(h, line);
		html_put(h, history ? "\n" : "");
	}
	html_put(h, "</pre></section>\n");
}

static int put_page(const struct report *r, int volumes, char *history, struct html *h, struct out *out, struct err *e)
{
	head(r, h);
	if (report_summary(r, h, e) || report_model(r, h, e) || report_curves(r, h, e) || report_table(r, h, e) || report_charts(r, h, e) ||
	    put_cases(r, volumes, h, out, e))
		return -1;
	put_history(history, h);
	html_put(h, "</main>\n<script>\nconst levels = [");
	report_levels(h);
	html_put(h, "];\n");
	html_put(h, report_js);
	html_put(h, "</script>\n</body>\n</html>\n");
	return html_write(h, out, e);
}

int report_write(struct report *r, int volumes, char *history, struct out *out, struct err *e)
{
	struct html h = {0};
	int bad = (volumes && all_there(r, e)) || put_page(r, volumes, history, &h, out, e) ? -1 : 0;

	html_free(&h);
	return bad;
}
