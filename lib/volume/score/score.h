/* How well a predicted mask agrees with the truth: overlap, volumes, diameters, surfaces, lesions. For every label of a case by itself. */
#ifndef NIIPIPE_SCORE_H
#define NIIPIPE_SCORE_H

#include "lib/base/arg.h"
#include "lib/stream/regions.h"
#include "lib/volume/recist/diameter.h"
#include "lib/volume/score/surface.h"

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
	SCORE_SENSITIVITY,     /* |T and P| / |T| */
	SCORE_PRECISION,       /* |T and P| / |P| */
	SCORE_VOLUME_DIFF,     /* vp - vt, mL */
	SCORE_HD, SCORE_HD95, SCORE_ASSD, SCORE_MASD, /* surface.h, mm */
	SCORE_NSD,             /* one for each tolerance */
	SCORE_LESION_TP = SCORE_NSD + SURFACE_TOLERANCES, SCORE_LESION_FP, SCORE_LESION_FN, /* lesions matched, and not */
	SCORE_LESION_F1,       /* 2 TP / (2 TP + FP + FN): the recognition quality of panoptic quality */
	SCORE_LESION_DICE,     /* sum of the matched pairs' Dice / (TP + FP + FN), as BraTS 2023 has it */
	SCORE_SQ,              /* mean IoU of the matched pairs */
	SCORE_PQ,              /* panoptic quality: sum of the matched pairs' IoU / (TP + FP / 2 + FN / 2) */
	SCORE_METRICS
};

enum score_group { SCORE_OF_OVERLAP, SCORE_OF_VOLUME, SCORE_OF_DIAMETER, SCORE_OF_SURFACE, SCORE_OF_LESION, SCORE_GROUPS };

/* The metrics that are computed and written, in the order of the table. (score_columns.c) */
struct score_columns {
	int n;
	enum score_metric m[SCORE_METRICS];
	char name[SCORE_METRICS][24];
	unsigned groups;        /* 1 << enum score_group of each */
	double tolerance[SURFACE_TOLERANCES];
	int tolerances;
};

/* list: names of metrics and groups (overlap, volume, diameter, surface, lesion), nsd for all of its tolerances, or all; commas between them.
   tolerance: mm, their columns are nsd_2mm and so on. 0, or -1 and an error that says which name there is not. */
int score_columns_choose(struct score_columns *c, const char *list, const double *tolerance, int tolerances, struct err *e);

/* The column named by n bytes: its index, or -1. */
int score_columns_find(const struct score_columns *c, const char *name, size_t n);

/* Where there is no truth. Relative errors are NaN there, but for SCORE_ONE with both empty, where they are 0. Surfaces do not depend on it: with
   both empty they are NaN (SCORE_ONE: distances 0, shares 1), with one empty distances are infinite, shares 0. */
enum score_empty {
	SCORE_NNUNET, /* Dice and IoU are NaN where prediction is empty too, else 0 */
	SCORE_MONAI,  /* NaN whatever the prediction (DiceMetric with ignore_empty) */
	SCORE_ONE     /* 1 where the prediction is empty too, else 0 */
};

struct score_options {
	enum score_empty empty;
	enum diameter_by by;
	enum surface_by surface;
	int whole;                     /* diameters across all of a label; else each lesion by itself, and the longest counts */
	int all;                       /* all labels together, as label 1 */
	const struct regions *regions; /* these by themselves, as labels 1, 2, ..; or NULL */
	int64_t ignore;                /* voxels whose truth is this label count as background in both; 0: there is none */
	int lesions;                   /* list them */
	int connectivity;              /* of lesions: 6, 18 or 26 */
	double match;                  /* least IoU of two lesions that are the same one */
	const struct arg_ints *labels; /* these; n 0: those that truth or prediction have, 1 where there are none */
	const struct arg_ints *allow;  /* n > 0: no other label may occur */
	const struct score_columns *columns;
};

struct score {
	int64_t label, truth, pred, both; /* voxels */
	int64_t truth_lesions, pred_lesions; /* components */
	double v[SCORE_METRICS];          /* NaN: not defined, or of a group that is not among the columns */
};

/* A lesion: of both masks where they were matched, else of one. */
struct score_lesion {
	int64_t label;
	int64_t number[2];     /* of truth, prediction: from 1 on in the order of their first voxels, x fastest; 0: there is none */
	int64_t voxels[2], both;
	struct diameter d[2];
};

struct score_case {
	struct score *s;
	struct score_lesion *lesion;
	size_t n, lesions;
	double voxel_ml;
};

/* truth and pred: integers [Z,Y,X] of one shape. "Axial" is the plane of voxels nearest to it. By rising label into *out; freed with score_case_free,
   which is safe on a zeroed one. 0, or -1 and an error: where neither o->labels nor o->all is given, also of more than SCORE_LABELS labels, which are
   a scan's values. */
enum { SCORE_LABELS = 1024 };
int score_masks(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o, struct score_case *out,
                struct err *e);
void score_case_free(struct score_case *c);

/* A table of scores. (score_table.c) */
struct score_row { char *id; struct score_case c; };
struct score_table { struct score_row *row; size_t n; const struct regions *regions; }; /* of which labels are the numbers, from 1 on; or NULL */

/* What a label is called: its number, or the region's name; text: room. And as JSON: a number or a string. */
enum { SCORE_LABEL = 24 };
const char *score_label(const struct score_table *t, int64_t label, char text[SCORE_LABEL]);
json_t *score_label_json(const struct score_table *t, int64_t label);

/* The order of what two labels of a table are called: numbers by what they are, before names. */
int score_label_order(const char *a, const char *b);

/* c is taken over, also on failure. 0 or -1. */
int score_add(struct score_table *t, const char *id, struct score_case *c, struct err *e);
void score_free(struct score_table *t);

/* What a summary says beside the cases. */
struct score_summary_options { int64_t resamples; int64_t seed; };

/* The mean of a column over the rows of a label of what is not NaN; NaN: there is none. */
double score_mean(const struct score_table *t, int64_t label, enum score_metric m);

/* The next label above *label (`first`: from the lowest on) that some row has: 1, or 0. */
int score_next_label(const struct score_table *t, int first, int64_t *label);

/* The whole table with a summary a label: tab-separated lines (an infinite number is inf), or one JSON object (NaN: null, infinite: "inf") with
   what `about` (an object, borrowed: options, where it comes from) has in it. 0 or -1. */
int score_write_tsv(const struct score_table *t, const struct score_columns *c, const struct score_summary_options *o, struct out *out,
                    struct err *e);
int score_write_json(const struct score_table *t, const struct score_columns *c, const struct score_summary_options *o, json_t *about,
                     struct out *out, struct err *e);

/* Is this what a line of the summary is called ("mean")? */
int score_is_summary(const char *id);

/* A number as these tables have it in JSON: NaN is null, an infinite one "inf" or "-inf". New reference. */
json_t *score_json(double v);

/* Any JSON object, and what `about` has, as these tables are written. 0, or -1 and an error: not UTF-8, no memory, disk full. */
int score_write_object(json_t *all, json_t *about, struct out *out, struct err *e);

/* A line a lesion: what was matched with what. (score_lesions.c) */
int score_write_lesions(const struct score_table *t, struct out *out, struct err *e);
int score_write_lesions_json(const struct score_table *t, json_t *about, struct out *out, struct err *e);

#endif
