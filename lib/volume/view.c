#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/volume/normalize.h"
#include "lib/volume/view_parts.h"

enum { WIDE = 256, SINGLE = 512, LARGE = 400, MOST_SLICES = 1024 };
static const struct { const char *name; double lo, hi; } presets[] = {{"soft", -150, 250}, {"wide", -1000, 400}};

int view_preset(const char *name, double window[2])
{
	for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
		if (!strcmp(name, presets[i].name)) {
			window[0] = presets[i].lo, window[1] = presets[i].hi;
			return 0;
		}
	return normalize_preset(name, strlen(name), window);
}

/* Which layers to show; returns how many, -1 and an error. */
static int64_t choose(const struct view *v, const struct cut_marks *m, int64_t *layer, struct err *e)
{
	int64_t n = v->cut.across.n, want = v->o->montage < n ? v->o->montage : n, first = n, last = -1;

	if (v->o->slice >= n)
		return err_set(e, NULL, "slice %lld (there are %lld)", (long long)v->o->slice, (long long)n);
	layer[0] = v->o->slice >= 0 ? v->o->slice : cut_largest(&v->cut, m);
	for (int64_t k = 0; k < n && v->o->strip; k++)
		if (m->count[k] || !m->hi[0])
			first = first < k ? first : k, last = k;
	want = v->o->strip ? last - first + 1 : want;
	if (want > MOST_SLICES)
		return err_set(e, NULL, "%lld slices in one picture (at most %d)", (long long)want, MOST_SLICES);
	if (want > 0)
		cut_spread(&v->cut, m, want, layer);
	return want > 0 ? want : 1;
}

static int set_window(struct view *v, const struct frame *f, struct err *e)
{
	struct view_range r;

	if (view_range(f, &v->cut, v->image, &r, e))
		return -1;
	if (v->o->window == VIEW_HU && r.scale == 0)
		return err_set(e, NULL, "tensor '%s' is not in HU: no window by name", v->o->tensor);
	if (v->o->window == VIEW_HU)
		r.lo = (v->o->lo - r.shift) / r.scale, r.hi = (v->o->hi - r.shift) / r.scale;
	else if (v->o->window == VIEW_VALUES)
		r.lo = v->o->lo, r.hi = v->o->hi;
	v->range = r;
	return 0;
}

static void set_size(struct view *v, int64_t n)
{
	const struct cut_way *r = &v->cut.right, *d = &v->cut.down;
	double mm = fmin(r->spacing, d->spacing), wide = (double)r->n * r->spacing / mm, high = (double)d->n * d->spacing / mm;
	double zoom = v->o->zoom > 0 ? v->o->zoom : fmax(1, ceil((n == 1 ? SINGLE : WIDE) / wide));

	v->tw = (int64_t)fmax(1, round(wide * zoom));
	v->th = (int64_t)fmax(1, round(high * zoom));
	v->scale = v->tw >= LARGE ? 2 : 1;
}

static int draw_all(struct view *v, const int64_t *layer, int64_t n, struct draw *d, struct err *e)
{
	int64_t columns = v->o->strip ? n : v->o->columns, rows, height;

	if (!columns)
		columns = (int64_t)ceil(sqrt((double)n * (double)v->th / (double)v->tw));
	columns = columns < 1 ? 1 : columns > n ? n : columns;
	rows = (n + columns - 1) / columns;
	*d = (struct draw){columns * v->tw};
	height = v->o->plain ? 0 : view_legend(v, d, 0);
	if (draw_new(d, columns * v->tw, rows * v->th + height, e))
		return -1;
	for (int64_t i = 0; i < n; i++)
		if (view_tile(v, d, i % columns * v->tw, i / columns * v->th, layer[i], e))
			return -1;
	if (!v->o->plain) {
		view_scale_bar(v, d, 0, (rows - 1) * v->th);
		view_legend(v, d, rows * v->th);
	}
	return 0;
}

int view_draw(const struct frame *f, const struct view_opts *o, struct draw *d, struct err *e)
{
	struct view v = {.o = o, .id = frame_id(f)};
	struct cut_marks m;
	struct grid g;
	int64_t layer[MOST_SLICES], n;

	*d = (struct draw){0};
	v.image = frame_need(f, o->tensor, e);
	if (!v.image || frame_grid(f, &g, e))
		return -1;
	if (!tensor_on_grid(v.image, &g) || v.image->rank > 4)
		return err_set(e, NULL, "tensor '%s' is not a volume on the frame's grid", o->tensor);
	v.label = cut_mask(f, "label", &g), v.pred = cut_mask(f, "pred", &g);
	v.cut = cut_of(&g, o->plane);
	if (set_window(&v, f, e) || cut_find(&v.cut, (const struct tensor *const[]){v.label, v.pred}, 2, &m, e))
		return -1;
	n = choose(&v, &m, layer, e);
	if (o->close >= 0)
		cut_close(&v.cut, &m, o->close);
	free(m.count);
	set_size(&v, n);
	return n < 0 ? -1 : draw_all(&v, layer, n, d, e);
}
