/* A report on a segmentation as one HTML page that needs nothing beside it: model, curves, scores, charts, pictures, a viewer. */
#ifndef NIIPIPE_REPORT_H
#define NIIPIPE_REPORT_H

#include "lib/volume/view/view.h"

struct report_opts {
	const char *title;   /* NULL: "Segmentation report" */
	const char *scores;  /* seg-score's table */
	const char *log;     /* seg-train's, or NULL; needs gnuplot */
	const char *model;   /* a checkpoint, or NULL */
	int64_t viewers;     /* of so many cases, the worst, slices are embedded to scroll through */
	int64_t slices;      /* of each of them at most so many */
	int64_t pixels;      /* along the longer side of a slice, at most */
	int64_t channel;     /* of the image, which is shown */
	enum view_window window; /* of the pictures, as view.h has it */
	double lo, hi;
};

struct report;

/* Reads tables and model. o: borrowed. NULL and an error; closed with report_close. */
struct report *report_open(const struct report_opts *o, struct err *e);
void report_close(struct report *r); /* NULL is fine */

/* The volume of a case: image, and label and pred where they are there. A case without a row in the table, or given twice, is an error. 0 or -1. */
int report_frame(struct report *r, const struct frame *f, struct err *e);

/* The page. volumes: cases without a volume are an error that names them. history: where all of it comes from (story.h), which is cut into lines.
   0 or -1. */
int report_write(struct report *r, int volumes, char *history, struct out *out, struct err *e);

#endif
