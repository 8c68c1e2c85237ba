#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/component/component.h"

enum { NO_LABEL, ONE_LABEL, MORE_LABELS };

struct hole {
	char is;         /* it does not touch the border */
	char borders;    /* on NO_LABEL yet, ONE_LABEL, MORE_LABELS */
	int64_t label;   /* the one, else that of the voxel before the hole's first */
};

/* The runs of row `at` that touch the gap x0..x1, reach 1 where diagonals count, border on its hole. */
static void meet_row(struct hole *h, const struct components *c, int64_t at, int x0, int x1, int reach)
{
	int64_t lo = c->row[at], hi = c->row[at + 1], end = hi;

	while (lo < hi) { /* the first run that ends beyond x0 - reach */
		int64_t middle = lo + (hi - lo) / 2;

		if (c->run[middle].x1 + reach > x0)
			hi = middle;
		else
			lo = middle + 1;
	}
	for (; lo < end && c->run[lo].x0 < x1 + reach; lo++)
		if (c->run[lo].value != h->label)
			h->borders = MORE_LABELS;
}

/* A hole's first run comes first, so that its first neighbour is the one before its first voxel. */
static void meet(struct hole *h, const struct components *c, const struct component_run *gap, int64_t y, int64_t z, int connectivity)
{
	int64_t at = z * c->size[1] + y;

	if (h->borders == MORE_LABELS)
		return;
	for (int64_t i = c->row[at]; h->borders == NO_LABEL && i < c->row[at + 1]; i++)
		if (c->run[i].x1 == gap->x0) {
			h->label = c->run[i].value;
			h->borders = ONE_LABEL;
		}
	for (int dz = -1; dz <= 1; dz++)
		for (int dy = -1; dy <= 1; dy++)
			if (connectivity == 26)
				meet_row(h, c, at + dz * c->size[1] + dy, gap->x0, gap->x1, 1);
			else if (!dz || !dy)
				meet_row(h, c, at + dz * c->size[1] + dy, gap->x0, gap->x1, !dz && !dy);
}

static void judge(struct hole *hole, const struct components *c, const struct components *gaps, int connectivity)
{
	const int64_t *size = c->size;

	for (uint32_t i = 0; i < gaps->n; i++) {
		const struct component *g = &gaps->c[i];

		hole[i].is = g->lo[0] > 0 && g->lo[1] > 0 && g->lo[2] > 0 && g->hi[0] < size[0] && g->hi[1] < size[1] && g->hi[2] < size[2];
	}
	for (int64_t z = 0, r = 0; z < size[2]; z++)
		for (int64_t y = 0; y < size[1]; y++, r++)
			for (int64_t i = gaps->row[r]; i < gaps->row[r + 1]; i++)
				if (hole[gaps->run[i].of].is)
					meet(&hole[gaps->run[i].of], c, &gaps->run[i], y, z, connectivity);
}

static void fill(struct tensor *t, const struct components *gaps, const struct hole *hole, enum component_of of)
{
	size_t size = dtype_size(t->dtype);

	for (int64_t r = 0; r < gaps->size[1] * gaps->size[2]; r++)
		for (int64_t i = gaps->row[r]; i < gaps->row[r + 1]; i++) {
			const struct component_run *run = &gaps->run[i];
			const struct hole *h = &hole[run->of];

			if (!h->is || (h->borders == MORE_LABELS && of == COMPONENT_VALUE))
				continue;
			for (int64_t x = run->x0; x < run->x1; x++) /* little endian: an integer's low bytes come first */
				memcpy((char *)t->data + (size_t)(r * gaps->size[0] + x) * size, &h->label, size);
		}
}

int component_fill_holes(struct tensor *t, int connectivity, enum component_of of, struct err *e)
{
	int other = connectivity == 6 ? 26 : 6, r = -1;
	struct components c = {0}, gaps = {0};
	struct hole *hole = NULL;

	if (component_find(t, connectivity, COMPONENT_VALUE, &c, e) || component_gaps(&c, other, &gaps, e))
		goto out;
	hole = mem_zero(gaps.n, sizeof *hole, "holes", e);
	if (!hole)
		goto out;
	judge(hole, &c, &gaps, other);
	fill(t, &gaps, hole, of);
	r = 0;
out:
	free(hole);
	component_free(&gaps);
	component_free(&c);
	return r;
}
