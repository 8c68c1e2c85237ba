#include "kernels/cpu.h"

int k_label_down(uint8_t *to, const uint8_t *label, int64_t n, const int64_t small[3], const int factor[3], struct err *e)
{
	int64_t h = small[1] * factor[1], w = small[2] * factor[2];

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < n * small[0] * small[1]; i++) {
		int64_t d = i / small[1] * factor[0] + factor[0] / 2; /* n and d together: large planes are a whole number of small ones */
		const uint8_t *from = label + (d * h + i % small[1] * factor[1] + factor[1] / 2) * w + factor[2] / 2;

		for (int64_t x = 0; x < small[2]; x++)
			to[i * small[2] + x] = from[x * factor[2]];
	}
	return 0;
}
