/* Activations of floats. */
#ifndef NIIPIPE_GPU_ACT_H
#define NIIPIPE_GPU_ACT_H

#include "kernels/backend.h"
#include "kernels/gpu/par.h"

#define ACT_TEXT DEVICE
#define act_choose(mask, x, y) ((mask) ? (x) : (y))
#define act_splat(x) ((float)(x))
#define act_tanh tanhf
typedef float act_real;

DEVICE float act_exp(float u, float most)
{
	return expf(u < most ? u : most);
}

DEVICE float act_exp1(float u)
{
	return expm1f(u < 0 ? u : 0);
}

DEVICE float act_below(float u)
{
	return 0.5f * erfcf(-0.707106781186548f * u);
}

#include "kernels/act_table.h"

#endif
