/* Boxes of voxels: cutting one out of a frame and putting it back. A box may reach outside its grid. */
#ifndef NIIPIPE_BOX_H
#define NIIPIPE_BOX_H

#include "lib/volume/geometry/geo.h"

struct box {
	int64_t lo[3], hi[3]; /* x,y,z: first voxel, and one past the last, relative to the grid it is a box of */
};

/* {"box": [x,y,z of lo, x,y,z of hi]}: what a history entry's undo says of a box. box_get: 0, or -1 and an error where it is not there or not
   1..2^20 wide. */
json_t *box_json(const struct box *b);
int box_get(struct box *b, const json_t *undo, struct err *e);
int box_set(struct box *b, const int64_t v[6], struct err *e); /* the same from six numbers */

/* Make f, on grid g, the part of it in the box. Outside g stands `fill` in image, 0 in labels and all else; in prob what box_scores says. The
   affine moves to the box's first voxel. *g becomes the new grid. An error where fill does not fit the image's type. box_cut_later: the values are
   made when the frame is written (tensor_later). 0 or -1. */
int box_cut_later(struct frame *f, struct grid *g, const struct box *b, double fill, struct err *e);
int box_cut(struct frame *f, struct grid *g, const struct box *b, double fill, struct err *e);

/* The inverse: make f, whose grid is the size of the box, the grid `whole` with f in the box and the same values as above elsewhere (image: fill 0).
   The affine becomes that of `whole`, bit for bit. 0 or -1. */
int box_paste(struct frame *f, const struct grid *whole, const struct box *b, struct err *e);

/* What stands outside of a grid in f's prob, in class 0 and in the others, so that it is background by any rule: of probabilities 1 and 0, of logits
   16 and 0 (a softmax of 1 - 1e-7); where all classes are foreground, regions or a single one, 0 or -16. 0 where metadata prob does not say which. */
struct box_scores { double first, other; };
struct box_scores box_scores(const struct frame *f);

/* What stands there in channel c of a tensor, as one element of this type: `fill` in image, those in prob, else 0. 0, or -1 and an error where the
   type cannot hold it. */
int box_background(enum geo_role role, enum dtype type, int64_t c, const struct box_scores *prob, double fill, char value[8], struct err *e);

/* n elements of `size` bytes, all this one. */
void box_fill(char *row, int64_t n, const char value[8], size_t size);

#endif
