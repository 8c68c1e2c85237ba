/* Voxels drawn by a map of weights: sums by slice in double, so that one is found by bisection and the scan of one slice. 8 bytes a slice; no sums
   of the whole map. */
#ifndef NIIPIPE_WEIGHT_H
#define NIIPIPE_WEIGHT_H

#include "lib/base/rng.h"
#include "lib/stream/frame.h"

struct weight {
	int64_t size[3];       /* of the map: x,y,z */
	int64_t lo[3], hi[3];  /* the part of it to draw from */
	double *before;        /* [hi[2] - lo[2] + 1] weight of the part before slice lo[2] + z */
};

/* Sum up the part lo..hi (hi excluded) of map t, on g; of several channels the first. Weights are taken as float32; negative or not finite ones
   are an error that names the voxel. Data need not be aligned. Released with weight_free. 0, or -1 and an error. */
int weight_make(struct weight *w, const struct tensor *t, const struct grid *g, const int64_t lo[3], const int64_t hi[3], struct err *e);
void weight_free(struct weight *w); /* safe on a zeroed one */

/* Draw a voxel of the part with its weight's share of the sum; all alike where the sum is 0: x,y,z. One draw, or two. t as for weight_make. */
void weight_draw(const struct weight *w, const struct tensor *t, struct rng *r, int64_t at[3]);

#endif
