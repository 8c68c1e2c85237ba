#include "lib/volume/fingerprint/fingerprint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/component/component.h"
#include "lib/volume/fingerprint/fingerprint_stats.h"
#include "lib/volume/geometry/geo.h"

enum { LABEL_MOST = 254 };

/* -- a case -- */

struct span { int64_t lo[3], hi[3]; int nan; }; /* z,y,x */

static void widen(struct span *s, const struct span *by)
{
	for (int a = 0; a < 3; a++) {
		s->lo[a] = by->lo[a] < s->lo[a] ? by->lo[a] : s->lo[a];
		s->hi[a] = by->hi[a] > s->hi[a] ? by->hi[a] : s->hi[a];
	}
	s->nan |= by->nan;
}

static void scan_row(struct span *s, const float *v, int64_t n, int64_t z, int64_t y)
{
	int64_t x0 = 0, x1 = n;

	for (int64_t x = 0; x < n; x++)
		s->nan |= isnan(v[x]);
	while (x0 < n && v[x0] == 0)
		x0++;
	while (x1 > x0 && v[x1 - 1] == 0)
		x1--;
	if (x0 < x1)
		widen(s, &(struct span){{z, y, x0}, {z + 1, y + 1, x1}, 0});
}

/* The box of what is not 0 in any channel. */
static int nonzero(const struct tensor *image, const struct grid *g, struct span *all, struct err *e)
{
	int64_t nx = g->size[0], rows = tensor_count(image) / nx;
	int failed = 0;

	*all = (struct span){{INT64_MAX, INT64_MAX, INT64_MAX}, {0}, 0};
#pragma omp parallel reduction(| : failed)
	{
		struct span mine = *all;
		struct err unused;
		float *v = mem_new((size_t)nx, sizeof *v, "a row", &unused);

		failed = !v;
#pragma omp for schedule(static)
		for (int64_t i = 0; i < rows; i++) {
			if (failed)
				continue;
			tensor_load_f32(image, i * nx, nx, v);
			scan_row(&mine, v, nx, i / g->size[1] % g->size[2], i % g->size[1]);
		}
		free(v);
#pragma omp critical(fingerprint)
		widen(all, &mine);
	}
	if (failed)
		return err_set(e, NULL, "not enough memory for rows");
	if (all->nan)
		return err_set(e, NULL, "image has a voxel that is not a number");
	return all->hi[0] > all->lo[0] ? 0 : err_set(e, NULL, "image is 0 everywhere");
}

/* Values of one channel where label is above 0, in the box; out NULL: only count them. */
static int64_t gather(const struct components *c, const struct span *s, const struct tensor *image, int64_t first, float *out)
{
	int64_t n = 0;

	for (int64_t i = 0; i < c->size[1] * c->size[2]; i++) {
		int64_t z = i / c->size[1], y = i % c->size[1];

		if (z < s->lo[0] || z >= s->hi[0] || y < s->lo[1] || y >= s->hi[1])
			continue;
		for (int64_t k = c->row[i]; k < c->row[i + 1]; k++) {
			int64_t x0 = c->run[k].x0 > s->lo[2] ? c->run[k].x0 : s->lo[2], x1 = c->run[k].x1 < s->hi[2] ? c->run[k].x1 : s->hi[2];

			if (x0 >= x1)
				continue;
			if (out)
				tensor_load_f32(image, first + i * c->size[0] + x0, x1 - x0, out + n);
			n += x1 - x0;
		}
	}
	return n;
}

static int foreground(struct fingerprint_case *to, const struct components *c, const struct span *s, const struct tensor *image, struct err *e)
{
	int64_t channels = geo_planes(image), voxels = c->size[0] * c->size[1] * c->size[2];

	to->n = gather(c, s, image, 0, NULL);
	to->value = mem_new((size_t)(channels * to->n), sizeof *to->value, "the foreground", e);
	if (!to->value)
		return -1;
	for (int64_t i = 0; i < channels; i++)
		gather(c, s, image, i * voxels, to->value + i * to->n);
	return 0;
}

static int measure(struct fingerprint_case *to, const struct frame *f, const struct tensor *image, const struct tensor *label, struct err *e)
{
	struct components c = {0};
	double xyz[3], all = 1, box = 1;
	struct span s;
	struct grid g;
	int r = -1;

	if (frame_grid(f, &g, e) || geo_check_solid(&g, e) || nonzero(image, &g, &s, e))
		return -1;
	geo_spacing(&g, xyz);
	for (int a = 0; a < 3; a++) {
		to->spacing[a] = xyz[2 - a];
		to->shape[a] = s.hi[a] - s.lo[a];
		box *= (double)to->shape[a];
		all *= (double)g.size[a];
	}
	to->kept = box / all;
	if (component_find(label, 26, COMPONENT_UNION, &c, e))
		return -1;
	to->components = c.n;
	to->volume = 0;
	for (uint32_t i = 0; i < c.n; i++)
		to->volume += (double)c.c[i].voxels * xyz[0] * xyz[1] * xyz[2];
	r = foreground(to, &c, &s, image, e);
	component_free(&c);
	return r;
}

/* -- all cases -- */

static int check_new(const struct fingerprint *p, const struct frame *f, const struct tensor *image, const struct tensor_stats *labels, struct err *e)
{
	int64_t channels = geo_planes(image);

	for (int64_t i = 0; i < p->n; i++)
		if (!strcmp(p->c[i].id, frame_id(f)))
			return err_set(e, NULL, "is there twice");
	if (channels > FINGERPRINT_CHANNELS || (p->n && channels != p->channels))
		return err_set(e, NULL, "image has %lld channel(s) (expected %s%d)", (long long)channels, p->n ? "" : "at most ",
		               p->n ? p->channels : FINGERPRINT_CHANNELS);
	if (labels->min < 0 || labels->max > LABEL_MOST)
		return err_set(e, NULL, "label has the value %g (expected 0..%d)", labels->min < 0 ? labels->min : labels->max, LABEL_MOST);
	return 0;
}

/* The first case says what the channels are called. */
static int take_names(struct fingerprint *p, const struct frame *f, struct err *e)
{
	const char *text = frame_meta(f, "channels");
	json_t *names = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	int r = 0;

	if (text && json_array_size(names) != (size_t)geo_planes(frame_find(f, "image")))
		r = err_set(e, NULL, "metadata channels are not the names of its %lld channels", (long long)geo_planes(frame_find(f, "image")));
	else if (!p->n)
		p->names = json_incref(names);
	else if (!json_equal(p->names, names) && (p->names || names))
		r = err_set(e, NULL, "has channels %.200s, other than the cases before", text ? text : "without names");
	json_decref(names);
	return r;
}

static struct fingerprint_case *room_for_one(struct fingerprint *p, struct err *e)
{
	if (mem_more(&p->c, (size_t)p->n, sizeof *p->c, "cases", e))
		return NULL;
	memset(&p->c[p->n], 0, sizeof *p->c);
	p->c[p->n].volume = p->c[p->n].components = -1;
	return &p->c[p->n++];
}

int fingerprint_add(struct fingerprint *p, const struct frame *f, struct err *e)
{
	const struct tensor *image = frame_need(f, "image", e), *label = image ? frame_labels(f, "label", e) : NULL;
	struct fingerprint_case *c;
	struct tensor_stats labels;

	if (!label)
		return -1;
	tensor_stats(label, &labels);
	if (check_new(p, f, image, &labels, e) || take_names(p, f, e))
		return -1;
	p->channels = (int)geo_planes(image);
	p->classes = (int64_t)labels.max + 1 > p->classes ? (int64_t)labels.max + 1 : p->classes;
	c = room_for_one(p, e);
	if (!c || measure(c, f, image, label, e))
		return -1;
	c->id = strdup(frame_id(f));
	return c->id ? 0 : err_set(e, NULL, "not enough memory for an id");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int fingerprint_finish(struct fingerprint *p, struct err *e)
{
	double *kept = mem_new((size_t)p->n, sizeof *kept, "cases", e);
	struct mt19937 *draws = NULL;
	int r;

	if (!kept)
		return -1;
	for (int64_t i = 0; i < p->n; i++)
		kept[i] = p->c[i].kept;
	qsort(kept, (size_t)p->n, sizeof *kept, by_value);
	p->kept = (kept[(p->n - 1) / 2] + kept[p->n / 2]) / 2;
	free(kept);
	draws = fingerprint_draws(p, e);
	r = draws ? 0 : -1;
	for (int c = 0; c < p->channels && !r; c++)
		r = fingerprint_measure(p, c, draws, &p->stats[c], e);
	free(draws);
	return r;
}

void fingerprint_free(struct fingerprint *p)
{
	for (int64_t i = 0; i < p->n; i++) {
		free(p->c[i].id);
		free(p->c[i].value);
	}
	free(p->c);
	json_decref(p->names);
	memset(p, 0, sizeof *p);
}
