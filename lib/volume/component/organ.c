#include "lib/volume/component/organ.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/component/component.h"

static const float AIR_BELOW = -400, TISSUE_ABOVE = -300;          /* HU */
static const double DEEP = 70, SMALL = 0.15, LEAST = 150, OPEN = 8; /* mm; part of the largest component; mL (gas in a bowel is less); mm */

struct scan {
	const struct grid *g;
	double spacing[3];
	int64_t n;
	uint8_t *mask;
};

static int threshold(const struct tensor *image, struct scan *s, enum organ which, struct err *e)
{
	int64_t nx = s->g->size[0], rows = s->n / nx;
	float *v = mem_new((size_t)nx, sizeof *v, "a row", e);

	s->mask = v ? mem_new((size_t)s->n, 1, "a mask", e) : NULL;
	for (int64_t r = 0; s->mask && r < rows; r++) {
		uint8_t *m = s->mask + r * nx;

		tensor_load_f32(image, r * nx, nx, v);
		for (int64_t i = 0; i < nx; i++)
			m[i] = which == ORGAN_LUNGS ? v[i] < AIR_BELOW : v[i] > TISSUE_ABOVE;
	}
	free(v);
	return s->mask ? 0 : -1;
}

static int components(struct scan *s, struct components *c, struct err *e)
{
	const struct tensor t = {NULL, DT_U8, 3, {s->g->size[2], s->g->size[1], s->g->size[0]}, (size_t)s->n, s->mask, 0};

	return component_find(&t, 6, COMPONENT_VALUE, c, e);
}

/* -- lungs -- */

static int is_lung(const struct component *c, const struct scan *s, int64_t most)
{
	for (int i = 0; i < 2; i++)
		if (c->lo[i] == 0 || c->hi[i] == s->g->size[i] || (double)(c->hi[i] - c->lo[i]) * s->spacing[i] < DEEP)
			return 0;
	return (double)c->voxels >= SMALL * (double)most && (double)c->voxels * s->spacing[0] * s->spacing[1] * s->spacing[2] >= 1000 * LEAST;
}

static int64_t keep_lungs(struct scan *s, const struct components *c)
{
	int64_t most = 0, kept = 0;

	for (uint32_t i = 0; i < c->n; i++)
		if (is_lung(&c->c[i], s, 0) && c->c[i].voxels > most)
			most = c->c[i].voxels;
	for (int64_t row = 0; row < s->g->size[1] * s->g->size[2]; row++)
		for (int64_t r = c->row[row]; r < c->row[row + 1]; r++) {
			const struct component_run *run = &c->run[r];
			int keep = is_lung(&c->c[run->of], s, most);

			memset(s->mask + row * s->g->size[0] + run->x0, keep, (size_t)(run->x1 - run->x0));
			kept += keep ? run->x1 - run->x0 : 0;
		}
	return kept;
}

static int lungs(const struct tensor *image, struct scan *s, int64_t *voxels, struct err *e)
{
	struct components c = {0};

	(void)image;
	if (components(s, &c, e))
		return -1;
	*voxels = keep_lungs(s, &c);
	component_free(&c);
	if (!*voxels)
		return err_set(e, NULL, "no lungs found (%g mL or more below %g HU that do not touch the sides)", LEAST, (double)AIR_BELOW);
	return 0;
}

/* -- body -- */

/* Along n rows of `width`: 1 stays where the k rows before and after are 1 too; what is beyond the ends is 1. count: [width]. */
static void erode(uint8_t *v, int64_t n, int64_t width, int64_t k, int32_t *count)
{
	for (int64_t i = 0; i < width; i++)
		count[i] = (int32_t)k;
	for (int64_t j = 0; j < n + k; j++) {
		const uint8_t *in = j < n ? v + j * width : NULL;
		uint8_t *out = j >= k ? v + (j - k) * width : NULL;

		for (int64_t i = 0; i < width; i++) {
			count[i] = !in || in[i] ? count[i] + 1 : 0;
			if (out)
				out[i] = count[i] > 2 * k;
		}
	}
}

static void erode_slice(const struct scan *s, uint8_t *v, const int64_t k[2], int32_t *count)
{
	int64_t nx = s->g->size[0], ny = s->g->size[1];

	for (int64_t y = 0; k[0] && y < ny; y++)
		erode(v + y * nx, nx, 1, k[0], count);
	if (k[1])
		erode(v, ny, nx, k[1], count);
}

/* Erode the mask, or what is not in it. */
static int erode_all(struct scan *s, int inverse, struct err *e)
{
	int64_t k[2], plane = s->g->size[0] * s->g->size[1];
	int failed = 0;

	for (int i = 0; i < 2; i++) {
		double wide = ceil(OPEN / s->spacing[i] - 1e-6);

		k[i] = (int64_t)fmin(wide, (double)s->g->size[i]);
	}
#pragma omp parallel reduction(| : failed)
	{
		struct err mine;
		int32_t *count = mem_new((size_t)s->g->size[0], sizeof *count, "a row", &mine);

		failed = !count;
#pragma omp for schedule(static)
		for (int64_t z = 0; z < s->g->size[2]; z++) {
			uint8_t *v = s->mask + z * plane;

			if (failed)
				continue;
			for (int64_t i = 0; inverse && i < plane; i++)
				v[i] = !v[i];
			erode_slice(s, v, k, count);
			for (int64_t i = 0; inverse && i < plane; i++)
				v[i] = !v[i];
		}
		free(count);
	}
	return failed ? err_set(e, NULL, "not enough memory for a row") : 0;
}

/* The lungs, where there are any: a wall of the chest is thinner than what the opening takes away. */
static int fill_lungs(const struct tensor *image, struct scan *s, struct err *e)
{
	struct scan air = {.g = s->g, .spacing = {s->spacing[0], s->spacing[1], s->spacing[2]}, .n = s->n};
	struct components c = {0};
	int r = threshold(image, &air, ORGAN_LUNGS, e) || components(&air, &c, e);

	if (!r) {
		keep_lungs(&air, &c);
		for (int64_t i = 0; i < s->n; i++)
			s->mask[i] |= air.mask[i];
	}
	component_free(&c);
	free(air.mask);
	return r ? -1 : 0;
}

static int body(const struct tensor *image, struct scan *s, int64_t *voxels, struct err *e)
{
	struct tensor t = {NULL, DT_U8, 3, {s->g->size[2], s->g->size[1], s->g->size[0]}, (size_t)s->n, s->mask, 0};
	struct components c = {0};
	int r;

	if (fill_lungs(image, s, e) || erode_all(s, 0, e) || components(s, &c, e))
		return -1;
	r = c.n ? component_keep(&t, &c, COMPONENT_UNION, &(struct component_rule){.k = 1}, e)
	        : err_set(e, NULL, "no body found (above %g HU, more than %g mm across)", (double)TISSUE_ABOVE, 2 * OPEN);
	component_free(&c);
	if (r || erode_all(s, 1, e))
		return -1;
	*voxels = 0;
	for (int64_t i = 0; i < s->n; i++)
		*voxels += s->mask[i];
	return 0;
}

int organ_find(const struct tensor *image, const struct grid *g, enum organ which, uint8_t **mask, int64_t *voxels, struct err *e)
{
	struct scan s = {.g = g, .n = geo_voxels(g)};

	*mask = NULL;
	if (tensor_count(image) != s.n)
		return err_set(e, NULL, "tensor '%s' has %lld values (expected one channel of %lld voxels, in HU)", image->name,
		               (long long)tensor_count(image), (long long)s.n);
	geo_spacing(g, s.spacing);
	for (int i = 0; i < 3; i++)
		if (!(s.spacing[i] > 0))
			return err_set(e, NULL, "the affine has an axis of no length");
	if (threshold(image, &s, which, e) || (which == ORGAN_LUNGS ? lungs : body)(image, &s, voxels, e)) {
		free(s.mask);
		return -1;
	}
	*mask = s.mask;
	return 0;
}
