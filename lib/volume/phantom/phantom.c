#include "lib/volume/phantom/phantom.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/phantom/phantom_parts.h"

static const float SHARPEST = 1.0f; /* mm: no edge of a CT is sharper */
static const double FIELD[3] = {345.6, 345.6, 288}; /* mm */
static const int64_t SIZE[3] = {192, 192, 96};
static const double TWO = 0.15;     /* fraction of the ill with two tumours */

struct scene {
	struct patient p;
	struct tubes tubes;
	int tumours;
	struct tumour tumour[TUMOUR_MAX];
	int64_t size[3];
	float origin[3], s[3];
};

enum part { PATIENT, BONES, VESSELS, TUMOURS, PARTS };

static void part_rng(struct rng *r, uint64_t seed, uint64_t index, enum part part)
{
	rng_init(r, seed, RNG_PHANTOM, index * PARTS + (uint64_t)part);
}

static void to_world(const struct patient *p, struct tubes *t)
{
	for (int64_t i = 0; i < t->n; i++) {
		struct tube *v = &t->v[i];
		float a[3], b[3];

		phantom_to_world(p, v->a, a);
		phantom_to_world(p, v->b, b);
		memcpy(v->a, a, sizeof a);
		memcpy(v->b, b, sizeof b);
	}
}

int phantom_tumours(double healthy, struct rng *r)
{
	if (rng_uniform(r) < healthy)
		return 0;
	return 1 + (rng_uniform(r) < TWO);
}

static void draw_tumours(const struct phantom_opts *o, struct rng *r, struct scene *c)
{
	c->tumours = phantom_tumours(o->healthy, r);
	for (int i = 0; i < c->tumours; i++) {
		double v = exp(rng_range(r, log(o->volume[0]), log(o->volume[1])));

		phantom_tumour(&c->p, v, r, &c->tumour[i], &c->tubes);
	}
}

static void draw_scene(const struct phantom_opts *o, uint64_t index, struct scene *c)
{
	struct rng r;

	part_rng(&r, o->seed, index, PATIENT);
	phantom_patient(&c->p, &r);
	part_rng(&r, o->seed, index, BONES);
	phantom_bones(&c->p, &r, &c->tubes);
	part_rng(&r, o->seed, index, VESSELS);
	phantom_vessels(&c->p, &r, &c->tubes);
	part_rng(&r, o->seed, index, TUMOURS);
	draw_tumours(o, &r, c);
	to_world(&c->p, &c->tubes);
	for (int i = 0; i < 3; i++) {
		c->size[i] = o->size[i];
		c->s[i] = (float)o->spacing[i];
		c->origin[i] = (i < 2 ? 0.5f : -0.5f) * c->s[i] * (float)(o->size[i] - 1);
	}
}

static void paint_slice(const struct scene *c, int64_t z, struct slice *s, float *noise, int16_t *out)
{
	const struct patient *p = &c->p;
	float hx = fmaxf(SHARPEST, (c->s[0] + c->s[1]) / 2), hz = fmaxf(SHARPEST, c->s[2]), w[3], q[3];
	int64_t n = s->nx * s->ny;

	s->origin[2] = w[2] = c->origin[2] + c->s[2] * (float)z;
	memset(s->label, 0, (size_t)n);
	for (int64_t y = 0; y < s->ny; y++)
		for (int64_t x = 0; x < s->nx; x++) {
			w[0] = c->origin[0] - c->s[0] * (float)x, w[1] = c->origin[1] - c->s[1] * (float)y;
			phantom_from_world(p, w, q);
			s->hu[y * s->nx + x] = phantom_hu(p, q, w, hx, hz);
		}
	for (int64_t i = 0; i < c->tubes.n; i++)
		phantom_tube_paint(&c->tubes.v[i], s);
	for (int i = 0; i < c->tumours; i++)
		phantom_tumour_paint(p, &c->tumour[i], s);
	noise_slice(p->noise_seed, z, s->nx, s->ny, c->s[0] < 1.3f ? 2 : 1, c->s[2] < 2.5f, noise, noise + n);
	for (int64_t i = 0; i < n; i++) {
		float hu = s->hu[i] + p->noise_sd * noise[i];

		out[i] = (int16_t)lrintf(hu < -1024 ? -1024 : hu > 3071 ? 3071 : hu);
	}
}

/* Slices are independent: each thread has one slice of floats and one of noise with its scratch. */
static int paint(const struct scene *c, int16_t *image, uint8_t *label, struct err *e)
{
	int64_t nx = c->size[0], ny = c->size[1], n = nx * ny, each = 2 * n + 2 * (nx + 4) * (ny + 4);
	float *scratch = mem_new((size_t)omp_get_max_threads(), (size_t)each * sizeof *scratch, "slices", e);

	if (!scratch)
		return -1;
	#pragma omp parallel for schedule(dynamic)
	for (int64_t z = 0; z < c->size[2]; z++) {
		float *mine = scratch + each * omp_get_thread_num();
		struct slice s = {mine, label + z * n, nx, ny, {c->origin[0], c->origin[1], 0}, {c->s[0], c->s[1], c->s[2]}};

		paint_slice(c, z, &s, mine + n, image + z * n);
	}
	free(scratch);
	return 0;
}

static int fill(const struct phantom_opts *o, const struct scene *c, struct frame *f, struct err *e)
{
	const int64_t shape[4] = {1, o->size[2], o->size[1], o->size[0]};
	double affine[16] = {0};
	struct tensor *image, *label;

	for (int i = 0; i < 3; i++) {
		affine[5 * i] = i < 2 ? -o->spacing[i] : o->spacing[i];
		affine[4 * i + 3] = (i < 2 ? 0.5 : -0.5) * o->spacing[i] * (double)(o->size[i] - 1);
	}
	affine[15] = 1;
	if (frame_set_affine(f, affine, e) || !frame_add(f, "image", DT_I16, 4, shape, e) || !frame_add(f, "label", DT_U8, 3, shape + 1, e))
		return -1;
	image = frame_find(f, "image"), label = frame_find(f, "label");
	return paint(c, image->data, label->data, e);
}

/* CT and PET as one image of floats: of each the values that it has alone. */
static int add_pet(const struct phantom_opts *o, uint64_t index, const struct scene *c, struct frame *f, struct err *e)
{
	const struct phantom_pet pet = {&c->p, {c->size[0], c->size[1], c->size[2]}, {c->origin[0], c->origin[1], c->origin[2]},
	                                {c->s[0], c->s[1], c->s[2]}, o->seed, index};
	const int64_t shape[4] = {2, c->size[2], c->size[1], c->size[0]}, n = c->size[0] * c->size[1] * c->size[2];
	const int16_t *ct = frame_find(f, "image")->data;
	float *both = mem_new((size_t)n, 2 * sizeof *both, "a PET", e);

	if (!both)
		return -1;
	for (int64_t i = 0; i < n; i++)
		both[i] = ct[i];
	if (phantom_pet(&pet, both, frame_find(f, "label")->data, both + n, e)) {
		free(both);
		return -1;
	}
	return frame_adopt(f, "image", DT_F32, 4, shape, both, e) && !frame_set_meta(f, "channels", "[\"CT\",\"PET\"]", e) ? 0 : -1;
}

void phantom_grid(int64_t size[3], double spacing[3])
{
	for (int i = 0; i < 3; i++) {
		if (!size[i])
			size[i] = spacing[i] > 0 ? (int64_t)fmax(1, round(FIELD[i] / spacing[i])) : SIZE[i];
		if (!(spacing[i] > 0))
			spacing[i] = FIELD[i] / (double)size[i];
	}
}

int phantom_make(const struct phantom_opts *o, uint64_t index, struct frame *f, struct err *e)
{
	struct scene *c = mem_zero(1, sizeof *c, "a patient", e);
	char id[32];
	int r = -1;

	if (!c)
		return -1;
	snprintf(id, sizeof id, "phantom-%04llu", (unsigned long long)index + 1);
	draw_scene(o, index, c);
	if (c->tubes.failed)
		err_set(e, NULL, "not enough memory for the vessels");
	else if (!frame_init(f, "volume", id, e))
		r = fill(o, c, f, e) || (o->pet && add_pet(o, index, c, f, e)) ? -1 : 0;
	if (r)
		frame_free(f);
	free(c->tubes.v);
	free(c);
	return r;
}
