/* A convolution's sizes as kernels/gpu/direct.c, narrow.c and first.c take them. */
#ifndef NIIPIPE_GPU_DIRECT_H
#define NIIPIPE_GPU_DIRECT_H

#include <stdint.h>

struct gpu_direct {
	int64_t a, b, taps;              /* channels of the small and of the large end */
	int64_t small[3], large[3];
	int64_t svox, lvox, sp, lp;      /* voxels and pitches of the ends */
	int64_t kernel[3], stride[3], pad[3];
};

/* n of y of this size, channels of x and y and their pitches */
struct gpu_narrow { int n, size[3], ic, oc; int64_t xp, yp; };

#endif
