#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu/runtime.h"

int gpu_tf32;

int gpu_asked(const char *word)
{
	const char *words = getenv("NIIPIPE_CUDA"), *at = words;
	const size_t n = strlen(word);

	for (; at && (at = strstr(at, word)); at += n)
		if ((at == words || at[-1] == ',') && (!at[n] || at[n] == ','))
			return 1;
	return 0;
}

__attribute__((visibility("default"))) const struct k_backend *k_backend_get(int abi, int index, enum k_precision precision, struct err *e)
{
	struct k_backend *t = precision == K_FP32 || precision == K_TF32 ? &gpu_table_f32 : &gpu_table_bf16;

	if (abi != K_ABI) {
		err_set(e, NULL, "the cuda backend is of another version (interface %d, expected %d)", K_ABI, abi);
		return NULL;
	}
	if (!*gpu_name && gpu_open(index, e))
		return NULL;
	gpu_tf32 = precision == K_TF32;
	t->precision = precision == K_AUTO ? K_BF16 : precision;
	snprintf(t->device, sizeof t->device, "%s, %s, cuDNN %s", gpu_name, precision == K_TF32 ? "tf32" : t->precision == K_BF16 ? "bf16" : "fp32",
		gpu_conv_version());
	return t;
}
