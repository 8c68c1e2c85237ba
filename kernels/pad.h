/* Padding of an image, one text for the CPU and the GPU. */
#ifndef NIIPIPE_PAD_H
#define NIIPIPE_PAD_H

#include "kernels/backend.h"
#include "kernels/text.h"

/* Where place i of an axis is found in the image; -1: nowhere. */
K_TEXT int64_t pad_source(int64_t i, int64_t size, enum k_pad pad)
{
	if (i >= 0 && i < size)
		return i;
	switch (pad) {
	case K_PAD_REFLECT: return i < 0 ? -i : 2 * (size - 1) - i;
	case K_PAD_REPLICATE: return i < 0 ? 0 : size - 1;
	case K_PAD_CIRCULAR: return i < 0 ? i + size : i - size;
	default: return -1;
	}
}

#endif
