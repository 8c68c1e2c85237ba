/* How sure a decision is so far: kernels/window.c, kernels/window_doubt.c. */
#ifndef NIIPIPE_LEAD_H
#define NIIPIPE_LEAD_H

#include <math.h>

#include "kernels/backend.h"

/* By how much the best of a voxel's k sums leads the next; a single one is as far from the middle of what all weights make, and of several that are
   taken each by itself the one that is nearest to it. */
static inline float lead_by(const struct k_unsure *u, int64_t k, const float *acc, float sum)
{
	float first, second;

	if (k == 1 || u->each) {
		first = fabsf(acc[0] - u->middle * sum);
		for (int64_t c = 1; c < k; c++)
			first = fminf(first, fabsf(acc[c] - u->middle * sum));
		return first;
	}
	first = acc[0] > acc[1] ? acc[0] : acc[1];
	second = acc[0] > acc[1] ? acc[1] : acc[0];
	for (int64_t c = 2; c < k; c++) {
		const float was = first;

		first = acc[c] > first ? acc[c] : first;
		second = acc[c] > was ? was : acc[c] > second ? acc[c] : second;
	}
	return first - second;
}

#endif
