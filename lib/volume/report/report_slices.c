#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "lib/base/mem.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/report/report_parts.h"
#include "lib/volume/view/cut.h"
#include "lib/volume/view/view.h"

/* HU in a byte: 8 HU a step up to -200, 4 where soft tissue is, 61 above 304. A window for soft tissue still has 80 greys, and noise is left out that
   would only make the page larger. */
enum { LEVELS = 256, FROM = -1024, SOFT = -200, BONE = 304, AIR_STEP = 8, SOFT_STEP = 4, BONE_STEP = 61, AROUND = 3 };
enum { SOFT_AT = (SOFT - FROM) / AIR_STEP, BONE_AT = SOFT_AT + (BONE - SOFT) / SOFT_STEP };

static int level(int i)
{
	return i < SOFT_AT ? FROM + i * AIR_STEP : i < BONE_AT ? SOFT + (i - SOFT_AT) * SOFT_STEP : BONE + (i - BONE_AT) * BONE_STEP;
}

void report_levels(struct html *h)
{
	for (int i = 0; i < LEVELS; i++)
		html_print(h, i ? ",%d" : "%d", level(i));
}

static uint8_t code(double v, const struct view_range *r)
{
	double c;

	if (isnan(v))
		return 0;
	if (r->scale == 0)
		c = 255 * (v - r->lo) / (r->hi - r->lo);
	else if ((v = r->scale * v + r->shift) < SOFT)
		c = (v - FROM) / AIR_STEP;
	else
		c = v < BONE ? SOFT_AT + (v - SOFT) / SOFT_STEP : BONE_AT + (v - BONE) / BONE_STEP;
	return (uint8_t)(c < 0 ? 0 : c > 254.5 ? 255 : c + 0.5);
}

struct pack {
	struct cut cut;
	int64_t layer[1024], n, w, h; /* layers, pixels */
	double step;                  /* voxels a pixel, at least 1 */
	struct view_range range;
	struct view_line line[2];     /* of truth and prediction; mm 0: there is none */
	uint8_t *byte;                /* grey, truth, pred: [n][h][w] each */
};

/* The mean of s over a pixel's square. */
static double mean_of(const struct pack *p, const float *s, int64_t i, int64_t j)
{
	double x0 = (double)i * p->step, y0 = (double)j * p->step, sum = 0, area = 0;
	double x1 = fmin(x0 + p->step, (double)p->cut.right.n), y1 = fmin(y0 + p->step, (double)p->cut.down.n);

	for (int64_t y = (int64_t)y0; (double)y < y1; y++)
		for (int64_t x = (int64_t)x0; (double)x < x1; x++) {
			double part = (fmin((double)x + 1, x1) - fmax((double)x, x0)) * (fmin((double)y + 1, y1) - fmax((double)y, y0));

			sum += part * s[y * p->cut.right.n + x];
			area += part;
		}
	return sum / area;
}

static double nearest_of(const struct pack *p, const float *s, int64_t i, int64_t j)
{
	int64_t x = (int64_t)(((double)i + 0.5) * p->step), y = (int64_t)(((double)j + 0.5) * p->step);

	x = x < p->cut.right.n ? x : p->cut.right.n - 1;
	y = y < p->cut.down.n ? y : p->cut.down.n - 1;
	return s[y * p->cut.right.n + x];
}

/* What a byte is more than left + up - upper left, kept between left and up (LOCO-I, Weinberger 2000): small numbers, which deflate well. In place,
   from the end. */
static void predict(uint8_t *b, int64_t w, int64_t h)
{
	for (int64_t i = w * h - 1; i > 0; i--) {
		int left = i % w ? b[i - 1] : b[i - w], up = i >= w ? b[i - w] : left, corner = i % w && i >= w ? b[i - w - 1] : up;
		int lo = left < up ? left : up, hi = left < up ? up : left, guess = corner >= hi ? lo : corner <= lo ? hi : left + up - corner;

		b[i] = (uint8_t)(b[i] - guess);
	}
}

/* Layer i of t into the part-th third. 0 or -1. */
static int put_layer(struct pack *p, const struct tensor *t, int part, int64_t i, struct err *e)
{
	uint8_t *to = p->byte + (part * p->n + i) * p->w * p->h;
	float *s = t ? cut_slice(&p->cut, t, p->layer[i], e) : NULL;

	if (t && !s)
		return -1;
	for (int64_t y = 0; s && y < p->h; y++)
		for (int64_t x = 0; x < p->w; x++) {
			double v = part ? nearest_of(p, s, x, y) : mean_of(p, s, x, y);

			to[y * p->w + x] = part ? (uint8_t)(v == 0 ? 0 : v > 0 && v < 255 ? v : 255) : code(v, &p->range);
		}
	if (!part)
		predict(to, p->w, p->h);
	free(s);
	return 0;
}

/* The layers with a mark, some beside them, at most so many, evenly. */
static void choose(struct pack *p, const struct cut_marks *m, int64_t most)
{
	int64_t lo = p->cut.across.n, hi = -1, n;

	for (int64_t k = 0; k < p->cut.across.n; k++)
		if (m->count[k] || !m->hi[0])
			lo = k < lo ? k : lo, hi = k;
	lo = lo > AROUND ? lo - AROUND : 0;
	hi = hi + AROUND < p->cut.across.n ? hi + AROUND : p->cut.across.n - 1;
	n = hi - lo + 1;
	p->n = n < most ? n : most;
	for (int64_t i = 0; i < p->n; i++)
		p->layer[i] = lo + (p->n > 1 ? llround((double)i * (double)(n - 1) / (double)(p->n - 1)) : n / 2);
}

/* Which of the chosen layers is shown first: the one with the truth's longest diameter, else with most of the marks. These are among them. */
static int64_t start_at(struct pack *p, const struct cut_marks *m)
{
	int64_t must[3], first = 0;
	int n = 0;

	for (int i = 0; i < 2; i++)
		if (p->line[i].mm > 0)
			must[n++] = p->line[i].layer;
	must[n++] = cut_largest(&p->cut, m);
	cut_include(p->layer, p->n, must, n < p->n ? n : (int)p->n);
	while (first < p->n && p->layer[first] != must[0])
		first++;
	return first < p->n ? first : 0;
}

static int squeeze(const struct pack *p, struct html *h, struct err *e)
{
	uLong size = (uLong)(3 * p->n * p->w * p->h);
	uLongf n = compressBound(size);
	uint8_t *z = mem_new(n, 1, "slices", e);

	if (!z)
		return -1;
	if (compress2(z, &n, p->byte, size, 9) == Z_OK)
		html_base64(h, z, n);
	else
		h->failed = 1;
	free(z);
	return 0;
}

/* "0:22:34.4:x,y,x,y;": truth or prediction, layer, mm, ends in pixels of the slice from its upper left corner. */
static void put_line(const struct pack *p, int which, struct html *h)
{
	const struct view_line *l = &p->line[which];

	if (l->mm > 0)
		html_print(h, "%d:%lld:%.1f:%.2f,%.2f,%.2f,%.2f;", which, (long long)l->layer, l->mm, (l->end[0][0] + 0.5) / p->step,
		           (l->end[0][1] + 0.5) / p->step, (l->end[1][0] + 0.5) / p->step, (l->end[1][1] + 0.5) / p->step);
}

/* The viewer's element: what the pixels are stands in its attributes, the packed bytes inside. */
static int put_element(const struct pack *p, int64_t start, const struct tensor *const mask[2], struct html *h, struct err *e)
{
	const struct cut *c = &p->cut;
	int bad;

	html_print(h, "<script type=\"application/octet-stream\" class=\"slices\" data-w=\"%lld\" data-h=\"%lld\" data-n=\"%lld\" data-start=\"%lld\"",
	           (long long)p->w, (long long)p->h, (long long)p->n, (long long)start);
	html_print(h, " data-mm=\"%.6g,%.6g,%.6g\" data-sides=\"%c%c%c%c\" data-axis=\"%c\" data-hu=\"%d\" data-masks=\"%d%d\" data-layers=\"",
	           p->step * c->right.spacing, p->step * c->down.spacing, c->across.spacing, c->right.from, c->right.to, c->down.from, c->down.to,
	           "xyz"[c->across.axis], p->range.scale != 0, mask[0] != NULL, mask[1] != NULL);
	for (int64_t i = 0; i < p->n; i++)
		html_print(h, i ? ",%lld" : "%lld", (long long)p->layer[i]);
	if (p->range.scale != 0)
		html_print(h, "\" data-window=\"%.6g,%.6g", p->range.scale * p->range.lo + p->range.shift, p->range.scale * p->range.hi + p->range.shift);
	html_put(h, "\" data-lines=\"");
	for (int i = 0; i < 2; i++)
		put_line(p, i, h);
	html_put(h, "\">");
	bad = squeeze(p, h, e);
	html_put(h, "</script>");
	return bad;
}

int report_slices(const struct report_opts *o, const struct frame *f, struct html *h, struct err *e)
{
	const struct tensor *all = frame_need(f, "image", e), *mask[2];
	struct tensor image;
	struct pack p = {0};
	struct cut_marks m;
	struct grid g;
	int64_t longer, start;
	int bad = 0;

	if (!all || frame_grid(f, &g, e) || geo_plane(all, o->channel, &image, e))
		return -1;
	mask[0] = cut_mask(f, "label", &g), mask[1] = cut_mask(f, "pred", &g);
	p.cut = cut_of(&g, CUT_AXIAL);
	for (int i = 0; i < 2; i++)
		if (view_measure(&p.cut, mask[i], g.affine, &p.line[i], e))
			return -1;
	if (view_range_chosen(f, &p.cut, &image, o->channel, o->window, o->lo, o->hi, &p.range, e) || cut_find(&p.cut, mask, 2, &m, e))
		return -1;
	choose(&p, &m, o->slices);
	start = start_at(&p, &m);
	free(m.count);
	longer = p.cut.right.n > p.cut.down.n ? p.cut.right.n : p.cut.down.n;
	p.step = fmax(1, (double)longer / (double)o->pixels);
	p.w = (int64_t)fmax(1, round((double)p.cut.right.n / p.step));
	p.h = (int64_t)fmax(1, round((double)p.cut.down.n / p.step));
	p.byte = mem_zero((size_t)(p.n * p.w * p.h), 3, "slices", e);
	for (int64_t i = 0; p.byte && i < p.n && !bad; i++)
		bad = put_layer(&p, &image, 0, i, e) || put_layer(&p, mask[0], 1, i, e) || put_layer(&p, mask[1], 2, i, e);
	bad = !p.byte || bad || put_element(&p, start, mask, h, e) ? -1 : 0;
	free(p.byte);
	return bad;
}
