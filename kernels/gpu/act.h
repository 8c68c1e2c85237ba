/* Activations: value and derivative at u (kernels/backend.h). */
#ifndef NIIPIPE_GPU_ACT_H
#define NIIPIPE_GPU_ACT_H

#include "kernels/backend.h"
#include "kernels/gpu/par.h"

DEVICE float act_sigmoid(float u)
{
	return 1 / (1 + expf(-u));
}

/* tanh(log(1 + exp(u))) */
DEVICE float act_tanh_softplus(float u)
{
	float e = expf(u < 20 ? u : 20), w = e * (e + 2);

	return w / (w + 2);
}

/* The normal distribution up to u */
DEVICE float act_phi(float u)
{
	return 0.5f * erfcf(-0.707106781186548f * u);
}

DEVICE float act_value(enum k_act_kind kind, float u, float slope)
{
	switch (kind) {
	case K_ACT_NONE: return u;
	case K_ACT_RELU: return u > 0 ? u : 0;
	case K_ACT_LRELU:
	case K_ACT_PRELU: return u > 0 ? u : slope * u;
	case K_ACT_ELU: return u > 0 ? u : slope * expm1f(u);
	case K_ACT_GELU: return u * act_phi(u);
	case K_ACT_SWISH: return u * act_sigmoid(u);
	case K_ACT_MISH: return u * act_tanh_softplus(u);
	case K_ACT_SIGMOID: return act_sigmoid(u);
	default: return tanhf(u);
	}
}

DEVICE float act_derivative(enum k_act_kind kind, float u, float slope)
{
	float s;

	switch (kind) {
	case K_ACT_NONE: return 1;
	case K_ACT_RELU: return u > 0 ? 1 : 0;
	case K_ACT_LRELU:
	case K_ACT_PRELU: return u > 0 ? 1 : slope;
	case K_ACT_ELU: return u > 0 ? 1 : slope * expf(u);
	case K_ACT_GELU: return act_phi(u) + u * 0.398942280401433f * expf(-0.5f * u * u);
	case K_ACT_SWISH: s = act_sigmoid(u); return s + u * s * (1 - s);
	case K_ACT_MISH: s = act_tanh_softplus(u); return s + u * act_sigmoid(u) * (1 - s * s);
	case K_ACT_SIGMOID: s = act_sigmoid(u); return s * (1 - s);
	default: s = tanhf(u); return 1 - s * s;
	}
}

#endif
