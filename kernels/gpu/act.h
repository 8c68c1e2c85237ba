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

/* Of bf16 what is far below 0 need not be near in parts of itself. */
DEVICE float act_below(float u)
{
#ifdef K_HALF
	return 0.5f + 0.5f * erff(0.707106781186548f * u);
#else
	return 0.5f * erfcf(-0.707106781186548f * u);
#endif
}

#include "kernels/act_table.h"

#define ACT_VALUES(kind, value, derivative) case kind: EACH(j) { const float u = v[j], a = slope; v[j] = value, (void)a; } break;
#define ACT_DERIVATIVES(kind, value, derivative) case kind: EACH(j) { const float u = v[j], a = slope; v[j] = derivative, (void)u, (void)a; } break;

/* Called, not inlined: what they need would cost the others their registers. */
DEVICE_CALL void act_curves(enum k_act_kind kind, float *v, float slope)
{
	switch (kind) {
	ACT_TABLE(ACT_VALUES)
	}
}

DEVICE_CALL void act_curves_back(enum k_act_kind kind, float *v, float slope)
{
	switch (kind) {
	ACT_TABLE(ACT_DERIVATIVES)
	}
}

/* v: u of a lane's elements, becomes the value, or the derivative. Two lines, the lower of any slope (none: 1, relu: 0), or, of one slope, a
   curve. */
DEVICE void act_values(enum k_act_kind kind, float v[WIDE], const float slope[WIDE])
{
	if (kind <= K_ACT_PRELU) {
		EACH(j)
			v[j] = v[j] > 0 ? v[j] : slope[j] * v[j];
	} else {
		float u[WIDE]; /* in memory for the call's sake */

		EACH(j)
			u[j] = v[j];
		act_curves(kind, u, slope[0]);
		EACH(j)
			v[j] = u[j];
	}
}

DEVICE void act_derivatives(enum k_act_kind kind, float v[WIDE], const float slope[WIDE])
{
	if (kind <= K_ACT_PRELU) {
		EACH(j)
			v[j] = v[j] > 0 ? 1 : slope[j];
	} else {
		float u[WIDE];

		EACH(j)
			u[j] = v[j];
		act_curves_back(kind, u, slope[0]);
		EACH(j)
			v[j] = u[j];
	}
}

#endif
