/* Tumours in real scans: the lungs are found by threshold and components, their border by how much lung is near a voxel. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/component/organ.h"
#include "lib/volume/phantom/phantom.h"
#include "lib/volume/phantom/phantom_parts.h"

enum { SITES = 40, FITS = 4 };
static const double NEAR = 3;                                /* mm: of the border */
static const float BORDER = 0.3f, SLOPE = 9, DIFFERS = 0.35f; /* lung within NEAR that makes a border; mm a unit of it; volume's error */

struct scan {
	struct grid g;
	double spacing[3];
	int64_t n;
	float *hu;
	uint8_t *lung;
	int64_t lungs;       /* voxels of lung */
	float soft, noise;   /* HU of soft tissue; its noise */
	struct noise field;
};

/* a box of the scan around a tumour */
struct region {
	int64_t lo[3], n[3], count;
	float *near, *scratch, *d; /* lung near a voxel, 0..1; distance to the tumour */
};

/* -- the scan --------------------------------------------------------------- */

/* Mean of soft tissue and its noise from differences of neighbours: 1.4826 median |d| / sqrt 2, by histogram. */
static void measure_soft(struct scan *s)
{
	int64_t hist[200] = {0}, count = 0, seen = 0;
	double sum = 0;
	int i;

	for (int64_t k = 1; k < s->n; k++) {
		float a = s->hu[k - 1], b = s->hu[k];

		if (a < -20 || a > 120 || b < -20 || b > 120)
			continue;
		sum += b, count++;
		hist[(int)fabsf(b - a)]++;
	}
	s->soft = count ? (float)(sum / (double)count) : 45;
	for (i = 0; i < 199 && 2 * (seen + hist[i]) < count; i++)
		seen += hist[i];
	s->noise = count ? fminf(60, 1.0484f * ((float)i + 0.5f)) : 15;
}

static int open_scan(struct scan *s, const struct frame *f, const struct tensor *image, struct err *e)
{
	if (frame_grid(f, &s->g, e))
		return -1;
	s->n = s->g.size[0] * s->g.size[1] * s->g.size[2];
	if (tensor_count(image) != s->n || (image->dtype != DT_I16 && image->dtype != DT_I32 && image->dtype != DT_F32))
		return err_set(e, NULL, "image is %s with %lld voxels (expected one channel of I16, I32 or F32 in HU)", dtype_name(image->dtype),
		               (long long)tensor_count(image));
	for (int i = 0; i < 3; i++) {
		const double *a = s->g.affine + i;

		s->spacing[i] = sqrt(a[0] * a[0] + a[4] * a[4] + a[8] * a[8]);
		if (!(s->spacing[i] > 0))
			return err_set(e, NULL, "the affine has an axis of no length");
	}
	s->hu = tensor_to_f32(image, e);
	if (!s->hu || organ_find(image, &s->g, ORGAN_LUNGS, &s->lung, &s->lungs, e))
		return -1;
	measure_soft(s);
	return 0;
}

/* -- one tumour --------------------------------------------------------------- */

static void world(const struct scan *s, const int64_t v[3], float w[3])
{
	for (int i = 0; i < 3; i++) {
		const double *a = s->g.affine + 4 * i;

		w[i] = (float)(a[0] * (double)v[0] + a[1] * (double)v[1] + a[2] * (double)v[2] + a[3]);
	}
}

static void pick_site(const struct scan *s, struct rng *r, int64_t v[3])
{
	int64_t left = (int64_t)rng_below(r, (uint64_t)s->lungs), i = 0;

	while (!s->lung[i] || left--)
		i++;
	v[0] = i % s->g.size[0], v[1] = i / s->g.size[0] % s->g.size[1], v[2] = i / s->g.size[0] / s->g.size[1];
}

static void region_free(struct region *b)
{
	free(b->near), free(b->scratch), free(b->d);
	*b = (struct region){0};
}

/* mean over 2 k + 1 voxels along one axis of the region; outside of it the last voxel stands */
static void box_mean(const struct region *b, const float *in, float *out, int axis, int64_t k)
{
	int64_t step = axis == 0 ? 1 : axis == 1 ? b->n[0] : b->n[0] * b->n[1];

	for (int64_t i = 0; i < b->count; i++) {
		int64_t at = i / step % b->n[axis];
		float sum = 0;

		for (int64_t j = -k; j <= k; j++) {
			int64_t to = at + j < 0 ? 0 : at + j >= b->n[axis] ? b->n[axis] - 1 : at + j;

			sum += in[i + (to - at) * step];
		}
		out[i] = sum / (float)(2 * k + 1);
	}
}

static void blur(const struct scan *s, struct region *b)
{
	for (int pass = 0; pass < 2; pass++)
		for (int axis = 0; axis < 3; axis++) {
			float *t = b->near;

			box_mean(b, b->near, b->scratch, axis, (int64_t)fmax(1, round(NEAR / s->spacing[axis])));
			b->near = b->scratch, b->scratch = t;
		}
}

static int region_make(const struct scan *s, const int64_t v[3], double mm, struct region *b, struct err *e)
{
	b->count = 1;
	for (int i = 0; i < 3; i++) {
		int64_t k = (int64_t)ceil(mm / s->spacing[i]), hi = v[i] + k + 1 < s->g.size[i] ? v[i] + k + 1 : s->g.size[i];

		b->lo[i] = v[i] > k ? v[i] - k : 0;
		b->n[i] = hi - b->lo[i];
		b->count *= b->n[i];
	}
	b->near = mem_new((size_t)b->count, sizeof *b->near, "a tumour", e);
	b->scratch = mem_new((size_t)b->count, sizeof *b->scratch, "a tumour", e);
	b->d = mem_new((size_t)b->count, sizeof *b->d, "a tumour", e);
	return b->near && b->scratch && b->d ? 0 : -1;
}

static int64_t voxel(const struct scan *s, const struct region *b, int64_t i, int64_t v[3])
{
	v[0] = b->lo[0] + i % b->n[0], v[1] = b->lo[1] + i / b->n[0] % b->n[1], v[2] = b->lo[2] + i / b->n[0] / b->n[1];
	return (v[2] * s->g.size[1] + v[1]) * s->g.size[0] + v[0];
}

/* Distances to tumour m in the region; its volume, mL. */
static double distances(const struct scan *s, const struct tumour *m, struct region *b)
{
	int64_t hits = 0, v[3];
	float w[3];

	for (int64_t i = 0; i < b->count; i++) {
		voxel(s, b, i, v);
		world(s, v, w);
		b->d[i] = fmaxf(phantom_outline(&s->field, m, w), SLOPE * (BORDER - b->near[i]));
		hits += b->d[i] <= 0;
	}
	return (double)hits * s->spacing[0] * s->spacing[1] * s->spacing[2] / 1000;
}

/* A place where a tumour of that volume fits, as far as the lung leaves room. 0: b and m are set; 1: it does not fit here; -1 an error. */
static int try_site(const struct scan *s, struct rng *r, double volume, struct tumour *m, struct region *b, struct err *e)
{
	int64_t v[3], u[3];
	double got = 0;

	phantom_tumour_shape(volume, s->soft, r, m);
	pick_site(s, r, v);
	world(s, v, m->c);
	if (region_make(s, v, 3 * m->r, b, e))
		return -1;
	for (int64_t i = 0; i < b->count; i++)
		b->near[i] = s->lung[voxel(s, b, i, u)];
	blur(s, b);
	for (int k = 0; k < FITS; k++) {
		got = distances(s, m, b);
		if (k < FITS - 1)
			m->r *= (float)cbrt(fmin(1.8, volume / fmax(1e-3, got)));
	}
	return fabs(got / volume - 1) > DIFFERS;
}

static void put_label(struct tensor *label, int64_t i)
{
	size_t size = dtype_size(label->dtype);

	memset((char *)label->data + (size_t)i * size, 0, size);
	((uint8_t *)label->data)[(size_t)i * size] = 1; /* little-endian, as safetensors is */
}

static void put_hu(struct tensor *image, int64_t i, float hu)
{
	if (image->dtype == DT_I16)
		((int16_t *)image->data)[i] = (int16_t)lrintf(fminf(3071, fmaxf(-1024, hu)));
	else if (image->dtype == DT_I32)
		((int32_t *)image->data)[i] = (int32_t)lrintf(hu);
	else
		((float *)image->data)[i] = hu;
}

static int paint(struct scan *s, const struct tumour *m, const struct region *b, uint64_t seed, struct tensor *image, struct tensor *label,
                 struct err *e)
{
	int64_t layer = b->n[0] * b->n[1], room = layer + 2 * (b->n[0] + 4) * (b->n[1] + 4), v[3];
	float h = fmaxf(1, (float)((s->spacing[0] + s->spacing[1] + s->spacing[2]) / 3)), w[3], *noise = mem_new((size_t)room, sizeof *noise, "noise", e);

	if (!noise)
		return -1;
	for (int64_t i = 0; i < b->count; i++) {
		int64_t at = voxel(s, b, i, v);
		float cover = phantom_cover(b->d[i], h), hu;

		if (i % layer == 0)
			noise_slice(seed, v[2], b->n[0], b->n[1], s->spacing[0] < 1.3 ? 2 : 1, 0, noise, noise + layer);
		if (cover <= 0)
			continue;
		world(s, v, w);
		hu = phantom_tumour_hu(&s->field, m, w, b->d[i]) + s->noise * noise[i % layer];
		s->hu[at] += cover * (hu - s->hu[at]);
		put_hu(image, at, s->hu[at]);
		if (b->d[i] <= 0)
			put_label(label, at);
	}
	free(noise);
	return 0;
}

static int plant_one(struct scan *s, double volume, struct rng *r, struct tensor *image, struct tensor *label, struct err *e)
{
	for (int i = 0; i < SITES; i++) {
		struct region b = {0};
		struct tumour m;
		int bad = try_site(s, r, volume, &m, &b, e);

		if (!bad)
			bad = paint(s, &m, &b, rng_u64(r), image, label, e);
		region_free(&b);
		if (bad <= 0)
			return bad;
	}
	return err_set(e, NULL, "no place in the lungs for a tumour of %.2f mL in %d tries", volume, SITES);
}

static int label_for(struct frame *f, const struct grid *g, struct err *e)
{
	const int64_t shape[3] = {g->size[2], g->size[1], g->size[0]};
	struct tensor *t = frame_find(f, "label");

	if (t)
		return frame_labels(f, "label", e) ? 0 : -1;
	t = frame_add(f, "label", DT_U8, 3, shape, e);
	if (t)
		memset(t->data, 0, t->size);
	return t ? 0 : -1;
}

int phantom_plant(const struct phantom_opts *o, uint64_t index, struct frame *f, struct err *e)
{
	struct tensor *image = frame_need(f, "image", e);
	struct scan *s = image ? mem_zero(1, sizeof *s, "a scan", e) : NULL;
	struct rng r;
	int bad = s ? open_scan(s, f, image, e) || label_for(f, &s->g, e) : -1;

	if (!bad) {
		int n;

		rng_init(&r, o->seed, RNG_PLANT, index);
		noise_init(&s->field, &r);
		n = phantom_tumours(o->healthy, &r);
		for (int i = 0; i < n && !bad; i++)
			bad = plant_one(s, exp(rng_range(&r, log(o->volume[0]), log(o->volume[1]))), &r, frame_find(f, "image"), frame_find(f, "label"), e);
	}
	if (s)
		free(s->hu), free(s->lung);
	free(s);
	return bad ? -1 : 0;
}
