#include <math.h>

#include "lib/base/clones.h"
#include "lib/volume/augment/augment_math.h"
#include "lib/volume/augment/augment_parts.h"

/* Voxels by chunks: chunk k of a channel has blocks BLOCKS k to BLOCKS (k + 1) - 1 of the stream, whoever computes it. */
enum { BLOCKS = 256, CHUNK = 4 * BLOCKS };

/* Box and Muller: words 0 and 1 of a block give voxels i and i + BLOCKS of its chunk, words 2 and 3 those 2 and 3 BLOCKS on. */
CLONES static void normals(const uint32_t *words, float std, float *out)
{
	for (int half = 0; half < 2; half++) {
		const uint32_t *u = words + 2 * half * BLOCKS, *v = u + BLOCKS;
		float *a = out + 2 * half * BLOCKS, *b = a + BLOCKS;

		for (int i = 0; i < BLOCKS; i++) {
			float uniform = (float)((int32_t)(u[i] >> 8) + 1) * 0x1p-24f, turn = (float)(int32_t)(v[i] >> 8) * 0x1p-24f;
			float radius = std * sqrtf(-1.386294361f * math_log2(uniform)), sine, cosine; /* -2 ln u = -2 ln 2 log2 u */

			math_turn(turn, &sine, &cosine);
			a[i] = radius * cosine;
			b[i] = radius * sine;
		}
	}
}

CLONES static void add(float *v, const float *by, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		v[i] += by[i];
}

void augment_noise(float *v, const int64_t size[3], double std, uint64_t seed, uint64_t index, int64_t channel)
{
	int64_t n = size[0] * size[1] * size[2], chunks = (n + CHUNK - 1) / CHUNK;
	struct rng r;

	rng_init(&r, seed, RNG_AUGMENT_NOISE, index);
#pragma omp parallel for schedule(static)
	for (int64_t k = 0; k < chunks; k++) {
		uint32_t words[CHUNK];
		float noise[CHUNK];

		rng_words(&r, (uint32_t)((channel * chunks + k) * BLOCKS), BLOCKS, words);
		normals(words, (float)std, noise);
		add(v + k * CHUNK, noise, k + 1 < chunks ? CHUNK : n - k * CHUNK);
	}
}
