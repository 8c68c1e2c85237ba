/* How well a predicted mask agrees with the truth: overlap, volumes, longest diameters. For every label of a case by itself. */
#ifndef NIIPIPE_SCORE_H
#define NIIPIPE_SCORE_H

#include "lib/base/arg.h"
#include "lib/volume/diameter.h"

enum score_metric {
	SCORE_DICE,            /* 2 |T and P| / (|T| + |P|) */
	SCORE_IOU,             /* |T and P| / |T or P| */
	SCORE_TRUTH_ML, SCORE_PRED_ML,
	SCORE_VOLUME_ERROR,    /* |vp - vt| / vt */
	SCORE_VOLUME_BIAS,     /* (vp - vt) / vt */
	SCORE_TRUTH_3D, SCORE_PRED_3D,         /* longest diameter in space, mm */
	SCORE_ERROR_3D, SCORE_CLIPPED_3D,      /* |dp - dt| / dt, and that but at most 1 */
	SCORE_TRUTH_AXIAL, SCORE_PRED_AXIAL,   /* RECIST 1.1: longest diameter in an axial plane, mm */
	SCORE_ERROR_AXIAL, SCORE_CLIPPED_AXIAL,
	SCORE_METRICS
};

const char *score_name(enum score_metric m); /* "dice": as in the table's first line */
int score_find(const char *name, size_t n, enum score_metric *m); /* the metric named by n bytes: 0, or -1 */

/* Where there is no truth. Relative errors are NaN there, but for SCORE_ONE with both empty, where they are 0. */
enum score_empty {
	SCORE_NNUNET, /* Dice and IoU are NaN where prediction is empty too, else 0 */
	SCORE_MONAI,  /* NaN whatever the prediction (DiceMetric with ignore_empty) */
	SCORE_ONE     /* 1 where the prediction is empty too, else 0 */
};

struct score_options {
	enum score_empty empty;
	enum diameter_by by;
	int whole;                     /* diameters across all of a label; else each 26-connected lesion by itself, and the longest counts */
	int all;                       /* all labels together, as label 1 */
	const struct arg_ints *labels; /* these; n 0: those that truth or prediction have, 1 where there are none */
};

struct score {
	int64_t label, truth, pred, both; /* voxels */
	int64_t truth_lesions, pred_lesions; /* 26-connected components */
	double v[SCORE_METRICS];          /* NaN: not defined */
};

/* truth and pred: integers [Z,Y,X] of one shape. "Axial" is the plane of voxels nearest to it. *n scores, by rising label, into *out; caller frees.
   0, or -1 and an error. */
int score_case(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o, struct score **out,
               size_t *n, struct err *e);

/* A table of scores. */
struct score_row { char *id; struct score s; };
struct score_table { struct score_row *row; size_t n; };

int score_add(struct score_table *t, const char *id, const struct score *s, struct err *e);
void score_free(struct score_table *t);

/* Mean and median over the rows of a label of what is not NaN, and how many these are. */
struct score_summary { double mean, median; size_t count; };
int score_summarize(const struct score_table *t, int64_t label, enum score_metric m, struct score_summary *s, struct err *e);

/* The whole table with mean, median and count a label: tab-separated lines, or one JSON object (NaN: null). 0 or -1. */
int score_write_tsv(const struct score_table *t, struct out *o, struct err *e);
int score_write_json(const struct score_table *t, struct out *o, struct err *e);

#endif
