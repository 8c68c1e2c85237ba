#include "lib/volume/geometry/orient.h"

#include <math.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"

/* Letters of the world's axes, towards more and towards less. */
static const char *const letters[3] = {"RL", "AP", "SI"};

struct towards { int world[3], down[3]; };

static int parse(const char *code, struct towards *t, struct err *e)
{
	int seen[3] = {0}, good = strlen(code) == 3;

	for (int i = 0; good && i < 3; i++) {
		const char *at = NULL;

		for (int w = 0; w < 3; w++)
			if ((at = strchr(letters[w], code[i]))) {
				t->world[i] = w;
				t->down[i] = at != letters[w];
				seen[w]++;
				break;
			}
		good = at != NULL;
	}
	if (!good || seen[0] != 1 || seen[1] != 1 || seen[2] != 1)
		return err_set(e, NULL, "'%.20s' is no orientation (three letters: R or L, A or P, S or I, in any order)", code);
	return 0;
}

int orient_check(const char *code, struct err *e)
{
	struct towards t;

	return parse(code, &t, e);
}

/* Which world axis each axis of g runs along most: the clearest of the three chooses first. */
static int directions(const struct grid *g, struct towards *t, struct err *e)
{
	double cosine[3][3], most[3] = {0}; /* of world axis w and axis i of g: [w][i] */
	int done[3] = {0}, taken[3] = {0};

	if (geo_directions(g, cosine, e))
		return -1;
	for (int i = 0; i < 3; i++)
		for (int w = 0; w < 3; w++)
			most[i] = fmax(most[i], fabs(cosine[w][i]));
	for (int turn = 0; turn < 3; turn++) {
		int i = 0, to = 0;

		while (done[i])
			i++;
		for (int k = i + 1; k < 3; k++)
			if (!done[k] && most[k] > most[i])
				i = k;
		while (taken[to])
			to++;
		for (int w = to + 1; w < 3; w++)
			if (!taken[w] && fabs(cosine[w][i]) > fabs(cosine[to][i]))
				to = w;
		done[i] = taken[to] = 1;
		t->world[i] = to;
		t->down[i] = cosine[to][i] < 0;
	}
	return 0;
}

void orient_code(const struct grid *g, char code[4])
{
	struct towards t;
	struct err e;

	memset(code, 0, 4);
	for (int i = 0; i < 3 && !directions(g, &t, &e); i++)
		code[i] = letters[t.world[i]][t.down[i]];
}

void orient_volume(const struct frame *f, const struct grid *g, char code[4])
{
	struct err e;
	json_t *history = history_get(f, &e), *entry;
	struct grid was = *g;
	size_t i;

	json_array_foreach(history, i, entry) {
		const json_t *affine = json_object_get(entry, "affine");

		for (size_t k = 0; k < 16 && json_array_size(affine) == 16 && !strcmp(json_string_value(json_object_get(entry, "tool")), "nii-patch"); k++)
			was.affine[k] = json_number_value(json_array_get(affine, k));
	}
	json_decref(history);
	orient_code(&was, code);
}

int orient_find(const struct grid *g, const char *code, struct orient *o, struct err *e)
{
	struct towards want, have;

	if (parse(code, &want, e) || directions(g, &have, e))
		return -1;
	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++)
			if (have.world[k] == want.world[i]) {
				o->axis[i] = k;
				o->flip[i] = have.down[k] != want.down[i];
			}
	return 0;
}

int orient_is_nothing(const struct orient *o)
{
	for (int i = 0; i < 3; i++)
		if (o->axis[i] != i || o->flip[i])
			return 0;
	return 1;
}

struct orient orient_inverse(const struct orient *o)
{
	struct orient inv;

	for (int i = 0; i < 3; i++) {
		inv.axis[o->axis[i]] = i;
		inv.flip[o->axis[i]] = o->flip[i];
	}
	return inv;
}

struct grid orient_grid(const struct grid *g, const struct orient *o)
{
	struct grid to = *g;

	for (int i = 0; i < 3; i++) {
		int from = o->axis[i];

		to.size[i] = g->size[from];
		for (int r = 0; r < 3; r++) {
			double step = g->affine[4 * r + from];

			to.affine[4 * r + i] = o->flip[i] && step != 0 ? -step : step;
			if (o->flip[i])
				to.affine[4 * r + 3] += step * (double)(g->size[from] - 1);
		}
	}
	return to;
}

/* -- values -- */

struct turn { int64_t first, step[3]; }; /* voxel x,y,z of the result is voxel first + x step[0] + y step[1] + z step[2] of the source */

#define TURN_ROW(type) \
	do { \
		const type *in = (const type *)src + at; \
		type *out = (type *)dst; \
\
		for (int64_t x = 0; x < n; x++) \
			out[x] = in[x * step]; \
	} while (0)

static void turn_row(const char *src, char *dst, int64_t at, int64_t step, int64_t n, size_t size)
{
	if (step == 1) {
		memcpy(dst, src + (size_t)at * size, (size_t)n * size);
		return;
	}
	switch (size) {
	case 1: TURN_ROW(uint8_t); break;
	case 2: TURN_ROW(uint16_t); break;
	case 4: TURN_ROW(uint32_t); break;
	default: TURN_ROW(uint64_t); break;
	}
}

static void *turn_tensor(const struct tensor *t, enum geo_role role, const struct grid *from, const struct grid *to, enum dtype *type, void *arg,
                         struct err *e)
{
	const struct turn *w = arg;
	size_t size = dtype_size(*type);
	int64_t n = geo_voxels(from), slices = geo_planes(t) * to->size[2], nx = to->size[0], ny = to->size[1];
	char *data = mem_new((size_t)(geo_planes(t) * n), size, t->name, e);

	(void)role;
	if (!data)
		return NULL;
#pragma omp parallel for schedule(static)
	for (int64_t s = 0; s < slices; s++)
		for (int64_t y = 0; y < ny; y++)
			turn_row(t->data, data + (size_t)((s * ny + y) * nx) * size,
			         s / to->size[2] * n + w->first + s % to->size[2] * w->step[2] + y * w->step[1], w->step[0], nx, size);
	return data;
}

int orient_frame(struct frame *f, struct grid *g, const struct orient *o, struct err *e)
{
	const int64_t stride[3] = {1, g->size[0], g->size[0] * g->size[1]};
	struct grid to = orient_grid(g, o);
	struct turn w = {0};

	for (int i = 0; i < 3; i++) {
		w.step[i] = stride[o->axis[i]];
		if (o->flip[i]) {
			w.first += w.step[i] * (to.size[i] - 1);
			w.step[i] = -w.step[i];
		}
	}
	if (geo_regrid(f, g, &to, turn_tensor, &w, e))
		return -1;
	*g = to;
	return 0;
}
