/* The parts of a report. Private to lib/volume/report*.c. */
#ifndef NIIPIPE_REPORT_PARTS_H
#define NIIPIPE_REPORT_PARTS_H

#include "lib/base/html.h"
#include "lib/base/table.h"
#include "lib/stream/names.h"
#include "lib/volume/report/chart.h"
#include "lib/volume/report/report.h"

struct report_row { const char *id; int64_t at; }; /* borrowed; row of the table */

struct report_case {
	const char *id;         /* borrowed from the table */
	const struct report_row *row; /* its rows, one a label */
	int64_t labels;
	double dice;            /* mean over its labels; NaN: none is defined */
	struct html picture, slices; /* what report_frame made of it; n 0: nothing */
};

struct report {
	const struct report_opts *o;
	struct table scores;
	int64_t id, label, dice; /* columns */
	int64_t rows;            /* without the summary */
	struct report_row *row;  /* case by case */
	int64_t n;
	struct report_case *c;   /* the worst first */
	int64_t labels;
	const char **name;       /* of the labels, as the table has them */
	json_t *called;          /* names of labels that the volumes have: names.h */
};

/* A label as the table has it, and its name if it has one. */
void report_label(const struct report *r, const char *label, struct html *h);

/* Sections. Nothing is put for what there is no data. 0, or -1 and an error. */
int report_model(const struct report *r, struct html *h, struct err *e);
int report_curves(const struct report *r, struct html *h, struct err *e);
int report_summary(const struct report *r, struct html *h, struct err *e);
int report_table(const struct report *r, struct html *h, struct err *e);
int report_charts(const struct report *r, struct html *h, struct err *e);
void report_case(const struct report *r, int64_t k, struct html *h);

/* The slices of f about its masks, packed for the viewer: an element whose attributes say what they are. 0 or -1. */
int report_slices(const struct report_opts *o, const struct frame *f, struct html *h, struct err *e);
void report_levels(struct html *h); /* what the packed bytes mean, in HU: an array of JavaScript */

/* A column of the table: what people call it, how it is written. Never NULL: a column that is not known is called what it is. */
/* digits after the point, -1: four that count; chart: has a box plot */
struct report_column { const char *name; char heading[128]; int digits, chart; };
struct report_column report_column(const char *name);

/* A number of the table as text for people: empty where it is not defined. */
void report_number(struct html *h, const struct report_column *c, double v);

/* Files of this folder, compiled in; they end in a 0. (report_files.c) */
extern const char report_css[], report_js[], report_gp[];

#endif
