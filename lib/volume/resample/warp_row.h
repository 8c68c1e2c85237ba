/* Rows of a grid that lies anyhow in another. Private to warp*.c. */
#ifndef NIIPIPE_WARP_ROW_H
#define NIIPIPE_WARP_ROW_H

#include "lib/volume/resample/interp_axis.h"

/* One volume that values are taken from. */
struct warp_source {
	const void *data; /* cubic: interp_spline's coefficients */
	enum dtype dtype;
	int64_t n[3];     /* x,y,z */
	int up;           /* nearest: halves go up, else to even */
	enum interp_label label;
};

/* Voxel x of the row, lo to hi - 1, takes its value at b + x s. */
struct warp_row {
	double b[3], s[3];
	int64_t lo, hi;
};

/* Narrow a row to what lies from lo to hi on axis j. */
void warp_narrow(struct warp_row *r, int j, double lo, double hi);

/* Fill voxels r->lo to r->hi - 1 of out. Nearest and shares: of the source's type; linear: float32 from I16 or F32; cubic: float32. What lies outside
   of the source has its border's values. */
typedef void warp_row_fn(const struct warp_source *v, const struct warp_row *r, void *out);
warp_row_fn warp_nearest, warp_linear, warp_cubic, warp_shares;

#endif
