/* Activations that bend: value and derivative at u. erf: Abramowitz & Stegun 7.1.26, absolute error below 2e-7; tanh near 0: Cephes' tanhf. */
#ifndef NIIPIPE_ACT_H
#define NIIPIPE_ACT_H

#include "kernels/backend.h"
#include "kernels/vmath.h"

INLINE vec act_abs(vec u)
{
	return (vec)((ints)u & 0x7fffffff);
}

/* exp(min(u, most)) */
INLINE vec act_exp(vec u, float most)
{
	return vec_exp(vec_choose(u < most, u, (vec){0} + most));
}

INLINE vec act_sigmoid(vec u)
{
	return 1.0f / (1.0f + act_exp(-u, 88));
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

/* Normal distribution: up to u, and its density */
INLINE vec act_phi(vec u)
{
	return 0.398942280401433f * vec_exp(-0.5f * u * u);
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

/* With e = exp(u): tanh(log(1 + e)) = w / (w + 2), w = e e + 2 e */
INLINE vec act_mish(vec u, int derivative)
{
	vec e = act_exp(u, 20), w = e * (e + 2.0f), t = w / (w + 2.0f);

	return derivative ? t + u * 4.0f * e * (e + 1.0f) / ((w + 2.0f) * (w + 2.0f)) : u * t;
}

INLINE vec act_value(enum k_act_kind kind, vec u, vec slope)
{
	switch (kind) {
	case K_ACT_ELU: return vec_choose(u > 0, u, slope * (act_exp(u, 0) - 1.0f));
	case K_ACT_GELU: return u * act_below(u);
	case K_ACT_SWISH: return u * act_sigmoid(u);
	case K_ACT_MISH: return act_mish(u, 0);
	case K_ACT_SIGMOID: return act_sigmoid(u);
	default: return act_tanh(u);
	}
}

INLINE vec act_derivative(enum k_act_kind kind, vec u, vec slope)
{
	vec s;

	switch (kind) {
	case K_ACT_ELU: return vec_choose(u > 0, (vec){0} + 1.0f, slope * act_exp(u, 0));
	case K_ACT_GELU: return act_below(u) + u * act_phi(u);
	case K_ACT_SWISH: s = act_sigmoid(u); return s + u * s * (1.0f - s);
	case K_ACT_MISH: return act_mish(u, 1);
	case K_ACT_SIGMOID: s = act_sigmoid(u); return s * (1.0f - s);
	default: s = act_tanh(u); return 1.0f - s * s;
	}
}

#endif
