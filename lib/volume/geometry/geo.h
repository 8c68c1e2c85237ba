/* Geometry of grids, and moving all of a frame's spatial tensors from one grid to another.
   A grid's axes are x,y,z; an affine is row major, voxel (x,y,z) to world RAS mm. */
#ifndef NIIPIPE_GEO_H
#define NIIPIPE_GEO_H

#include "lib/stream/frame.h"

enum { GEO_MOST = 1 << 20 }; /* voxels along an axis: more is refused as nonsense */

/* Spacing, mm: length of the affine's column for each axis. */
void geo_spacing(const struct grid *g, double spacing[3]);

/* A voxel's volume, mL. */
double geo_voxel_ml(const double affine[16]);

/* Axes of length above zero and at right angles (|cosine| <= 1e-3)? 0, or -1 and an error that says which are not. */
int geo_check_right(const struct grid *g, struct err *e);

/* Axes of length above zero that do not lie in a plane but for 0.06 degrees? 0, or -1 and an error. */
int geo_check_solid(const struct grid *g, struct err *e);

/* u[r][i]: axis i's direction in the world. Where the axes are not at right angles, that of the closest ones that are (polar decomposition, as
   nibabel's io_orientation). 0, or -1 and the error of geo_check_solid. */
int geo_directions(const struct grid *g, double u[3][3], struct err *e);

/* m: voxel (x,y,z) of `to` lies at m[j][0] x + m[j][1] y + m[j][2] z + m[j][3] on axis j of g; both may be rotated and sheared. 0, or -1 and the
   error of geo_check_solid. */
int geo_between(const struct grid *g, const struct grid *to, double m[3][4], struct err *e);

/* Move voxel (0,0,0) to where voxel lo was: origin = A lo. The size stays. */
void geo_move(struct grid *g, const int64_t lo[3]);

int geo_same_size(const struct grid *a, const struct grid *b);
int64_t geo_voxels(const struct grid *g);

/* *voxels: the fewest that make up mm3 (> 0), a millionth of rounding allowed. 0, or -1 and an error where a voxel has no volume. */
int geo_least_voxels(const struct grid *g, double mm3, int64_t *voxels, struct err *e);

/* What a tensor is to preprocessing. Spatial: its last three axes are the grid and it has 3 or 4 axes. */
enum geo_role { ROLE_PASS, ROLE_IMAGE, ROLE_LABEL, ROLE_PROB, ROLE_FLOAT, ROLE_INT };

/* ROLE_IMAGE, ROLE_LABEL (label, pred) and ROLE_PROB by name; any other tensor on grid g is ROLE_FLOAT or ROLE_INT by its type, else ROLE_PASS. */
enum geo_role geo_role(const struct tensor *t, const struct grid *g);

/* Number of [Z,Y,X] volumes in a spatial tensor: 1, or the first axis of four. */
int64_t geo_planes(const struct tensor *t);

/* Number c of these, from 0 on, as a tensor [Z,Y,X] of the same name; its data are t's. 0, or -1 and an error: there is no such. */
int geo_plane(const struct tensor *t, int64_t c, struct tensor *one, struct err *e);

/* Make of t, which is on grid `from`, its values on grid `to`: geo_planes(t) volumes, new memory from mem_new, which the caller owns.
   *type is t's type and may be changed. NULL and an error. */
typedef void *geo_regrid_fn(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype *type, void *arg,
                        struct err *e);

/* Replace every spatial tensor of f by what fn makes of it, and set the affine to `to`'s; one tensor's old and new values are in memory at a
   time, beside what the frame was read into. label and pred must be integers [Z,Y,X], or it is an error. 0 or -1. */
int geo_regrid(struct frame *f, const struct grid *from, const struct grid *to, geo_regrid_fn *fn, void *arg, struct err *e);

/* The same with values that are made later: fn returns what makes them, of t's type. */
typedef struct later *geo_later_fn(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, void *arg,
                                   struct err *e);
int geo_regrid_later(struct frame *f, const struct grid *from, const struct grid *to, geo_later_fn *fn, void *arg, struct err *e);

#endif
