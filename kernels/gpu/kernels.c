#include "kernels/gpu/kernels.h"

#define F32(ret, name, args) .name = gpu_##name##_f32,
#define BF16(ret, name, args) .name = gpu_##name##_bf16,

const struct gpu_kernels *gpu_kernels(int bf16)
{
	static const struct gpu_kernels tables[] = {{GPU_KERNELS(F32)}, {GPU_KERNELS(BF16)}};

	return &tables[bf16 ? 1 : 0];
}
