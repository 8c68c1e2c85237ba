/* Masks seen in axial slices: the voxel axis nearest to the patient's head-foot axis takes the place of z. */
#ifndef NIIPIPE_AXIAL_H
#define NIIPIPE_AXIAL_H

#include "lib/volume/component/component.h"

/* That axis: 0 x, 1 y, 2 z; of equals the last. */
int axial_axis(const double affine[16]);

/* Degrees between that axis and the head-foot axis. */
double axial_tilt(const double affine[16]);

/* The affine with x or y (axis) and z exchanged. Its own inverse. */
void axial_affine(double affine[16], int axis);

/* component_find in t with x or y (axis) and z exchanged; t is left alone. A copy of t is made where axis is not 2. 0 or -1. */
int axial_components(const struct tensor *t, int axis, int connectivity, enum component_of of, struct components *c, struct err *e);

#endif
