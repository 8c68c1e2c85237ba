/* A lesion as RECIST 1.1 measures it (Eisenhauer et al., EJC 2009;45:228): the longest diameter in an axial slice and the short axis across it; which
   lesions are measurable, which are targets, and what a later sum of diameters means. */
#ifndef NIIPIPE_RECIST_H
#define NIIPIPE_RECIST_H

#include "lib/base/arg.h"
#include "lib/base/table.h"
#include "lib/volume/recist/diameter.h"

struct recist_line {
	double longest;      /* mm, in one slice of voxels (diameter.h: line) */
	int32_t z;           /* the slice */
	double end[2][2];    /* ends of the longest diameter, voxels x, y */
	double width;        /* short axis as callipers see it: how far the lesion reaches across the longest diameter in that slice, mm */
	double chord;        /* short axis as a reader draws it: the longest straight line at right angles to the longest diameter with both ends in the
	                        lesion; holes and bays are crossed. Never more than width */
	double across[2][2]; /* its ends, voxels x, y */
	double inside;       /* which part of the longest diameter lies on voxels of the lesion, 0 to 1 */
};

/* d: what diameter_measure found for these lines, affine and `by`. The lesion's outline in the slice is, by `by`, marching squares through the
   middles between voxels, lines between centres of neighbouring voxels, or the pixels' edges. n > 0. 0, or -1 and an error: no memory. */
int recist_measure(const struct component_line *line, size_t n, const double affine[16], enum diameter_by by, const struct diameter *d,
                   struct recist_line *r, struct err *e);

/* ---- targets, response (recist_rule.c) ---- */

struct recist_rule {
	double slice_mm;     /* thickness of the slices; 0: their spacing */
	int targets, organ;  /* at most so many, and so many of one label (5, 2) */
	const int64_t *node; /* labels that are lymph nodes: their short axis counts */
	int nodes;
};

struct recist_lesion {
	int64_t label, number; /* number: from 1 on in a label, in the order of first voxels, x fastest */
	int64_t voxels;
	double ml, space;      /* longest diameter in space, mm */
	struct recist_line line;      /* z and voxels as the axial view has them */
	double end[4][3];             /* ends of the longest diameter and of the chord, voxels x, y, z of the volume itself */
	double world[4][3];           /* the same in mm */
	int node, measurable, target;
};

/* Measurable: the longest diameter is at least 10 mm, or twice the slices' thickness where that is above 5 mm; of a node, the short axis (chord) at
   least 15 mm. */
int recist_is_measurable(const struct recist_lesion *l, double slice_mm);

/* What a lesion adds to the sum of diameters: its longest diameter, or a node's short axis. */
double recist_size(const struct recist_lesion *l);

/* Choose targets among n lesions of a case: measurable ones, the largest first, within the rule's limits. Of equal ones the first. */
void recist_choose(struct recist_lesion *l, size_t n, const struct recist_rule *rule);

/* The same on a later day: of every label as many as were targets then, measurable or not, the largest first. was[i]: a label, `of` of them, one for
   each target. */
void recist_follow(struct recist_lesion *l, size_t n, const int64_t *was, size_t of);

/* Sum of diameters of the targets, mm. */
double recist_sum(const struct recist_lesion *l, size_t n);

enum recist_response { RECIST_CR, RECIST_PR, RECIST_SD, RECIST_PD, RECIST_NE };
const char *recist_name(enum recist_response r); /* "CR" */

/* CR: no lesion is left but nodes with a short axis below 10 mm. PD: the sum is at least 20 % and 5 mm above the smallest one there was (nadir, the
   baseline counts). PR: at least 30 % below baseline. SD: else. NE: there was no target at baseline. New lesions are for the reader to judge. */
enum recist_response recist_respond(const struct recist_lesion *l, size_t n, double baseline, double nadir);

/* ---- a case (recist_case.c) ---- */

struct recist_options {
	enum diameter_by by;
	int all;                       /* all labels together, as label 1 */
	int connectivity;              /* of lesions: 6, 18 or 26 */
	const struct arg_ints *labels; /* only these; n 0: all that there are */
	struct recist_rule rule;
};

struct recist_case {
	char *id;
	struct recist_lesion *l; /* by label, then number */
	size_t n;
	double slice_mm, tilt;   /* thickness the rule went by; degrees between slices and the axial plane */
	double baseline, nadir;  /* mm; NaN: not known */
	enum recist_response response;
};

/* The lesions of a mask, integers [Z,Y,X], measured, targets chosen. 0, or -1 and an error. Freed with
   recist_case_free, which is safe on a zeroed one. */
int recist_mask(const struct tensor *t, const double affine[16], const struct recist_options *o, struct recist_case *c, struct err *e);
void recist_case_free(struct recist_case *c);

/* ---- tables (recist_table.c) ---- */

enum recist_table { RECIST_LESIONS, RECIST_CASES };

/* A line a lesion, or a line a case; JSON has both, and what `about` (an object, borrowed) has. 0 or -1. */
int recist_write(const struct recist_case *c, size_t n, enum recist_table which, struct out *out, struct err *e);
int recist_write_json(const struct recist_case *c, size_t n, json_t *about, struct out *out, struct err *e);

/* ---- earlier days (recist_past.c) ---- */

struct recist_past {
	struct table *baseline; /* RECIST_LESIONS */
	struct table *nadir;    /* either table, */
	int nadirs;             /* so many */
	double least;           /* mm: another nadir; INFINITY: none */
};

/* Choose the targets again as many as there were in the baseline, take the smallest sum there was, say the response. The case must be in every
   table. 0, or -1 and an error. */
int recist_compare(struct recist_case *c, const struct recist_past *p, struct err *e);

#endif
