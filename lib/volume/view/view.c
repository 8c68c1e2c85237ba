#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/volume/geometry/geo.h"
#include "lib/volume/intensity/normalize.h"
#include "lib/volume/view/view_parts.h"

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

int view_choose(const char *preset, double window[2], enum view_window *kind, struct err *e)
{
	if (window[0] > window[1])
		return err_set(e, NULL, "--window: %g is more than %g", window[0], window[1]);
	*kind = window[0] < window[1] ? VIEW_VALUES : VIEW_AUTO;
	if (*kind == VIEW_VALUES && preset)
		return err_set(e, NULL, "--window and --preset exclude each other");
	if (!preset || !strcmp(preset, "auto"))
		return 0;
	*kind = VIEW_HU;
	return view_preset(preset, window) ? err_set(e, NULL, "--preset: '%.80s' is not auto or one of " VIEW_PRESETS, preset) : 0;
}

/* Which layers to show; returns how many, -1 and an error. */
static int64_t choose(const struct view *v, const struct cut_marks *m, int64_t *layer, struct err *e)
{
	int64_t n = v->cut.across.n, want = v->o->montage < n ? v->o->montage : n, first = n, last = -1, must[2];
	int n_must = 0;

	for (int i = 0; i < 2; i++)
		if (v->line[i].mm > 0)
			must[n_must++] = v->line[i].layer;
	if (v->o->slice >= n)
		return err_set(e, NULL, "slice %lld (there are %lld)", (long long)v->o->slice, (long long)n);
	layer[0] = v->o->slice >= 0 ? v->o->slice : cut_largest(&v->cut, m);
	for (int64_t k = 0; k < n && v->o->strip; k++)
		if (m->count[k] || !m->hi[0])
			first = first < k ? first : k, last = k;
	if (v->o->slice < 0 && n_must)
		layer[0] = must[0];
	want = v->o->strip ? last - first + 1 : want;
	if (want > MOST_SLICES)
		return err_set(e, NULL, "%lld slices in one picture (at most %d)", (long long)want, MOST_SLICES);
	if (want > 1) {
		cut_spread(&v->cut, m, want, layer);
		cut_include(layer, want, must, n_must);
	}
	return want > 0 ? want : 1;
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
	const struct tensor *image;
	struct cut_marks m;
	struct grid g;
	int64_t layer[MOST_SLICES], n;

	*d = (struct draw){0};
	image = frame_need(f, o->tensor, e);
	if (!image || frame_grid(f, &g, e))
		return -1;
	if (!tensor_on_grid(image, &g) || image->rank > 4)
		return err_set(e, NULL, "tensor '%s' is not a volume on the frame's grid", o->tensor);
	if (geo_plane(image, o->channel, &v.image, e))
		return -1;
	v.label = cut_mask(f, "label", &g), v.pred = cut_mask(f, "pred", &g);
	v.cut = cut_of(&g, o->plane);
	if (view_range_chosen(f, &v.cut, &v.image, o->channel, o->window, o->lo, o->hi, &v.range, e) ||
	    cut_find(&v.cut, (const struct tensor *const[]){v.label, v.pred}, 2, &m, e))
		return -1;
	if (o->close >= 0)
		cut_close(&v.cut, &m, o->close);
	if (o->recist && (view_measure(&v.cut, v.label, g.affine, &v.line[0], e) || view_measure(&v.cut, v.pred, g.affine, &v.line[1], e)))
		n = -1;
	else
		n = choose(&v, &m, layer, e);
	free(m.count);
	set_size(&v, n);
	return n < 0 ? -1 : draw_all(&v, layer, n, d, e);
}
