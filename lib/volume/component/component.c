#include "lib/volume/component/component.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

struct finder {
	struct components *c;
	const struct tensor *t;          /* the components of its values, or */
	const struct components *around; /* of what lies between these */
	size_t used, room; /* runs */
	int nx;
	enum component_of of;
	struct err *e;
};

static struct component_run *more(struct finder *f)
{
	size_t room = f->room ? f->room * 2 : 4096;
	struct component_run *grown = room > UINT32_MAX ? NULL : realloc(f->c->run, room * sizeof *grown);

	if (!grown) {
		err_set(f->e, NULL, "not enough memory for components (%zu runs)", room);
		return NULL;
	}
	f->c->run = grown;
	f->room = room;
	return grown;
}

static int emit(struct finder *f, int x0, int x1, int64_t value)
{
	if (f->used == f->room && !more(f))
		return -1;
	f->c->run[f->used] = (struct component_run){value, x0, x1, (uint32_t)f->used};
	f->used++;
	return 0;
}

/* Whole words of background, or of one value, are stepped over at once. */
#define SCAN(name, type) \
	static inline type name##_at(const char *p, int x) \
	{ \
		type v; \
\
		memcpy(&v, p + (size_t)x * sizeof v, sizeof v); \
		return v; \
	} \
	static inline int name##_past(const char *p, int x, int nx, type v) \
	{ \
		enum { EACH = 8 / sizeof(type) }; \
		uint64_t want; \
\
		for (int i = 0; i < EACH; i++) \
			memcpy((char *)&want + (size_t)i * sizeof v, &v, sizeof v); \
		for (; x + EACH <= nx; x += EACH) { \
			uint64_t w; \
\
			memcpy(&w, p + (size_t)x * sizeof v, 8); \
			if (w != want) \
				break; \
		} \
		while (x < nx && name##_at(p, x) == v) \
			x++; \
		return x; \
	} \
	static int name(struct finder *f, const char *p) \
	{ \
		for (int x = name##_past(p, 0, f->nx, 0); x < f->nx;) { \
			type v = name##_at(p, x); \
			int begin = x; \
\
			if (f->of == COMPONENT_VALUE) \
				x = name##_past(p, x, f->nx, v); \
			else \
				while (x < f->nx && name##_at(p, x)) \
					x++; \
			if (emit(f, begin, x, (int64_t)v)) \
				return -1; \
			if (x < f->nx && !name##_at(p, x)) \
				x = name##_past(p, x, f->nx, 0); \
		} \
		return 0; \
	}

SCAN(scan_u8, uint8_t)
SCAN(scan_i8, int8_t)
SCAN(scan_u16, uint16_t)
SCAN(scan_i16, int16_t)
SCAN(scan_u32, uint32_t)
SCAN(scan_i32, int32_t)
SCAN(scan_i64, int64_t)

static int (*const scan[DT_COUNT])(struct finder *, const char *) = {
	[DT_BOOL] = scan_u8, [DT_U8] = scan_u8,   [DT_I8] = scan_i8,   [DT_U16] = scan_u16, [DT_I16] = scan_i16,
	[DT_U32] = scan_u32, [DT_I32] = scan_i32, [DT_U64] = scan_i64, [DT_I64] = scan_i64,
};

static uint32_t root(struct component_run *run, uint32_t i)
{
	while (run[i].of != i)
		i = run[i].of = run[run[i].of].of;
	return i;
}

/* Root a's component and run j's become one. The lower index becomes the root, so that a component's root is its first run; it is returned. */
static uint32_t join(struct component_run *run, uint32_t a, uint32_t j)
{
	uint32_t b;

	if (run[j].of == a)
		return a;
	b = root(run, j);
	if (a < b)
		return run[b].of = a;
	return run[a].of = b;
}

/* Join the runs of row a with those of an earlier row b that they touch; reach 1 where diagonals count. */
static void join_rows(struct finder *f, int64_t a, int64_t b, int reach)
{
	struct component_run *run = f->c->run;
	int64_t j = f->c->row[b], end = f->c->row[b + 1];

	for (int64_t i = f->c->row[a]; i < (int64_t)f->used; i++) {
		uint32_t of = root(run, (uint32_t)i);

		while (j < end && run[j].x1 + reach <= run[i].x0)
			j++;
		for (int64_t k = j; k < end && run[k].x0 < run[i].x1 + reach; k++)
			if (f->of == COMPONENT_UNION || run[k].value == run[i].value)
				of = join(run, of, (uint32_t)k);
	}
}

static void join_row(struct finder *f, int64_t y, int64_t z, int connectivity)
{
	int64_t ny = f->c->size[1], at = z * ny + y;
	int straight = connectivity > 6, diagonal = connectivity > 18;

	if (f->c->row[at] == (int64_t)f->used)
		return;
	if (y)
		join_rows(f, at, at - 1, straight);
	if (!z)
		return;
	join_rows(f, at, at - ny, straight);
	if (connectivity > 6 && y)
		join_rows(f, at, at - ny - 1, diagonal);
	if (connectivity > 6 && y + 1 < ny)
		join_rows(f, at, at - ny + 1, diagonal);
}

/* Number the components by their first runs; sizes and boxes. */
static int measure(struct finder *f)
{
	struct components *c = f->c;
	struct component_run *run = c->run;
	int64_t rows = c->size[1] * c->size[2];

	for (size_t i = 0; i < f->used; i++)
		c->n += run[i].of == i;
	c->c = mem_new(c->n, sizeof *c->c, "components", f->e);
	if (!c->c)
		return -1;
	c->n = 0;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = c->row[r]; i < c->row[r + 1]; i++) {
			int32_t y = (int32_t)(r % c->size[1]), z = (int32_t)(r / c->size[1]);
			struct component *k;

			if (run[i].of == i) {
				c->c[c->n] = (struct component){run[i].value, 0, 0, {run[i].x0, y, z}, {run[i].x1, y + 1, z + 1}};
				run[i].of = c->n++;
			} else
				run[i].of = run[run[i].of].of; /* an earlier run, numbered already */
			k = &c->c[run[i].of];
			k->voxels += run[i].x1 - run[i].x0;
			k->runs++;
			k->lo[0] = run[i].x0 < k->lo[0] ? run[i].x0 : k->lo[0];
			k->hi[0] = run[i].x1 > k->hi[0] ? run[i].x1 : k->hi[0];
			k->lo[1] = y < k->lo[1] ? y : k->lo[1];
			k->hi[1] = y + 1 > k->hi[1] ? y + 1 : k->hi[1];
			k->hi[2] = z + 1;
		}
	return 0;
}

/* The runs of row r: of what is not in the rows of other components, or of the tensor's values. */
static int gaps(struct finder *f, int64_t r)
{
	const struct components *of = f->around;
	int x = 0;

	for (int64_t i = of->row[r]; i < of->row[r + 1]; i++) {
		if (of->run[i].x0 > x && emit(f, x, of->run[i].x0, 0))
			return -1;
		x = of->run[i].x1;
	}
	return x < f->nx ? emit(f, x, f->nx, 0) : 0;
}

static int values(struct finder *f, int64_t r)
{
	return scan[f->t->dtype](f, (const char *)f->t->data + (size_t)r * (size_t)f->nx * dtype_size(f->t->dtype));
}

static int find(struct finder *f, int connectivity)
{
	struct components *c = f->c;

	for (int64_t z = 0, r = 0; z < c->size[2]; z++)
		for (int64_t y = 0; y < c->size[1]; y++, r++) {
			c->row[r] = (int64_t)f->used;
			if (f->around ? gaps(f, r) : values(f, r))
				return -1;
			join_row(f, y, z, connectivity);
			c->row[r + 1] = (int64_t)f->used;
		}
	/* every run's parent becomes its root: a parent comes before its child */
	for (size_t i = 0; i < f->used; i++)
		c->run[i].of = c->run[c->run[i].of].of;
	return measure(f);
}

static int find_or_free(struct finder *f, int connectivity)
{
	struct components *c = f->c;

	assert(connectivity == 6 || connectivity == 18 || connectivity == 26);
	f->nx = (int)c->size[0];
	c->row = mem_zero((size_t)(c->size[1] * c->size[2] + 1), sizeof *c->row, "rows", f->e);
	if (c->row && !find(f, connectivity))
		return 0;
	component_free(c);
	return -1;
}

int component_find(const struct tensor *t, int connectivity, enum component_of of, struct components *c, struct err *e)
{
	struct finder f = {.c = c, .t = t, .of = of, .e = e};

	memset(c, 0, sizeof *c);
	if (t->rank != 3 || !scan[t->dtype])
		return err_set(e, NULL, "tensor '%s' is %s with %d axes (expected integers [Z,Y,X])", t->name, dtype_name(t->dtype), t->rank);
	for (int i = 0; i < 3; i++) {
		c->size[i] = t->shape[2 - i];
		if (c->size[i] > INT32_MAX - 1)
			return err_set(e, NULL, "tensor '%s' has an axis of %lld voxels", t->name, (long long)c->size[i]);
	}
	return find_or_free(&f, connectivity);
}

int component_gaps(const struct components *around, int connectivity, struct components *c, struct err *e)
{
	struct finder f = {.c = c, .around = around, .of = COMPONENT_UNION, .e = e};

	memset(c, 0, sizeof *c);
	memcpy(c->size, around->size, sizeof c->size);
	return find_or_free(&f, connectivity);
}

void component_free(struct components *c)
{
	free(c->row);
	free(c->run);
	free(c->c);
	memset(c, 0, sizeof *c);
}

static uint32_t group_of(const uint32_t *group, uint32_t component)
{
	return group ? group[component] : component;
}

int component_lines(const struct components *c, const uint32_t *group, uint32_t groups, struct component_line **line, size_t **first,
                    struct err *e)
{
	int64_t rows = c->size[1] * c->size[2];
	size_t *at = mem_zero((size_t)groups + 2, sizeof *at, "components", e);

	*first = at;
	*line = at ? mem_new((size_t)c->row[rows], sizeof **line, "components", e) : NULL;
	if (!*line) {
		free(at);
		*first = NULL;
		return -1;
	}
	/* at[g + 2] counts, at[g + 1] is where group g goes on, and in the end at[g + 1] is where it ended */
	for (uint32_t i = 0; i < c->n; i++)
		at[group_of(group, i) + 2] += (size_t)c->c[i].runs;
	for (uint32_t g = 0; g < groups; g++)
		at[g + 2] += at[g + 1];
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = c->row[r]; i < c->row[r + 1]; i++) {
			const struct component_run *run = &c->run[i];

			(*line)[at[group_of(group, run->of) + 1]++] =
				(struct component_line){run->x0, run->x1, (int32_t)(r % c->size[1]), (int32_t)(r / c->size[1])};
		}
	return 0;
}
