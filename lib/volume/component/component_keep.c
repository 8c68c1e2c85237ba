#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/component/component.h"

struct ranked { int64_t value, voxels; uint32_t index; };

static int by_rank(const void *a, const void *b)
{
	const struct ranked *p = a, *q = b;

	if (p->value != q->value)
		return p->value < q->value ? -1 : 1;
	if (p->voxels != q->voxels)
		return p->voxels > q->voxels ? -1 : 1;
	return p->index < q->index ? -1 : 1;
}

/* Of the components with keep[i] only the k largest keep it. */
static int keep_largest(const struct components *c, enum component_of of, int64_t k, char *keep, struct err *e)
{
	struct ranked *r = mem_new(c->n, sizeof *r, "components", e);
	int64_t nth = 0;
	uint32_t n = 0;

	if (!r)
		return -1;
	for (uint32_t i = 0; i < c->n; i++)
		if (keep[i])
			r[n++] = (struct ranked){of == COMPONENT_VALUE ? c->c[i].value : 0, c->c[i].voxels, i};
	qsort(r, n, sizeof *r, by_rank);
	for (uint32_t i = 0; i < n; i++) {
		nth = i && r[i].value == r[i - 1].value ? nth + 1 : 0;
		keep[r[i].index] = nth < k;
	}
	free(r);
	return 0;
}

/* Only components that lie on the mask keep keep[i]. */
static int keep_on(const struct components *c, const struct component_rule *rule, char *keep, struct err *e)
{
	int64_t *inside = mem_zero(c->n, sizeof *inside, "components", e), rows = c->size[1] * c->size[2];

	if (!inside)
		return -1;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = c->row[r]; i < c->row[r + 1]; i++) {
			const struct component_run *run = &c->run[i];

			for (int64_t x = run->x0; keep[run->of] && x < run->x1; x++)
				inside[run->of] += tensor_value(rule->on, r * c->size[0] + x) != 0;
		}
	for (uint32_t i = 0; i < c->n; i++)
		if (!inside[i] || (double)inside[i] < rule->fraction * (double)c->c[i].voxels)
			keep[i] = 0;
	free(inside);
	return 0;
}

/* Is it none of those that are looked at? */
static int is_other(const struct component_rule *rule, int64_t value)
{
	int i = 0;

	while (i < rule->n_only && rule->only[i] != value)
		i++;
	return i == rule->n_only;
}

static int choose(const struct components *c, enum component_of of, const struct component_rule *rule, char *keep, struct err *e)
{
	for (uint32_t i = 0; i < c->n; i++)
		keep[i] = c->c[i].voxels >= rule->least;
	if ((rule->on && keep_on(c, rule, keep, e)) || (rule->k && keep_largest(c, of, rule->k, keep, e)))
		return -1;
	for (uint32_t i = 0; i < c->n && rule->n_only; i++)
		keep[i] |= is_other(rule, c->c[i].value);
	return 0;
}

int component_keep(struct tensor *t, const struct components *c, enum component_of of, const struct component_rule *rule, struct err *e)
{
	size_t size = dtype_size(t->dtype), stride = (size_t)c->size[0] * size;
	char *keep = mem_new(c->n, 1, "components", e);
	int r = keep ? choose(c, of, rule, keep, e) : -1;

	for (int64_t row = 0; !r && row < c->size[1] * c->size[2]; row++)
		for (int64_t i = c->row[row]; i < c->row[row + 1]; i++)
			if (!keep[c->run[i].of])
				memset((char *)t->data + (size_t)row * stride + (size_t)c->run[i].x0 * size, 0, (size_t)(c->run[i].x1 - c->run[i].x0) * size);
	free(keep);
	return r;
}
