/* Weights of a file fitted to a network by name: prefixes that training programs put in front (module., _orig_mod., network., ...), names that
   changed between versions, tensors that nnU-Net's files hold twice, constants that are no weights. */
#ifndef NIIPIPE_MATCH_H
#define NIIPIPE_MATCH_H

#include "lib/net/graph/graph.h"
#include "lib/net/import/weights.h"

/* Is told what was done, a line each (problem 0), and what does not fit, a line each (problem 1). */
typedef void match_say(void *arg, int problem, const char *line);

/* Axes of weights that were trained on arrays whose axes are, say, x,y,z: kernel axis k of ours is axis axes[k] of theirs. */
enum { MATCH_AXES = 3 };

/* Give a kernel (any other tensor is left) its axes in this order. slices: of two dimensions, see axes.h; -1. */
void match_turn(struct weight *w, const int axes[MATCH_AXES], int slices);

/* Rename w's tensors to the parameters of g, leave out what is known to be none, turn kernels by axes, and compare names, types and shapes.
   prefix: take the tensors whose names begin so, without it, and leave out the others; NULL: the prefix under which most parameters are found.
   0, or -1 and an error that counts what was said. */
int match_weights(struct weights *w, const struct graph *g, const char *prefix, const int axes[MATCH_AXES], match_say *say, void *arg, struct err *e);

#endif
