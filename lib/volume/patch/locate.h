/* Where a volume's voxels of each class are: counts by slice, so that the k-th voxel of a class is found by bisection and the scan of one slice.
   8 bytes a slice and class that is there; no list of voxels. */
#ifndef NIIPIPE_LOCATE_H
#define NIIPIPE_LOCATE_H

#include "lib/base/rng.h"
#include "lib/stream/frame.h"

/* Which voxels make a class. */
struct locate_rule {
	int binary;           /* class 1: label not 0, class 0: label 0; else class = label, where that is first..last */
	int first, last;      /* 0..255; other labels belong to no class */
	int strict;           /* a label above last is an error */
	int masked;           /* voxels of the classes below this one count only where a channel of image is above `threshold` */
	double threshold;
	int ignores;          /* voxels labelled `ignore` belong to no class */
	int ignore;
};

enum { LOCATE_CLASSES = 256 };

struct locate {
	int64_t size[3];               /* x,y,z */
	int n;                         /* classes that are there */
	uint8_t class[LOCATE_CLASSES]; /* [n] which, rising */
	int64_t *before;               /* [n][size[2] + 1] voxels of the class before slice z */
};

/* Count f's tensor label, integer [Z,Y,X] on g (absent: 0 everywhere); reads it, and image where voxels are masked, once. Data need not be
   aligned. Released with locate_free. 0, or -1 and an error. */
int locate_make(struct locate *l, const struct frame *f, const struct grid *g, const struct locate_rule *r, struct err *e);
void locate_free(struct locate *l); /* safe on a zeroed one */

/* Draw one of the voxels of class[k], all alike: x,y,z. One draw. f and r as they were for locate_make. */
void locate_draw(const struct locate *l, const struct frame *f, const struct locate_rule *r, int k, struct rng *rng, int64_t at[3]);

#endif
