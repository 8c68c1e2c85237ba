/* Do a convolution's sizes fit each other? For every backend. */
#ifndef NIIPIPE_GEOM_H
#define NIIPIPE_GEOM_H

#include "kernels/backend.h"

/* 0, or -1 and an error that names the axis. */
int k_conv_check(const struct k_conv_geom *g, struct err *e);

#endif
