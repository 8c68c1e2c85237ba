/* Orientation: which way the axes of a volume run, as three letters of R L, A P, S I; "RAS": x increases to the right, y to the front, z to the
   head. Definition: nibabel's io_orientation and ornt_transform, which MONAI's Orientation uses. Only whole axes are swapped and reversed, so no
   value changes, and a sheared affine stays sheared. */
#ifndef NIIPIPE_ORIENT_H
#define NIIPIPE_ORIENT_H

#include "lib/volume/geometry/geo.h"

struct orient {
	int axis[3]; /* axis i of the result is this axis of the source, */
	int flip[3]; /* reversed where set */
};

/* Is code three letters, one of each pair? 0, or -1 and an error. */
int orient_check(const char *code, struct err *e);

/* The code of g's axes, as --orient would leave them: "" where they lie in a plane. */
void orient_code(const struct grid *g, char code[4]);

/* That of the volume that the patch f on g was cut from, whatever was flipped since; of what is no patch its own. */
void orient_volume(const struct frame *f, const struct grid *g, char code[4]);

/* How the axes of g are to be turned to run as code says. 0, or -1 and an error: not a code, axes in a plane. */
int orient_find(const struct grid *g, const char *code, struct orient *o, struct err *e);
int orient_is_nothing(const struct orient *o);
struct orient orient_inverse(const struct orient *o);

/* The grid g turned by o: every voxel keeps its place in the world. */
struct grid orient_grid(const struct grid *g, const struct orient *o);

/* Turn f from its grid *g by o; *g becomes the new grid. 0 or -1. */
int orient_frame(struct frame *f, struct grid *g, const struct orient *o, struct err *e);

#endif
