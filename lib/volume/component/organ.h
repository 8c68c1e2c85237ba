/* The lungs and the body in a chest CT, by thresholds and components: no network. Slices are axial: x and y lie in them. */
#ifndef NIIPIPE_ORGAN_H
#define NIIPIPE_ORGAN_H

#include "lib/volume/geometry/geo.h"

enum organ {
	ORGAN_LUNGS, /* below -400 HU, 6-connected: components that touch no side (x, y), reach 70 mm or more in x and y, and have 150 mL or more and 15 %
	                of the largest such component's voxels or more. Airways belong to them */
	ORGAN_BODY   /* above -300 HU and the lungs, opened in the slice by a square that reaches 8 mm (rounded up to voxels) from its centre, which takes
	                tables, sheets and tubes away; of that the largest component, 6-connected. What is outside of the volume counts as body
	                in the opening */
};

/* mask: U8, g's voxels, 1 in the organ; caller frees; voxels: how many. image: one channel in HU on g, any type. 0, or -1 and an error: none
   found. */
int organ_find(const struct tensor *image, const struct grid *g, enum organ which, uint8_t **mask, int64_t *voxels, struct err *e);

#endif
