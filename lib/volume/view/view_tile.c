#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/view/view_parts.h"

static const double VEIL = 0.35; /* how much of a fill covers what is below */
enum { STRIPE = 4 };             /* pixels, by the size of letters */
static const struct draw_colour TEXT = {235, 235, 235}, DIM = {170, 180, 190};
const struct draw_colour VIEW_TRUTH = {0, 200, 255}, VIEW_PRED = {255, 120, 0}, VIEW_SAME = {255, 255, 0};

/* -- values between voxels --------------------------------------------------- */

/* Pixel i of n lies between voxels lo and hi, part of the way from lo. */
struct place { int64_t lo, hi; float part; };

static struct place *places(int64_t voxels, int64_t pixels, struct err *e)
{
	struct place *p = mem_new((size_t)pixels, sizeof *p, "a tile", e);

	for (int64_t i = 0; p && i < pixels; i++) {
		double at = ((double)i + 0.5) * (double)voxels / (double)pixels - 0.5;

		at = fmin(fmax(at, 0), (double)(voxels - 1));
		p[i].lo = (int64_t)at;
		p[i].hi = p[i].lo + (p[i].lo < voxels - 1);
		p[i].part = (float)(at - (double)p[i].lo);
	}
	return p;
}

struct tile { const struct view *v; struct place *x, *y; int64_t w, h; };

static float between(const struct tile *t, const float *s, int64_t i, int64_t j)
{
	const struct place *x = &t->x[i], *y = &t->y[j];
	const float *a = s + y->lo * t->v->cut.right.n, *b = s + y->hi * t->v->cut.right.n;

	return (1 - y->part) * ((1 - x->part) * a[x->lo] + x->part * a[x->hi]) + y->part * ((1 - x->part) * b[x->lo] + x->part * b[x->hi]);
}

static int draw_grey(const struct tile *t, struct draw *d, int64_t x0, int64_t y0, int64_t k, struct err *e)
{
	const struct view *v = t->v;
	float *s = cut_slice(&v->cut, &v->image, k, e);

	for (int64_t y = 0; s && y < t->h; y++)
		for (int64_t x = 0; x < t->w; x++) {
			double u = (between(t, s, x, y) - v->range.lo) / (v->range.hi - v->range.lo);
			uint8_t g = (uint8_t)(255 * (u > 0 ? u < 1 ? u : 1 : 0));

			draw_dot(d, x0 + x, y0 + y, (struct draw_colour){g, g, g});
		}
	free(s);
	return s ? 0 : -1;
}

/* -- masks ------------------------------------------------------------------- */

/* The label with the largest share in a pixel, of those but 0; the first of several. */
static float label_at(const struct tile *t, const float *s, int64_t i, int64_t j)
{
	const struct place *x = &t->x[i], *y = &t->y[j];
	const float *a = s + y->lo * t->v->cut.right.n, *b = s + y->hi * t->v->cut.right.n;
	const float value[4] = {a[x->lo], a[x->hi], b[x->lo], b[x->hi]};
	const float part[4] = {(1 - y->part) * (1 - x->part), (1 - y->part) * x->part, y->part * (1 - x->part), y->part * x->part};
	float best = 0, most = 0;

	for (int c = 0; c < 4; c++) {
		float sum = 0;

		for (int o = 0; o < 4; o++)
			sum += value[o] == value[c] ? part[o] : 0;
		if (value[c] != 0 && sum > most)
			most = sum, best = value[c];
	}
	return best;
}

/* Every pixel's label; 0 where half of it or more is background. Caller frees; NULL and an error. */
static float *labels_of(const struct tile *t, const struct tensor *mask, int64_t k, struct err *e)
{
	const int64_t n = t->v->cut.right.n * t->v->cut.down.n;
	float *s = cut_slice(&t->v->cut, mask, k, e), *in = s ? mem_new((size_t)n, sizeof *in, "a tile", e) : NULL;
	float *label = in ? mem_new((size_t)(t->w * t->h), sizeof *label, "a tile", e) : NULL;

	for (int64_t i = 0; in && i < n; i++)
		in[i] = s[i] != 0;
	for (int64_t y = 0; label && y < t->h; y++)
		for (int64_t x = 0; x < t->w; x++)
			label[y * t->w + x] = between(t, in, x, y) >= 0.5f ? label_at(t, s, x, y) : 0;
	free(in);
	free(s);
	return label;
}

/* A pixel of a label that has one outside within `pen` steps; where two labels meet, of the larger. */
static int on_edge(const struct tile *t, const float *label, int64_t x, int64_t y)
{
	int64_t pen = t->v->scale;
	const float own = label ? label[y * t->w + x] : 0;

	if (own == 0)
		return 0;
	for (int64_t j = y - pen; j <= y + pen; j++)
		for (int64_t i = x - pen + llabs(j - y); i <= x + pen - llabs(j - y); i++)
			if (i < 0 || j < 0 || i >= t->w || j >= t->h || label[j * t->w + i] == 0 || label[j * t->w + i] < own)
				return 1;
	return 0;
}

/* Of what truth and prediction both have: stripes of both colours where their labels differ. */
static struct draw_colour both(const struct tile *t, int same, int64_t x, int64_t y)
{
	return same ? VIEW_SAME : (x + y) / (STRIPE * t->v->scale) % 2 ? VIEW_PRED : VIEW_TRUTH;
}

static void paint(const struct tile *t, struct draw *d, int64_t x0, int64_t y0, const float *truth, const float *pred)
{
	enum view_marks how = t->v->o->marks;

	for (int64_t y = 0; y < t->h; y++)
		for (int64_t x = 0; x < t->w; x++) {
			int64_t i = y * t->w + x;
			float a = truth ? truth[i] : 0, b = pred ? pred[i] : 0;
			int in_a = a != 0, in_b = b != 0, ea = how != VIEW_FILL && on_edge(t, truth, x, y), eb = how != VIEW_FILL && on_edge(t, pred, x, y);

			if (how != VIEW_OUTLINE && (in_a || in_b))
				draw_veil(d, x0 + x, y0 + y, in_a && in_b ? both(t, a == b, x, y) : in_a ? VIEW_TRUTH : VIEW_PRED, VEIL);
			if (ea || eb)
				draw_dot(d, x0 + x, y0 + y, ea && eb ? both(t, a == b, x, y) : ea ? VIEW_TRUTH : VIEW_PRED);
		}
}

static int draw_masks(const struct tile *t, struct draw *d, int64_t x0, int64_t y0, int64_t k, struct err *e)
{
	const struct view *v = t->v;
	float *truth = v->label ? labels_of(t, v->label, k, e) : NULL, *pred = v->pred ? labels_of(t, v->pred, k, e) : NULL;
	int r = (v->label && !truth) || (v->pred && !pred) ? -1 : 0;

	if (!r)
		paint(t, d, x0, y0, truth, pred);
	free(truth);
	free(pred);
	return r;
}

/* -- words ------------------------------------------------------------------- */

static void write_letters(const struct view *v, struct draw *d, int64_t x, int64_t y, int64_t k)
{
	static const char axis[] = "xyz";
	const int s = v->scale;
	const int64_t cw = DRAW_CHAR_W * s, ch = DRAW_CHAR_H * s, mx = x + (v->tw - cw) / 2, my = y + (v->th - ch) / 2;
	char text[32];

	snprintf(text, sizeof text, "%c %lld", axis[v->cut.across.axis], (long long)k);
	draw_text(d, x + 3 * s, y + 3 * s, s, TEXT, text);
	draw_text(d, x + 3 * s, my, s, DIM, (char[2]){v->cut.right.from, 0});
	draw_text(d, x + v->tw - cw - 2 * s, my, s, DIM, (char[2]){v->cut.right.to, 0});
	draw_text(d, mx, y + 3 * s, s, DIM, (char[2]){v->cut.down.from, 0});
	draw_text(d, mx, y + v->th - ch - 2 * s, s, DIM, (char[2]){v->cut.down.to, 0});
}

/* where the ends of a line lie in the tile, pixels */
static void place_line(const struct view *v, const struct view_line *l, double p[2][2])
{
	for (int i = 0; i < 2; i++) {
		p[i][0] = (l->end[i][0] + 0.5) * (double)v->tw / (double)v->cut.right.n - 0.5;
		p[i][1] = (l->end[i][1] + 0.5) * (double)v->th / (double)v->cut.down.n - 0.5;
	}
}

/* A line with a bar at either end, dark around, and its length beside the end that is farther right (label) or left (pred); where there is no room
   before the letter at the edge, below or above it, where the line is not. */
static void draw_recist(const struct view *v, struct draw *d, int64_t x, int64_t y, int which)
{
	const struct draw_colour dark = {0}, c = which ? VIEW_PRED : VIEW_TRUTH;
	const int s = v->scale;
	const int64_t edge = (DRAW_CHAR_W + 4) * s;
	double p[2][2], dx, dy, len;
	int64_t tx, ty, wide, beside;
	char text[32];
	int at;

	place_line(v, &v->line[which], p);
	dx = p[1][0] - p[0][0], dy = p[1][1] - p[0][1], len = fmax(hypot(dx, dy), 1);
	dx *= 3 * s / len, dy *= 3 * s / len;
	for (int rim = 1; rim >= 0; rim--) {
		const int64_t pen = s + 2 * rim;
		const struct draw_colour ink = rim ? dark : c;

		draw_line(d, (double)x + p[0][0], (double)y + p[0][1], (double)x + p[1][0], (double)y + p[1][1], pen, ink);
		for (int i = 0; i < 2; i++)
			draw_line(d, (double)x + p[i][0] - dy, (double)y + p[i][1] + dx, (double)x + p[i][0] + dy, (double)y + p[i][1] - dx, pen, ink);
	}
	snprintf(text, sizeof text, "%.1f mm", v->line[which].mm);
	wide = (int64_t)strlen(text) * DRAW_CHAR_W * s;
	at = (p[1][0] > p[0][0]) != which;
	beside = llround(p[at][0]) + (which ? -wide - 4 * s : 6 * s);
	tx = beside < edge ? edge : beside > v->tw - edge - wide ? v->tw - edge - wide : beside;
	ty = llround(p[at][1]) - DRAW_CHAR_H * s / 2;
	if (tx != beside)
		ty += (p[!at][1] > p[at][1] ? -1 : 1) * (DRAW_CHAR_H / 2 + 5) * s;
	draw_text(d, x + tx, y + (ty < 0 ? 0 : ty > v->th - DRAW_CHAR_H * s ? v->th - DRAW_CHAR_H * s : ty), s, c, text);
}

int view_tile(const struct view *v, struct draw *d, int64_t x, int64_t y, int64_t k, struct err *e)
{
	struct tile t = {v, places(v->cut.right.n, v->tw, e), places(v->cut.down.n, v->th, e), v->tw, v->th};
	int r = !t.x || !t.y || draw_grey(&t, d, x, y, k, e) || (v->o->marks != VIEW_BARE && draw_masks(&t, d, x, y, k, e)) ? -1 : 0;

	if (!r && !v->o->plain)
		write_letters(v, d, x, y, k);
	for (int i = 0; i < 2 && !r; i++)
		if (v->line[i].mm > 0 && v->line[i].layer == k)
			draw_recist(v, d, x, y, i);
	free(t.x);
	free(t.y);
	return r;
}

void view_scale_bar(const struct view *v, struct draw *d, int64_t x, int64_t y)
{
	const int s = v->scale;
	const double mm = (double)v->cut.right.n * v->cut.right.spacing / (double)v->tw; /* a pixel */
	double most = (double)v->tw / 4 * mm, bar = pow(10, floor(log10(most)));
	int64_t n, left = x + 4 * s, bottom = y + v->th - 4 * s;
	char text[32];

	bar *= most >= 5 * bar ? 5 : most >= 2 * bar ? 2 : 1;
	n = llround(bar / mm);
	snprintf(text, sizeof text, "%g mm", bar);
	draw_box(d, left - 1, bottom - s - 1, n + 2, s + 2, (struct draw_colour){0});
	draw_box(d, left, bottom - s, n, s, TEXT);
	for (int i = 0; i < 2; i++)
		draw_box(d, i ? left + n - s : left, bottom - 3 * s, s, 5 * s, TEXT);
	draw_text(d, left, bottom - (DRAW_CHAR_H + 4) * s, s, TEXT, text);
}

struct line { struct draw *d; int64_t x, y, high; int scale; };

/* a word of the legend, with a box of its colour where boxed, on the next line where this one is full */
static void word(struct line *l, const char *text, struct draw_colour c, int boxed)
{
	int64_t box = boxed ? (DRAW_CHAR_W + 3) * l->scale : 0, wide = box + (int64_t)strlen(text) * DRAW_CHAR_W * l->scale;

	if (l->x + wide > l->d->w && l->x > 3 * l->scale)
		l->x = 3 * l->scale, l->y += l->high;
	if (l->d->rgb) {
		draw_box(l->d, l->x, l->y, box - 3 * l->scale, 7 * l->scale, c);
		draw_text(l->d, l->x + box, l->y, l->scale, TEXT, text);
	}
	l->x += wide + 2 * DRAW_CHAR_W * l->scale;
}

/* "truth", and with its diameter "truth 34.2 mm, z 22" */
static void mask_word(const struct view *v, struct line *l, int which)
{
	const struct view_line *r = &v->line[which];
	char text[64];

	snprintf(text, sizeof text, r->mm > 0 ? "%s %.1f mm, %c %lld" : "%s", which ? "prediction" : "truth", r->mm, "xyz"[v->cut.across.axis],
	         (long long)r->layer);
	word(l, text, which ? VIEW_PRED : VIEW_TRUTH, 1);
}

int64_t view_legend(const struct view *v, struct draw *d, int64_t y)
{
	struct line l = {d, 3 * v->scale, y + 3 * v->scale, (DRAW_CHAR_H + 4) * v->scale, v->scale};
	const int marks = v->o->marks != VIEW_BARE;
	char text[64];

	word(&l, v->id, TEXT, 0);
	if (v->label && marks)
		mask_word(v, &l, 0);
	if (v->pred && marks)
		mask_word(v, &l, 1);
	if (v->label && v->pred && marks)
		word(&l, "both", VIEW_SAME, 1);
	if (v->range.scale != 0) {
		double lo = v->range.scale * v->range.lo + v->range.shift, hi = v->range.scale * v->range.hi + v->range.shift;

		snprintf(text, sizeof text, "W %.4g L %.4g", hi - lo, (lo + hi) / 2);
		word(&l, text, TEXT, 0);
	}
	return l.y + l.high - y;
}
