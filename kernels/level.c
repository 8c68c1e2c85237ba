#include "kernels/amx.h"
#include "kernels/direct.h"

#if defined(__AVX512BF16__)
#define NAME "avx512_bf16"
#elif defined(__AVX512F__)
#define NAME "avx512"
#elif defined(__AVX2__)
#define NAME "avx2"
#elif defined(__x86_64__)
#define NAME "sse2"
#else
#define NAME "plain"
#endif

const struct cpu_level K(cpu_level) = {
	.name = NAME,
#ifdef K_HALF
	.half = 1,
#endif
#ifdef HAS_AMX
	.amx = 1,
#endif
	.norm_scratch = K(norm_scratch), .norm_forward = K(norm_forward), .norm_backward = K(norm_backward),
	.scale = K(scale), .drop = K(drop), .gate = K(gate), .gate_back = K(gate_back),
	.slice_copy = K(slice_copy), .to_floats = K(to_floats), .from_floats = K(from_floats),
	.layer_forward = K(layer_forward), .layer_scratch = K(layer_scratch), .layer_backward = K(layer_backward),
	.across_forward = K(across_forward), .across_backward = K(across_backward),
	.merge_forward = K(merge_forward), .merge_backward = K(merge_backward),
	.pool_forward = K(pool_forward), .pool_backward = K(pool_backward),
	.attention_scratch = K(attention_scratch), .attention_forward = K(attention_forward), .attention_backward = K(attention_backward),
	.column_scratch = K(column_scratch), .column_sum = K(column_sum),
	.gather_plan = K(gather_plan), .gather_pack = K(gather_pack), .gather_run = K(gather_run),
	.wgrad_plan = K(wgrad_plan), .wgrad_scratch = K(wgrad_scratch), .wgrad_run = K(wgrad_run),
#ifndef K_HALF
	.loss_scratch = K(loss_scratch), .loss = K(loss),
	.optimize = K(optimize), .lerp = K(lerp), .sum_squares = K(sum_squares),
#endif
};
