/* Patch merging: the voxels of every 2x2x2 or 1x2x2 block become the channels of one. */
#include "kernels/cpu.h"

#include <string.h>

#include "kernels/vec.h"

/* First voxel (d, h, 0) of the pair of rows from which part `part` of output row r is taken; the place along w goes to *w. n and d together: every n
   has a whole number of blocks along d. */
static int64_t source_row(const struct k_merge *g, int64_t r, int part, int64_t *w)
{
	int64_t half = g->size[1] / 2, nd = r / half, h = r % half;
	int bits = g->order[part];

	*w = bits & 1;
	return ((g->parts / 4 * nd + (bits >> 2)) * g->size[1] + 2 * h + (bits >> 1 & 1)) * g->size[2];
}

/* Rows of the result, of all n */
static int64_t rows_of(const struct k_merge *g)
{
	return g->n * g->size[0] * g->size[1] * 2 / g->parts;
}

int K(merge_forward)(const struct k_merge *g, const void *from, void *to, struct err *e)
{
	const elem *x = from;
	elem *y = to;
	int64_t rows = rows_of(g), nw = g->size[2] / 2, c = g->c;

	(void)e;
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++)
		for (int part = 0; part < g->parts; part++) {
			int64_t first, at = source_row(g, r, part, &first);

			for (int64_t w = 0; w < nw; w++)
				memcpy(y + ((r * nw + w) * g->parts + part) * c, x + (at + 2 * w + first) * c, sizeof *y * (size_t)c);
		}
	return 0;
}

int K(merge_backward)(const struct k_merge *g, const void *behind, void *before, int dx_add, struct err *e)
{
	const elem *dy = behind;
	elem *dx = before;
	int64_t rows = rows_of(g), nw = g->size[2] / 2, c = g->c;

	(void)e;
	if (!dx_add)
		memset(dx, 0, sizeof *dx * (size_t)(g->parts * rows * nw * c)); /* an order may take a voxel twice, and another never */
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++)
		for (int part = 0; part < g->parts; part++) {
			int64_t first, at = source_row(g, r, part, &first);

			for (int64_t w = 0; w < nw; w++) {
				const elem *from = dy + ((r * nw + w) * g->parts + part) * c;
				elem *to = dx + (at + 2 * w + first) * c;

				for (int64_t i = 0; i < c; i++)
					to[i] = narrow(widen(to[i]) + widen(from[i]));
			}
		}
	return 0;
}
