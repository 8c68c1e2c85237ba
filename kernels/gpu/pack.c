/* Weights between PyTorch's layout [a][b][taps] of fp32 and cuDNN's [a][taps][b]; biases. */
#include "kernels/backend.h"
#include "kernels/gpu/par.h"

KERNEL(pack, (const float *w, void *to, int64_t a, int64_t b, int64_t taps), (w, to, a, b, taps), items(a * b * taps))
{
	ITEM_FOR(i, a * b * taps)
		put(to, i, w[(i / b / taps * b + i % b) * taps + i / b % taps]);
}

/* dw += */
KERNEL(unpack, (const float *from, float *dw, int64_t a, int64_t b, int64_t taps), (from, dw, a, b, taps), items(a * b * taps))
{
	ITEM_FOR(i, a * b * taps)
		dw[i] += from[(i / taps / b * taps + i % taps) * b + i / taps % b];
}

KERNEL(add_bias, (void *y, int64_t pitch, const float *bias, int64_t vox, int64_t c), (y, pitch, bias, vox, c), items(vox * c))
{
	ITEM_FOR(i, vox * c) {
		int64_t to = i / c * pitch + i % c;

		put(y, to, get(y, to) + bias[i % c]);
	}
}
