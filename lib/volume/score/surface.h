/* How far two surfaces are apart: Hausdorff distances, mean distances, surface Dice. */
#ifndef NIIPIPE_SURFACE_H
#define NIIPIPE_SURFACE_H

#include "lib/volume/component/component.h"

enum { SURFACE_TOLERANCES = 8 };

/* What a surface is. */
enum surface_by {
	SURFACE_MONAI,   /* voxels of the mask with a neighbour (by face) outside, all alike: MONAI's get_mask_edges (monai/metrics/utils.py). A percentile
	                    lies between two distances as numpy.quantile has it */
	SURFACE_DEEPMIND /* corners of voxels between inside and outside, each with the area of the marching-cubes mesh around it (DeepMind's
	                    surface-distance, metrics.py; MONAI's use_subvoxels). A percentile is of the area */
};

/* The voxels of value *value (NULL: all) of each; lo <= i < hi: a box that holds both. */
struct surface_pair {
	const struct components *truth, *pred;
	const int64_t *value;
	int32_t lo[3], hi[3];
	double spacing[3]; /* mm; axes at right angles */
};

struct surface_distances {
	double hd, hd95;  /* mm, the larger of both directions */
	double assd;      /* mm, mean over both surfaces together */
	double masd;      /* mm, mean of the two directions' means */
	double nsd[SURFACE_TOLERANCES]; /* share of both surfaces that lies within tolerance[i] of the other */
};

/* Neither mask may be empty. Memory: a byte for every voxel of the box, and distance.h's. 0, or -1 and an error. */
int surface_compare(const struct surface_pair *p, enum surface_by by, const double *tolerance, int tolerances, struct surface_distances *s,
                    struct err *e);

/* mm^2 of the surface around a corner: area[code], bit x + 2 y + 4 z of the code set where the voxel on that side of the corner is inside. */
void surface_areas(const double spacing[3], double area[256]);

#endif
