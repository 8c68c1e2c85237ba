/* Windows out of an image, as kernels/window_gather.c: one of one channel that lies in the image all round, as most do, in FOURs; else a warp to
   a row. */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"
#include "kernels/pad.h"

enum { FOUR = 4 };

/* A lane has FOUR voxels of a row, or those that are left of it. Bytes a voxel: 4 read, 4 written. */
KERNEL(gather_inside, (struct k_gather g, int64_t parts, const float *RESTRICT image, float *RESTRICT x), (g, parts, image, x),
	items(g.roi[0] * g.roi[1] * parts))
{
	const int back = g.flip >> 2 & 1, whole = g.roi[2] % FOUR == 0 && (uintptr_t)x % 16 == 0;
	const int straight = !back && g.size[2] % FOUR == 0 && g.start[2] % FOUR == 0 && (uintptr_t)image % 16 == 0;

	ITEM_FOR(i, g.roi[0] * g.roi[1] * parts) {
		const int64_t row = over(i, (uint32_t)parts), z = over(row, (uint32_t)g.roi[1]), y = row - z * g.roi[1], e = (i - row * parts) * FOUR;
		const int64_t plane = g.start[0] + (g.flip & 1 ? g.roi[0] - 1 - z : z), line = g.start[1] + (g.flip >> 1 & 1 ? g.roi[1] - 1 - y : y);
		const float *from = image + (plane * g.size[1] + line) * g.size[2] + g.start[2] + (back ? g.roi[2] - 1 - e : e);
		float *to = x + row * g.roi[2] + e, v[FOUR];

		if (whole && straight)
			get_floats(from, v);
		else
			UNROLLED for (int j = 0; j < FOUR; j++)
				v[j] = e + j < g.roi[2] ? from[back ? -j : j] : 0;
		if (whole)
			give_quad(to, quad_of(v));
		else
			UNROLLED for (int j = 0; j < FOUR; j++)
				if (e + j < g.roi[2])
					to[j] = v[j];
	}
}

/* The elements of a row of the window are neighbours. */
KERNEL(gather_any, (struct k_gather g, const float *RESTRICT image, float *RESTRICT x), (g, image, x), items(g.roi[0] * g.roi[1] * WARP))
{
	const uint32_t c = (uint32_t)g.c;
	const int64_t plane = g.size[1] * g.size[2];

	GROUP_FOR(row, g.roi[0] * g.roi[1], WARP) {
		const int64_t at[2] = {over(row, (uint32_t)g.roi[1]), row - over(row, (uint32_t)g.roi[1]) * g.roi[1]};
		int64_t line = 0;

		for (int a = 0; a < 2; a++) {
			const int64_t p = pad_source(g.start[a] + (g.flip >> a & 1 ? g.roi[a] - 1 - at[a] : at[a]), g.size[a], g.pad);

			line = line < 0 || p < 0 ? -1 : line * g.size[a] + p;
		}
		MEMBER_FOR(e, 0, g.roi[2] * g.c, WARP) {
			const int64_t v = over(e, c), p = pad_source(g.start[2] + (g.flip >> 2 & 1 ? g.roi[2] - 1 - v : v), g.size[2], g.pad);

			x[row * g.roi[2] * g.c + e] = line < 0 || p < 0 ? g.fill : image[(e - v * g.c) * g.size[0] * plane + line * g.size[2] + p];
		}
	}
}

#ifdef __cplusplus
extern "C"
#endif
int gpu_window_gather(struct k_gather g, const float *image, float *x)
{
	int inside = g.c == 1;

	for (int a = 0; a < 3; a++)
		inside &= g.start[a] >= 0 && g.start[a] + g.roi[a] <= g.size[a];
	return inside ? G(gather_inside)(g, (g.roi[2] + FOUR - 1) / FOUR, image, x) : G(gather_any)(g, image, x);
}
