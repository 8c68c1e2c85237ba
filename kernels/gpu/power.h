/* The little arithmetic that a GPU has instructions for, of which compilers have each their own way: powers, logarithms, roots. */
#ifndef NIIPIPE_GPU_POWER_H
#define NIIPIPE_GPU_POWER_H

#include "kernels/gpu/par.h"

#define LOG2_E 1.44269504088896341f /* of e, to base 2 */
#define LN_2 0.693147180559945309f

/* By one instruction of a GPU's */
#ifdef __CUDACC__
#define INSTRUCTION(name, code, plain) \
	DEVICE float name(float x) \
	{ \
		float y; \
		\
		asm(code ".approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); \
		return y; \
	}
#else
#define INSTRUCTION(name, code, plain) DEVICE float name(float x) { return plain; }
#endif

/* 2^x, to some units in the last place; the logarithm to base 2, of 1/2 to 2 to 2^-22, of others to some units; 1 / x, to a unit: 0 where that is not
   normal */
INSTRUCTION(two_to, "ex2", exp2f(x))
INSTRUCTION(log2_of, "lg2", log2f(x))
INSTRUCTION(inverse, "rcp", 1 / x)

/* a b, rounded before anything is added to it */
DEVICE float rounded(float a, float b)
{
#ifdef __CUDACC__
	return __fmul_rn(a, b);
#else
	return a * b;
#endif
}

/* 1 / sqrt(x), to some units in the last place */
DEVICE float inverse_root(float x)
{
#ifdef __CUDACC__
	return rsqrtf(x);
#else
	return 1 / sqrtf(x);
#endif
}

#endif
