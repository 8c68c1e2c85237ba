/* The table of activations: value and derivative at u, one text for the CPU's vectors (kernels/act.h) and the GPU's floats (kernels/gpu/act.h). These
   say before what it is made of: ACT_TEXT and act_real; act_choose(mask, x, y), act_splat(float); act_exp(u, most) = exp(min(u, most)),
   act_exp1(u) = exp(u) - 1 of u <= 0, act_tanh, and act_below, the normal distribution up to u.
   Formulas: kernels/backend.h; torch/nn/modules/activation.py. */
#ifndef NIIPIPE_ACT_TABLE_H
#define NIIPIPE_ACT_TABLE_H

#ifndef ACT_TEXT
#include "kernels/act.h"
#endif

/* Klambauer et al. 2017 */
#define ACT_SELU_SCALE 1.0507009873554805f
#define ACT_SELU_ALPHA 1.6732632423543772f

ACT_TEXT act_real act_sigmoid(act_real u)
{
	return 1.0f / (1.0f + act_exp(-u, 88));
}

ACT_TEXT act_real act_sigmoid_slope(act_real u)
{
	act_real s = act_sigmoid(u);

	return s * (1.0f - s);
}

/* The normal distribution's density */
ACT_TEXT act_real act_phi(act_real u)
{
	return 0.398942280401433f * act_exp(-0.5f * u * u, 0);
}

/* u sigmoid(2 q), q = sqrt(2 / pi) (u + 0.044715 u^3): 1 + tanh(q) = 2 sigmoid(2 q) */
ACT_TEXT act_real act_gelu_tanh(act_real u, int derivative)
{
	act_real s = act_sigmoid(1.59576912160573f * u * (1.0f + 0.044715f * u * u));

	return derivative ? s + u * s * (1.0f - s) * 1.59576912160573f * (1.0f + 0.134145f * u * u) : u * s;
}

ACT_TEXT act_real act_swish(act_real u, act_real a, int derivative)
{
	act_real s = act_sigmoid(a * u);

	return derivative ? s + a * u * s * (1.0f - s) : u * s;
}

/* With e = exp(u): tanh(log(1 + e)) = w / (w + 2), w = e e + 2 e */
ACT_TEXT act_real act_mish(act_real u, int derivative)
{
	act_real e = act_exp(u, 20), w = e * (e + 2.0f), t = w / (w + 2.0f);

	return derivative ? t + u * 4.0f * e * (e + 1.0f) / ((w + 2.0f) * (w + 2.0f)) : u * t;
}

ACT_TEXT act_real act_tanh_slope(act_real u)
{
	act_real t = act_tanh(u);

	return 1.0f - t * t;
}

/* A(kind, value, derivative) at u; a: the activation's own number */
#define ACT_TABLE(A) \
	A(K_ACT_NONE, u, act_splat(1)) \
	A(K_ACT_RELU, act_choose(u > 0, u, act_splat(0)), act_choose(u > 0, act_splat(1), act_splat(0))) \
	A(K_ACT_LRELU, act_choose(u > 0, u, a * u), act_choose(u > 0, act_splat(1), a)) \
	A(K_ACT_PRELU, act_choose(u > 0, u, a * u), act_choose(u > 0, act_splat(1), a)) \
	A(K_ACT_ELU, act_choose(u > 0, u, a * act_exp1(u)), act_choose(u > 0, act_splat(1), a * act_exp(u, 0))) \
	A(K_ACT_SELU, ACT_SELU_SCALE * act_choose(u > 0, u, ACT_SELU_ALPHA * act_exp1(u)), \
		ACT_SELU_SCALE * act_choose(u > 0, act_splat(1), ACT_SELU_ALPHA * act_exp(u, 0))) \
	A(K_ACT_CELU, act_choose(u > 0, u, a * act_exp1(u / a)), act_choose(u > 0, act_splat(1), act_exp(u / a, 0))) \
	A(K_ACT_RELU6, act_choose(u > 0, act_choose(u < 6, u, act_splat(6)), act_splat(0)), \
		act_choose(u > 0, act_choose(u < 6, act_splat(1), act_splat(0)), act_splat(0))) \
	A(K_ACT_GELU, u * act_below(u), act_below(u) + u * act_phi(u)) \
	A(K_ACT_GELU_TANH, act_gelu_tanh(u, 0), act_gelu_tanh(u, 1)) \
	A(K_ACT_SWISH, act_swish(u, a, 0), act_swish(u, a, 1)) \
	A(K_ACT_MISH, act_mish(u, 0), act_mish(u, 1)) \
	A(K_ACT_SIGMOID, act_sigmoid(u), act_sigmoid_slope(u)) \
	A(K_ACT_TANH, act_tanh(u), act_tanh_slope(u))

#define ACT_VALUE(kind, value, derivative) case kind: return value;
#define ACT_DERIVATIVE(kind, value, derivative) case kind: return derivative;

ACT_TEXT act_real act_value(enum k_act_kind kind, act_real u, act_real a)
{
	switch (kind) {
	ACT_TABLE(ACT_VALUE)
	}
	return u;
}

ACT_TEXT act_real act_derivative(enum k_act_kind kind, act_real u, act_real a)
{
	switch (kind) {
	ACT_TABLE(ACT_DERIVATIVE)
	}
	return u;
}

#endif
