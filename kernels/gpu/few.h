/* A voxel's few channels, in registers; c is a constant to who calls. pairs: they begin at a multiple of two elements, so that bf16's are read and
   written two at a time. */
#ifndef NIIPIPE_GPU_FEW_H
#define NIIPIPE_GPU_FEW_H

#include "kernels/gpu/kernels.h"
#include "kernels/gpu/par.h"

DEVICE void few_get(const void *p, int64_t i, const int pairs, float *v, const int c)
{
#if defined(__CUDACC__) && defined(K_HALF)
	if (pairs) {
		UNROLLED for (int k = 0; k < c; k += 2) {
			const uint32_t two = *(const uint32_t *)((const uint16_t *)p + i + k);

			v[k] = bits_float(two << 16), v[k + 1] = bits_float(two & 0xffff0000u);
		}
		return;
	}
#endif
	(void)pairs;
	UNROLLED for (int k = 0; k < c; k++)
		v[k] = get(p, i + k);
}

DEVICE void few_put(void *p, int64_t i, const int pairs, const float *v, const int c)
{
#if defined(__CUDACC__) && defined(K_HALF)
	if (pairs) {
		UNROLLED for (int k = 0; k < c; k += 2)
			*(uint32_t *)((uint16_t *)p + i + k) = two_halves(v[k], v[k + 1]);
		return;
	}
#endif
	(void)pairs;
	UNROLLED for (int k = 0; k < c; k++)
		put(p, i + k, v[k]);
}

/* Kernels for each number of channels, where that is even also of pairs; and a call of one of them */
#ifdef K_HALF
#define FEW_CASES(CASE) CASE(1, 0) CASE(2, 0) CASE(3, 0) CASE(4, 0) CASE(2, 1) CASE(4, 1)
#define FEW_PAIRED(name, c, paired, ARGS) (paired) && (c) == 2 ? G(name##_2_1) ARGS : (paired) && (c) == 4 ? G(name##_4_1) ARGS :
#else
#define FEW_CASES(CASE) CASE(1, 0) CASE(2, 0) CASE(3, 0) CASE(4, 0)
#define FEW_PAIRED(name, c, paired, ARGS)
#endif
#define FEW_CALL(name, c, paired, ARGS) \
	(FEW_PAIRED(name, c, paired, ARGS) \
		(c) == 1 ? G(name##_1_0) ARGS : (c) == 2 ? G(name##_2_0) ARGS : (c) == 3 ? G(name##_3_0) ARGS : G(name##_4_0) ARGS)

static inline int few_paired(const void *p, int64_t pitch)
{
	return pitch % 2 == 0 && (uintptr_t)p % 4 == 0;
}

static inline int64_t few_voxels(const struct gpu_narrow *g)
{
	return (int64_t)g->n * g->size[0] * g->size[1] * g->size[2];
}

#endif
