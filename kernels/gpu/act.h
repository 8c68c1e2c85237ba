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
	return two_to(LOG2_E * (u < most ? u : most));
}

DEVICE float act_exp1(float u)
{
	return expm1f(u < 0 ? u : 0);
}

/* 2 to what is below 0 is below 1/2 log2 erfc(|u| / sqrt(2)), a smooth curve: its polynomial for which that is off by least, 1.3e-7 at most and by a
   thousandth of itself. Beyond 8 it goes on down. */
DEVICE float act_below(float u)
{
	const float a = fabsf(u);
	float y = -2.53874603e-7f * a + 4.71037477e-6f, tail;

	y = y * a - 3.23173741e-6f;
	y = y * a - 6.17366898e-4f;
	y = y * a + 7.72710080e-3f;
	y = y * a - 5.29673173e-2f;
	y = y * a - 4.59053052e-1f;
	y = y * a - 1.15112360f;
	tail = two_to(y * a - 0.999999654f);
	return u > 0 ? 1 - tail : tail;
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

/* How an activation is made: as two lines, the lower of any slope (none: 1, relu: 0); GELU, of which networks are full, in its place; what else is
   curved by a call, of one slope for all */
enum act_shape { ACT_LINES, ACT_GELU, ACT_CURVE };

static inline enum act_shape act_shape_of(enum k_act_kind kind)
{
	return kind <= K_ACT_PRELU ? ACT_LINES : kind == K_ACT_GELU ? ACT_GELU : ACT_CURVE;
}

/* v: u of a lane's elements, becomes the value, or the derivative */
DEVICE void act_values(enum act_shape shape, enum k_act_kind kind, float v[WIDE], const float slope[WIDE])
{
	if (shape == ACT_LINES) {
		EACH(j)
			v[j] = v[j] > 0 ? v[j] : slope[j] * v[j];
	} else if (shape == ACT_GELU) {
		EACH(j)
			v[j] = act_value(K_ACT_GELU, v[j], 0);
	} else {
		float u[WIDE]; /* in memory for the call's sake */

		EACH(j)
			u[j] = v[j];
		act_curves(kind, u, slope[0]);
		EACH(j)
			v[j] = u[j];
	}
}

DEVICE void act_derivatives(enum act_shape shape, enum k_act_kind kind, float v[WIDE], const float slope[WIDE])
{
	if (shape == ACT_LINES) {
		EACH(j)
			v[j] = v[j] > 0 ? 1 : slope[j];
	} else if (shape == ACT_GELU) {
		EACH(j)
			v[j] = act_derivative(K_ACT_GELU, v[j], 0);
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
