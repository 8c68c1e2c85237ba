/* Activations of vectors. erf: Abramowitz & Stegun 7.1.26, absolute error below 2e-7; tanh near 0: Cephes' tanhf. */
#ifndef NIIPIPE_ACT_H
#define NIIPIPE_ACT_H

#include "kernels/backend.h"
#include "kernels/vmath.h"

#define ACT_TEXT INLINE
#define act_choose vec_choose
#define act_splat(x) ((vec){0} + (float)(x))
typedef vec act_real;

INLINE vec act_abs(vec u)
{
	return (vec)((ints)u & 0x7fffffff);
}

INLINE vec act_exp(vec u, float most)
{
	return vec_exp(vec_choose(u < most, u, (vec){0} + most));
}

INLINE vec act_exp1(vec u)
{
	return act_exp(u, 0) - 1.0f;
}

INLINE vec act_tanh(vec u)
{
	vec a = act_abs(u), z = u * u, far = 1.0f - 2.0f / (act_exp(a + a, 80) + 1.0f), near;

	near = z * -5.70498872745e-3f + 2.06390887954e-2f;
	near = near * z - 5.37397155531e-2f;
	near = near * z + 1.33314422036e-1f;
	near = near * z - 3.33332819422e-1f;
	near = near * z * u + u;
	return vec_choose(a < 0.625f, near, vec_choose(u < 0, -far, far));
}

INLINE vec act_below(vec u)
{
	vec t = 1.0f / (1.0f + 0.3275911f * 0.707106781186548f * act_abs(u)), y, tail;

	y = t * 1.061405429f - 1.453152027f;
	y = y * t + 1.421413741f;
	y = y * t - 0.284496736f;
	y = y * t + 0.254829592f;
	tail = 0.5f * y * t * vec_exp(-0.5f * u * u);
	return vec_choose(u < 0, tail, 1.0f - tail);
}

#include "kernels/act_table.h"

#endif
