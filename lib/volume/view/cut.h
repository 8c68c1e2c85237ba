/* A volume cut into slices the way a radiologist looks at them: axial from the feet (the patient's right on the left), coronal from the front,
   sagittal from the left. The voxel axes nearest to the world's are taken; an oblique volume is not resampled. */
#ifndef NIIPIPE_CUT_H
#define NIIPIPE_CUT_H

#include "lib/stream/frame.h"

enum cut_plane { CUT_AXIAL, CUT_CORONAL, CUT_SAGITTAL };

/* One axis of a slice, or the one across it: a voxel axis and the way along it. */
struct cut_way {
	int axis;          /* 0 x, 1 y, 2 z */
	int back;          /* runs from the last voxel to the first */
	int64_t total;     /* voxels of the volume */
	int64_t first, n;  /* the part that is shown, counted along the way */
	double spacing;    /* mm; 1 where the affine's axis has no length */
	char from, to;     /* letters at its ends, of R L A P S I */
};

struct cut { struct cut_way right, down, across; int64_t stride[3]; };

/* All of the volume on grid g. Layers are counted as voxels are, whatever the way. */
struct cut cut_of(const struct grid *g, enum cut_plane plane);

/* Layer k of the first volume of t as float32, [down.n][right.n]. Caller frees with free(). NULL and an error. */
float *cut_slice(const struct cut *c, const struct tensor *t, int64_t k, struct err *e);

/* A mask to look at: the tensor of that name where it is [Z,Y,X] on the grid, else NULL. */
const struct tensor *cut_mask(const struct frame *f, const char *name, const struct grid *g);

/* What n masks (NULL: none) have of the volume: voxels that are not 0 in every layer, and the box of all of them in the slice, along the ways.
   Caller frees count. 0, or -1 and an error. */
struct cut_marks { int64_t *count; int64_t lo[2], hi[2]; /* right, down: lo <= i < hi; hi 0: nothing is marked */ };
int cut_find(const struct cut *c, const struct tensor *const *mask, int n, struct cut_marks *m, struct err *e);

/* The layer with most of the marks, the first of these; the middle where there are none. */
int64_t cut_largest(const struct cut *c, const struct cut_marks *m);

/* `want` layers (at most across.n) spread evenly over the marked ones or, where these are fewer, over the least stretch of want layers about them. */
void cut_spread(const struct cut *c, const struct cut_marks *m, int64_t want, int64_t *layer);

/* Put n_must layers among n rising ones, each in the place of the nearest that is not one of them already. */
void cut_include(int64_t *layer, int64_t n, const int64_t *must, int n_must);

/* Show the box of the marks and at least mm around it, where there are any. */
void cut_close(struct cut *c, const struct cut_marks *m, double mm);

/* Where voxel coordinate v (whole at a voxel's centre) of the axis of w lies along it, 0 at the centre of the first voxel that is shown. */
double cut_along(const struct cut_way *w, double v);

#endif
