/* Connected components of a label volume, by runs along x: one pass over the voxels, union-find over the runs, memory in proportion to the runs.
   Everything that does not need single voxels (sizes, boxes, overlaps, diameters) works on the runs. */
#ifndef NIIPIPE_COMPONENT_H
#define NIIPIPE_COMPONENT_H

#include "lib/stream/frame.h"

struct component_run {
	int64_t value;   /* of its first voxel */
	int32_t x0, x1;  /* voxels x0 <= x < x1 */
	uint32_t of;     /* index of its component */
};

struct component {
	int64_t value;   /* of its first voxel */
	int64_t voxels, runs;
	int32_t lo[3], hi[3]; /* bounding box x,y,z: lo <= i < hi */
};

struct components {
	int64_t size[3];           /* x, y, z of the volume */
	int64_t *row;              /* runs of row y of slice z: run[row[z * size[1] + y]] up to the next row's; in order of x */
	struct component_run *run;
	uint32_t n;
	struct component *c;       /* in the order of their first voxels, x fastest */
};

enum component_of {
	COMPONENT_VALUE, /* voxels of one value belong together: every label by itself */
	COMPONENT_UNION  /* all that is not 0 */
};

/* The components of t, integers [Z,Y,X], 0 is background; connectivity 6, 18 or 26. t may be unaligned. 0, or -1 and an error.
   Released with component_free, which is safe on a zeroed struct. */
int component_find(const struct tensor *t, int connectivity, enum component_of of, struct components *c, struct err *e);
void component_free(struct components *c);

/* The components of the background: what no run of `around` covers; their values are 0. As component_find. */
int component_gaps(const struct components *around, int connectivity, struct components *c, struct err *e);

/* Which components stay: those that meet every condition, and of these the k largest, of every value by itself or of all (COMPONENT_UNION).
   Of equal sizes the one whose first voxel comes first, x fastest, is the larger. Zeroed: all stay. */
struct component_rule {
	int64_t k;               /* 0: all of them */
	int64_t least;           /* voxels */
	const struct tensor *on; /* a mask, integers [Z,Y,X] of the same size: at least one voxel, and at least */
	double fraction;         /* this share of the voxels must lie on it; or NULL */
	const int64_t *only;     /* components of other values than these all stay; */
	int n_only;              /* 0: none do for that */
};

/* Set the components of t that do not stay to 0. c is what component_find found in t. 0, or -1 and an error. (component_keep.c) */
int component_keep(struct tensor *t, const struct components *c, enum component_of of, const struct component_rule *rule, struct err *e);

/* Fill the holes of t, integers [Z,Y,X]: components of its background that do not touch the border of the volume, voxels being neighbours by 6 where
   connectivity is 18 or 26, and by 26 where it is 6. A hole takes the label of its neighbours (by the same rule); one with several stays,
   but with COMPONENT_UNION takes that of the voxel before its first. With one label that is scipy.ndimage.binary_fill_holes, whose
   default is connectivity 18 or 26 here. 0, or -1 and an error. (component_holes.c) */
int component_fill_holes(struct tensor *t, int connectivity, enum component_of of, struct err *e);

/* The runs of components, gathered by group: what diameters are measured on. */
struct component_line { int32_t x0, x1, y, z; }; /* voxels x0 <= x < x1 */

/* Group g's lines are (*line)[(*first)[g]] up to (*first)[g + 1], in the order of z, y, x. group[i]: of component i, below `groups`; group NULL:
   every component is a group. Caller frees both. 0 or -1. */
int component_lines(const struct components *c, const uint32_t *group, uint32_t groups, struct component_line **line, size_t **first,
                    struct err *e);

#endif
