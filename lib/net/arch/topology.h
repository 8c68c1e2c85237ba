/* How a U-Net halves its patches, and how large its feature maps get. Private to lib/net/planner*.c. */
#ifndef NIIPIPE_TOPOLOGY_H
#define NIIPIPE_TOPOLOGY_H

#include "lib/base/err.h"

enum { TOPOLOGY_STAGES = 24 };

struct topology {
	int stages, flat; /* flat: 1, the first axis is not there: of two dimensions */
	int stride[TOPOLOGY_STAGES][3], kernel[TOPOLOGY_STAGES][3]; /* axes in the plans' order, as all here */
	double patch[3]; /* grown to a multiple of */
	double divide[3];
};

/* Source: get_pool_and_conv_props. patch: whole or half voxels; flat: its first is 1. */
void topology_make(struct topology *t, int flat, const double spacing[3], const double patch[3]);

/* Source: compute_conv_feature_map_size of PlainConvUNet, of ResidualEncoderUNet. */
double topology_features(const struct topology *t, int residual, int64_t classes);
int topology_channels(int stage, int flat);
int topology_blocks(int stage, int residual);

#endif
