#include "lib/volume/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { WIDE = 256, LEGEND = 14, MOST_SLICES = 1024 };
static const struct draw_colour TRUTH = {0, 230, 60}, PRED = {255, 120, 0}, BOTH = {255, 255, 0}, TEXT = {235, 235, 235}, DIM = {150, 190, 255};

/* One axis of a picture or the one across it: a voxel axis and the way along it. */
struct way {
	int axis;        /* 0 x, 1 y, 2 z */
	int back;        /* runs from the last voxel to the first */
	int64_t n;
	double spacing;
	char from, to;   /* letters at its ends */
};

struct view {
	const struct view_opts *o;
	struct way right, down, across;
	const struct tensor *image, *label, *pred;
	int64_t stride[3];
	double lo, hi, zoom;
	int64_t tw, th;    /* pixels of a tile */
	float *grey, *truth, *guess; /* [down.n][right.n] each, of the slice at hand */
};

/* -- orientation ------------------------------------------------------------ */

/* Which voxel axis runs most along each world axis: the best of the six ways to pair them. */
static void nearest_axes(const double a[16], int axis[3])
{
	static const int all[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	double best = -1;

	for (int i = 0; i < 6; i++) {
		double sum = 0;

		for (int w = 0; w < 3; w++) {
			int k = all[i][w];
			double len = sqrt(a[k] * a[k] + a[4 + k] * a[4 + k] + a[8 + k] * a[8 + k]);

			sum += len > 0 ? fabs(a[4 * w + k]) / len : 0;
		}
		if (sum > best)
			best = sum, memcpy(axis, all[i], sizeof all[i]);
	}
}

/* the voxel axis along world axis w (0 R, 1 A, 2 S), walked towards its positive end or away from it */
static struct way way_along(const struct grid *g, const int axis[3], int w, int positive)
{
	static const char ends[3][2] = {{'L', 'R'}, {'P', 'A'}, {'I', 'S'}};
	const double *a = g->affine;
	int k = axis[w];
	double len = sqrt(a[k] * a[k] + a[4 + k] * a[4 + k] + a[8 + k] * a[8 + k]);

	return (struct way){k, (a[4 * w + k] > 0) != positive, g->size[k], len > 0 ? len : 1, ends[w][!positive], ends[w][positive]};
}

static void orient(struct view *v, const struct grid *g)
{
	/* world axes to the right, down, across */
	static const int world[3][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};
	const int *w = world[v->o->plane];
	int axis[3];

	nearest_axes(g->affine, axis);
	v->right = way_along(g, axis, w[0], 0);
	v->down = way_along(g, axis, w[1], 0);
	v->across = way_along(g, axis, w[2], 1);
	v->stride[0] = 1, v->stride[1] = g->size[0], v->stride[2] = g->size[0] * g->size[1];
}

/* -- slices ------------------------------------------------------------------- */

static int64_t place(const struct view *v, int64_t i, int64_t j, int64_t k)
{
	int64_t r = v->right.back ? v->right.n - 1 - i : i, d = v->down.back ? v->down.n - 1 - j : j;

	return r * v->stride[v->right.axis] + d * v->stride[v->down.axis] + k * v->stride[v->across.axis];
}

/* Layer k of the first volume of t, turned as it is drawn. Caller frees. */
static float *slice_of(const struct view *v, const struct tensor *t, int64_t k, struct err *e)
{
	size_t size = dtype_size(t->dtype), n = (size_t)(v->right.n * v->down.n);
	struct tensor flat = {NULL, t->dtype, 1, {(int64_t)n}, n * size, mem_new(n, size, "a slice", e), 0};
	float *out = NULL;

	if (flat.data) {
		for (int64_t j = 0; j < v->down.n; j++)
			for (int64_t i = 0; i < v->right.n; i++)
				memcpy((char *)flat.data + (size_t)(j * v->right.n + i) * size, (char *)t->data + (size_t)place(v, i, j, k) * size, size);
		out = tensor_to_f32(&flat, e);
	}
	free(flat.data);
	return out;
}

static void drop_slices(struct view *v)
{
	free(v->grey), free(v->truth), free(v->guess);
	v->grey = v->truth = v->guess = NULL;
}

static int take_slices(struct view *v, int64_t k, struct err *e)
{
	v->grey = slice_of(v, v->image, k, e);
	v->truth = v->grey && v->label ? slice_of(v, v->label, k, e) : NULL;
	v->guess = v->grey && v->pred ? slice_of(v, v->pred, k, e) : NULL;
	return v->grey && (v->truth || !v->label) && (v->guess || !v->pred) ? 0 : -1;
}

/* How many voxels of label and pred each layer has. */
static int64_t *marked(const struct view *v, struct err *e)
{
	const struct tensor *both[2] = {v->label, v->pred};
	int64_t *count = mem_zero((size_t)v->across.n, sizeof *count, "a slice index", e);

	for (int64_t k = 0; count && k < v->across.n; k++)
		for (int m = 0; m < 2; m++) {
			float *s = both[m] ? slice_of(v, both[m], k, e) : NULL;

			if (both[m] && !s) {
				free(count);
				return NULL;
			}
			for (int64_t i = 0; s && i < v->right.n * v->down.n; i++)
				count[k] += s[i] != 0;
			free(s);
		}
	return count;
}

/* want layers spread evenly over the marked ones, or, where these are fewer, over the least stretch of want layers about them */
static void spread(const int64_t *count, int64_t n, int64_t want, int64_t *layer)
{
	int64_t lo = 0, hi = n - 1, marks = 0, seen = 0, next = 0;

	for (int64_t k = 0; k < n; k++)
		if (count[k])
			lo = marks++ ? lo : k, hi = k;
	while (hi - lo + 1 < want)
		lo = lo > 0 ? lo - 1 : 0, hi = hi < n - 1 && hi - lo + 1 < want ? hi + 1 : hi;
	if (marks < want)
		marks = hi - lo + 1;
	else
		lo = -1; /* marked layers alone */
	for (int64_t k = 0; k < n && next < want; k++) {
		if (lo < 0 ? !count[k] : k < lo || k > hi)
			continue;
		if (seen++ == (want > 1 ? llround((double)next * (double)(marks - 1) / (double)(want - 1)) : 0))
			layer[next++] = k;
	}
}

/* Which layers to show; returns how many, -1 and an error. */
static int64_t choose(const struct view *v, int64_t *layer, struct err *e)
{
	int64_t n = v->across.n, want = v->o->montage < n ? v->o->montage : n, *count;

	if (v->o->slice >= n)
		return err_set(e, NULL, "slice %lld (there are %lld)", (long long)v->o->slice, (long long)n);
	layer[0] = v->o->slice;
	if (v->o->slice >= 0)
		return 1;
	count = marked(v, e);
	if (!count)
		return -1;
	if (want > 1)
		spread(count, n, want, layer);
	else {
		layer[0] = n / 2;
		for (int64_t k = 0; k < n; k++)
			layer[0] = count[k] > count[layer[0]] ? k : layer[0];
	}
	free(count);
	return want;
}

/* -- drawing ---------------------------------------------------------------- */

static float between(const struct view *v, const float *s, double x, double y)
{
	int64_t nx = v->right.n, ny = v->down.n, x0, y0, x1, y1;
	float fx, fy;

	x = fmin(fmax(x, 0), (double)(nx - 1)), y = fmin(fmax(y, 0), (double)(ny - 1));
	x0 = (int64_t)x, y0 = (int64_t)y, x1 = x0 + (x0 < nx - 1), y1 = y0 + (y0 < ny - 1);
	fx = (float)(x - (double)x0), fy = (float)(y - (double)y0);
	return (1 - fy) * ((1 - fx) * s[y0 * nx + x0] + fx * s[y0 * nx + x1]) + fy * ((1 - fx) * s[y1 * nx + x0] + fx * s[y1 * nx + x1]);
}

static double at(int64_t pixel, int64_t n, int64_t pixels)
{
	return ((double)pixel + 0.5) * (double)n / (double)pixels - 0.5;
}

static int inside(const struct view *v, const float *s, int64_t px, int64_t py)
{
	return px >= 0 && py >= 0 && px < v->tw && py < v->th && between(v, s, at(px, v->right.n, v->tw), at(py, v->down.n, v->th)) >= 0.5f;
}

/* a pixel inside that has a neighbour outside */
static int on_edge(const struct view *v, const float *s, int64_t x, int64_t y)
{
	return s && inside(v, s, x, y) && !(inside(v, s, x - 1, y) && inside(v, s, x + 1, y) && inside(v, s, x, y - 1) && inside(v, s, x, y + 1));
}

static void binary(float *s, int64_t n)
{
	for (int64_t i = 0; s && i < n; i++)
		s[i] = s[i] != 0;
}

static void tile_text(const struct view *v, struct draw *d, int64_t x, int64_t y, int64_t k)
{
	static const char axis[] = "xyz";
	char text[32];
	int64_t mx = x + v->tw / 2 - 3, my = y + v->th / 2 - 4;

	snprintf(text, sizeof text, "%c %lld", axis[v->across.axis], (long long)k);
	draw_text(d, x + 3, y + 3, 1, TEXT, text);
	draw_text(d, x + 3, my, 1, DIM, (char[2]){v->right.from, 0});
	draw_text(d, x + v->tw - 9, my, 1, DIM, (char[2]){v->right.to, 0});
	draw_text(d, mx, y + 3, 1, DIM, (char[2]){v->down.from, 0});
	draw_text(d, mx, y + v->th - 11, 1, DIM, (char[2]){v->down.to, 0});
}

static int tile(struct view *v, struct draw *d, int64_t x0, int64_t y0, int64_t k, struct err *e)
{
	int r = take_slices(v, k, e);

	binary(v->truth, v->right.n * v->down.n);
	binary(v->guess, v->right.n * v->down.n);
	for (int64_t y = 0; !r && y < v->th; y++)
		for (int64_t x = 0; x < v->tw; x++) {
			double u = (between(v, v->grey, at(x, v->right.n, v->tw), at(y, v->down.n, v->th)) - v->lo) / (v->hi - v->lo);
			uint8_t g = (uint8_t)(255 * (u > 0 ? u < 1 ? u : 1 : 0));
			int t = on_edge(v, v->truth, x, y), p = on_edge(v, v->guess, x, y);

			draw_dot(d, x0 + x, y0 + y, t && p ? BOTH : t ? TRUTH : p ? PRED : (struct draw_colour){g, g, g});
		}
	if (!r)
		tile_text(v, d, x0, y0, k);
	drop_slices(v);
	return r;
}

static void legend(const struct view *v, struct draw *d, const char *id)
{
	int64_t x = 3, y = d->h - LEGEND + 3;

	x += draw_text(d, x, y, 1, TEXT, id) + 12;
	if (v->label)
		x += draw_text(d, x, y, 1, TRUTH, "truth") + 12;
	if (v->pred)
		draw_text(d, x, y, 1, PRED, "prediction");
}

/* -- all of it -------------------------------------------------------------- */

static const struct tensor *mask(const struct frame *f, const char *name, const struct grid *g)
{
	const struct tensor *t = frame_find(f, name);

	return t && t->rank == 3 && tensor_on_grid(t, g) ? t : NULL;
}

static int set_window(struct view *v, struct err *e)
{
	float *s;

	v->lo = v->o->lo, v->hi = v->o->hi;
	if (v->o->window)
		return 0;
	v->lo = -1000, v->hi = 400;
	if (!dtype_is_float(v->image->dtype))
		return 0;
	s = slice_of(v, v->image, v->across.n / 2, e);
	if (!s)
		return -1;
	v->lo = 0, v->hi = 1;
	for (int64_t i = 0; i < v->right.n * v->down.n; i++)
		if (s[i] < -1e-6f || s[i] > 1 + 1e-6f)
			v->lo = -1000, v->hi = 400;
	free(s);
	return 0;
}

static void set_size(struct view *v)
{
	double mm = fmin(v->right.spacing, v->down.spacing);
	double wide = (double)v->right.n * v->right.spacing / mm, high = (double)v->down.n * v->down.spacing / mm;
	double zoom = v->o->zoom > 0 ? v->o->zoom : fmax(1, ceil(WIDE / wide));

	v->tw = (int64_t)fmax(1, round(wide * zoom));
	v->th = (int64_t)fmax(1, round(high * zoom));
}

int view_draw(const struct frame *f, const struct view_opts *o, struct draw *d, struct err *e)
{
	struct view v = {.o = o};
	struct grid g;
	int64_t layer[MOST_SLICES], n, columns, rows;
	int r = 0;

	*d = (struct draw){0};
	v.image = frame_need(f, o->tensor, e);
	if (!v.image || frame_grid(f, &g, e))
		return -1;
	if (!tensor_on_grid(v.image, &g) || v.image->rank > 4)
		return err_set(e, NULL, "tensor '%s' is not a volume on the frame's grid", o->tensor);
	v.label = mask(f, "label", &g), v.pred = mask(f, "pred", &g);
	orient(&v, &g);
	set_size(&v);
	n = set_window(&v, e) ? -1 : choose(&v, layer, e);
	if (n < 0)
		return -1;
	columns = (int64_t)ceil(sqrt((double)n * (double)v.th / (double)v.tw));
	columns = columns < 1 ? 1 : columns > n ? n : columns;
	rows = (n + columns - 1) / columns;
	if (draw_new(d, columns * v.tw, rows * v.th + LEGEND, e))
		return -1;
	for (int64_t i = 0; i < n && !r; i++)
		r = tile(&v, d, i % columns * v.tw, i / columns * v.th, layer[i], e);
	legend(&v, d, frame_id(f));
	return r;
}
