/* Smooth random fields and fast white noise, for what must look irregular: textures, outlines, detector noise. */
#ifndef NIIPIPE_NOISE_H
#define NIIPIPE_NOISE_H

#include <stdint.h>

#include "lib/base/rng.h"

enum { NOISE_SIDE = 32 }; /* the lattice repeats after that many cells */

/* Value noise: random values in [-1, 1] on a lattice, smoothstep between. 128 KiB. */
struct noise {
	float v[NOISE_SIDE * NOISE_SIDE * NOISE_SIDE];
};

/* Fill the lattice from r. */
void noise_init(struct noise *n, struct rng *r);

/* The field at (x,y,z), in lattice cells, |x| < 1e6. In [-1, 1], mean near 0, standard deviation about 0.35. */
static inline float noise_at(const struct noise *n, float x, float y, float z)
{
	enum { M = NOISE_SIDE - 1, FAR = 1 << 20 };
	int xi = (int)(x + FAR) - FAR, yi = (int)(y + FAR) - FAR, zi = (int)(z + FAR) - FAR;
	float fx = x - (float)xi, fy = y - (float)yi, fz = z - (float)zi;
	int x0 = xi & M, x1 = (xi + 1) & M, y0 = (yi & M) * NOISE_SIDE, y1 = ((yi + 1) & M) * NOISE_SIDE;
	const float *a = n->v + (zi & M) * NOISE_SIDE * NOISE_SIDE, *b = n->v + ((zi + 1) & M) * NOISE_SIDE * NOISE_SIDE;
	float a0, a1, b0, b1;

	fx = fx * fx * (3 - 2 * fx), fy = fy * fy * (3 - 2 * fy), fz = fz * fz * (3 - 2 * fz);
	a0 = a[y0 + x0] + fx * (a[y0 + x1] - a[y0 + x0]), a1 = a[y1 + x0] + fx * (a[y1 + x1] - a[y1 + x0]);
	b0 = b[y0 + x0] + fx * (b[y0 + x1] - b[y0 + x0]), b1 = b[y1 + x0] + fx * (b[y1 + x1] - b[y1 + x0]);
	a0 += fy * (a1 - a0), b0 += fy * (b1 - b0);
	return a0 + fz * (b0 - a0);
}

/* White noise of mean 0 and variance 1 (sum of four uniform bytes) for row y of slice z: n values that depend on (seed, z, y, x) alone. */
void noise_row(uint64_t seed, int64_t z, int64_t y, float *out, int64_t n);

/* Noise with the correlation of a CT: white noise through [1 2 1]/4 in x and y (`passes` times) and, where mix_z, over
   neighbouring slices; variance 1.   out [ny][nx] is slice z; scratch holds 2 (nx + 4) (ny + 4) floats. */
void noise_slice(uint64_t seed, int64_t z, int64_t nx, int64_t ny, int passes, int mix_z, float *out, float *scratch);

#endif
