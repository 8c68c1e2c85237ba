/* The axes of an interpolation, its kinds, and what interpolation axis by axis (interp*.c) shares with that along any affine (warp*.c). Private to
   them. */
#ifndef NIIPIPE_INTERP_AXIS_H
#define NIIPIPE_INTERP_AXIS_H

#include "lib/volume/prob/prob.h"
#include "lib/volume/resample/interp.h"

/* Where each voxel of an axis comes from.
   Linear: in[at] * (1 - w) + in[at + 1] * w; at + 1 exists, but for an axis of one voxel, which is doubled.
   Cubic: the sum of in[at + k] * w[4 i + k], k 0 to 3, of the axis with INTERP_PAD voxels more at both ends. */
struct axis {
	int64_t from, n; /* voxels before and after */
	int32_t *at;
	float *w;
	int filter;      /* cubic: values to coefficients first */
	int mirror;      /* cubic: as interp.h has it */
};

enum { INTERP_PAD = 2 };

/* How a tensor of this role is interpolated. */
enum interp_way { INTERP_BY_NEAREST, INTERP_BY_LINEAR, INTERP_BY_CUBIC, INTERP_BY_SHARES, INTERP_WAYS };
enum interp_way interp_way(enum geo_role role, const struct interp_map *m);

/* The channel c of t alone, [Z,Y,X]; data are t's. */
struct tensor interp_channel(const struct tensor *t, int64_t c);

/* prob of f where it has scores of 2 to 256 classes on g. NULL and an error. */
const struct tensor *interp_scores(const struct frame *f, const struct grid *g, struct err *e);

/* For every block of columns of a volume whose slices are of `plane` voxels, column `at` to at + width - 1: fn, with scratch for n rows of width
   floats. Blocks are shared among threads. 0 or -1. */
typedef void interp_columns_fn(float *rows, int64_t at, int64_t width, void *arg);
int interp_columns(int64_t n, int64_t plane, interp_columns_fn *fn, void *arg, struct err *e);

/* Linear: t into dst [C, n z, n y, n x]. And of scores [K,Z,Y,X] the label that follows from them, by slabs. 0 or -1. */
int interp_linear(const struct tensor *t, float *dst, const struct axis a[3], struct err *e);
int interp_linear_argmax(const struct tensor *t, const struct prob_choice *how, uint8_t *pred, const struct axis a[3], struct err *e);

/* Cubic: t, floats or integers, into dst [C, n z, n y, n x]; limits: clip to the values of this tensor of t's shape (NULL: no clipping); slices: by
   slice. 0 or -1. */
int interp_cubic(const struct tensor *t, const struct tensor *limits, float *dst, const struct axis a[3], int slices, struct err *e);

/* B-spline coefficients of a channel into v [nz + 4, ny + 4, nx + 4]: INTERP_PAD more than voxels at every end. 0 or -1. */
int interp_spline(const struct tensor *t, float *v, struct err *e);

/* Weights of the four coefficients around x, w (0 to 1) beyond the second of them: the cubic B-spline. */
void interp_spline_weights(double w, float out[4]);

/* Labels by their linear shares, into dst, of t's type. 0 or -1. */
int interp_labels(const struct tensor *t, char *dst, const struct axis a[3], enum interp_label how, struct err *e);

/* The label of eight neighbours with these weights; bits 0, 1, 2 of a neighbour: the one farther on along x, y, z. */
int64_t interp_vote(const int64_t v[8], const double w[8], enum interp_label how);

/* Is anything to be smoothed before it becomes coarser by these factors? */
int interp_will_smooth(const double factor[3]);

/* A channel, smoothed before an axis becomes coarser by a factor above 1, into out F32 [Z,Y,X]: a Gaussian of (factor - 1) / 2 voxels, cut at 4 of
   them, the border's values going on (scipy.ndimage.gaussian_filter, mode "nearest", as skimage's resize(mode="edge", anti_aliasing=True) calls it).
   0 or -1. */
int interp_smooth(const struct tensor *t, const double factor[3], float *out, struct err *e);

#endif
