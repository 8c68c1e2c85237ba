/* Windows out of an image, as kernels/window_gather.c. */
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/par.h"
#include "kernels/pad.h"

KERNEL(window_gather, (struct k_gather g, const float *image, void *x), (g, image, x), items(g.c * g.roi[0] * g.roi[1] * g.roi[2]))
{
	ITEM_FOR(i, g.c * g.roi[0] * g.roi[1] * g.roi[2]) {
		int64_t c = i % g.c, v = i / g.c, at[3] = {v / g.roi[2] / g.roi[1], v / g.roi[2] % g.roi[1], v % g.roi[2]}, from = c;

		for (int a = 0; a < 3; a++) {
			int64_t p = pad_source(g.start[a] + (g.flip >> a & 1 ? g.roi[a] - 1 - at[a] : at[a]), g.size[a], g.pad);

			from = from < 0 || p < 0 ? -1 : from * g.size[a] + p;
		}
		put(x, i, from < 0 ? g.fill : image[from]);
	}
}
