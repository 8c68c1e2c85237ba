#include "lib/volume/intensity/noise.h"

#include <math.h>
#include <string.h>

enum { PAD = 2 }; /* a pass of the filter eats one voxel on each side */

void noise_init(struct noise *n, struct rng *r)
{
	for (int i = 0; i < NOISE_SIDE * NOISE_SIDE * NOISE_SIDE; i++)
		n->v[i] = (float)rng_u32(r) * 0x1p-31f - 1;
}

void noise_row(uint64_t seed, int64_t z, int64_t y, float *out, int64_t n)
{
	const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
	const float scale = 1 / sqrtf(4 * (256.0f * 256.0f - 1) / 12);

	for (int64_t x = 0; x < n; x += 4) {
		uint32_t ctr[4] = {(uint32_t)(x / 4), (uint32_t)y, (uint32_t)z, 0x6e6f6973u}, w[4];

		rng_philox(ctr, key, w);
		for (int k = 0; k < 4 && x + k < n; k++) {
			int sum = (int)((w[k] & 255) + (w[k] >> 8 & 255) + (w[k] >> 16 & 255) + (w[k] >> 24));

			out[x + k] = (float)(sum - 510) * scale;
		}
	}
}

/* a [ny][nx] -> b [ny-2][nx-2], [1 2 1]/4 in both directions, variance kept for white input */
static void smooth(const float *a, int64_t nx, int64_t ny, float *b, float gain)
{
	for (int64_t y = 0; y < ny - 2; y++) {
		const float *p = a + y * nx, *q = p + nx, *r = q + nx;
		float *o = b + y * (nx - 2);

		for (int64_t x = 0; x < nx - 2; x++)
			o[x] = gain * (p[x] + r[x] + p[x + 2] + r[x + 2] + 2 * (p[x + 1] + r[x + 1] + q[x] + q[x + 2]) + 4 * q[x + 1]);
	}
}

/* White noise of the padded slice; mixed over z with weights 1 2 1. */
static void white(uint64_t seed, int64_t z, int64_t nx, int64_t ny, int mix_z, float *a, float *row)
{
	for (int64_t y = 0; y < ny; y++, a += nx) {
		noise_row(seed, z, y, a, nx);
		if (!mix_z)
			continue;
		for (int64_t x = 0; x < nx; x++)
			a[x] *= 2;
		for (int side = -1; side <= 1; side += 2) {
			noise_row(seed, z + side, y, row, nx);
			for (int64_t x = 0; x < nx; x++)
				a[x] += row[x];
		}
		for (int64_t x = 0; x < nx; x++)
			a[x] *= 0.40824829f; /* 1/sqrt(1 + 4 + 1) */
	}
}

void noise_slice(uint64_t seed, int64_t z, int64_t nx, int64_t ny, int passes, int mix_z, float *out, float *scratch)
{
	/* the variances of [1 2 1] and of its square [1 4 6 4 1], per axis 6 and 70 */
	static const float gain[PAD + 1] = {1, 1.0f / 6, 1.0f / 70};
	int64_t wx = nx + 2 * passes, wy = ny + 2 * passes;
	float *other = scratch + (nx + 2 * PAD) * (ny + 2 * PAD);

	white(seed, z, wx, wy, mix_z, passes ? scratch : out, other);
	if (passes == 1)
		smooth(scratch, wx, wy, out, gain[1]);
	else if (passes == 2) {
		smooth(scratch, wx, wy, other, 1);
		smooth(other, wx - 2, wy - 2, out, gain[2]);
	}
}
