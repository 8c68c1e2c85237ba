#include <stdio.h>

#include "kernels/gpu/runtime.h"

__attribute__((visibility("default"))) const struct k_backend *k_backend_get(int abi, int index, enum k_precision precision, struct err *e)
{
	struct k_backend *t = precision == K_FP32 ? &gpu_table_f32 : &gpu_table_bf16;
	static char name[80];

	if (abi != K_ABI) {
		err_set(e, NULL, "the cuda backend is of another version (interface %d, expected %d)", K_ABI, abi);
		return NULL;
	}
	if (!*name && gpu_open(index, name, sizeof name, e))
		return NULL;
	snprintf(t->device, sizeof t->device, "%s, %s, cuDNN %s", name, t->precision == K_BF16 ? "bf16" : "fp32", gpu_conv_version());
	return t;
}
