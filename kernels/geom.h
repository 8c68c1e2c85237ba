/* A convolution's sizes, for every backend. */
#ifndef NIIPIPE_GEOM_H
#define NIIPIPE_GEOM_H

#include "kernels/backend.h"

/* Do they fit each other? 0, or -1 and an error that names the axis. */
int k_conv_check(const struct k_conv_geom *g, struct err *e);

/* What follows from them: weights are [a][b][taps]; voxels and pitches of x and y. */
struct k_conv_dims { int64_t a, b, taps, xvox, yvox, xp, yp; };
struct k_conv_dims k_conv_dims(const struct k_conv_geom *g);

#endif
