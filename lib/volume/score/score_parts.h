/* What score*.c share. */
#ifndef NIIPIPE_SCORE_PARTS_H
#define NIIPIPE_SCORE_PARTS_H

#include "lib/volume/score/lesion.h"
#include "lib/volume/score/score.h"

/* One mask. name: its tensor's; d: of every label, the longest; each: of every component, where they are listed. */
struct score_side { const char *name; struct components c; struct diameter *d, *each; int64_t *voxels, *lesions; };

struct score_work {
	const struct score_options *o;
	double affine[16]; /* of the axial view */
	int64_t *label;
	size_t n;
	struct score_side truth, pred;
	struct lesion_match match;
	struct err *e;
};

/* score_masks of masks on one grid: of labels, which exclude one another; and of o->regions, into what is zeroed. (score.c, score_regions.c) */
int score_labels(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o,
                 struct score_case *out, struct err *e);
int score_regions(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o,
                  struct score_case *out, struct err *e);

/* Index of a label, or w->n where it is not scored. */
size_t score_slot(const struct score_work *w, int64_t value);

/* Diameters of a side's labels, and of every component where they are listed. 0 or -1. (score_diameter.c) */
int score_diameters(const struct score_work *w, struct score_side *s);

/* Matching lesions: the numbers of every label, and the list. s: w->n of them. 0 or -1. (score_lesion.c) */
int score_match(struct score_work *w, struct score *s);
int score_list_lesions(const struct score_work *w, struct score_case *out);

#endif
