/* Lesions, components of two masks, matched with each other. */
#ifndef NIIPIPE_LESION_H
#define NIIPIPE_LESION_H

#include "lib/volume/component/component.h"

#define LESION_NONE UINT32_MAX

struct lesion_match {
	uint32_t *pred;  /* of each component of the truth: the component matched with it, or LESION_NONE */
	uint32_t *truth; /* and of each of the prediction */
	int64_t *both;   /* of each component of the truth: voxels in common with its match */
};

/* Pairs with voxels in common, of one value or (of UNION) of any, whose intersection over union is at least `least`, the best first; a lesion is
   matched once. Of equal pairs the one with the lower truth, then the lower prediction. That is panoptica's NaiveThresholdMatching by IOU; above
   0.5 no other matching is possible (Kirillov et al., CVPR 2019). Freed with lesion_free. 0 or -1. */
int lesion_find(const struct components *truth, const struct components *pred, enum component_of of, double least, struct lesion_match *m,
                struct err *e);
void lesion_free(struct lesion_match *m);

/* Runs of one row of both masks: where both are inside, by the runs' indices and how many voxels. */
typedef void lesion_overlap_fn(int64_t truth, int64_t pred, int64_t voxels, void *arg);
void lesion_overlaps(const struct components *truth, const struct components *pred, enum component_of of, lesion_overlap_fn *fn, void *arg);

#endif
