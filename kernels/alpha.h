/* One value of alpha dropout (kernels/backend.h, k_drop): one text for the CPU and the GPU. */
#ifndef NIIPIPE_ALPHA_H
#define NIIPIPE_ALPHA_H

#include <math.h>

#include "kernels/backend.h"
#include "kernels/text.h"

K_TEXT float drop_alpha_of(const struct k_drop *g, float x, int stays)
{
	const float lowest = K_ALPHA_LOWEST, s = 1 / sqrtf((1 - g->rate) * (1 + g->rate * lowest * lowest));

	if (g->alpha == K_ALPHA_BACK)
		return stays ? s * x : 0;
	return s * (stays ? x : lowest) - s * lowest * g->rate;
}

#endif
