#include "lib/volume/report/chart.h"

#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"

/* Pixels: of the picture, of the margins around its plot. */
enum { HIGH = 260, BOX_WIDE = 210, PAIR_WIDE = 460, LEFT = 52, RIGHT = 12, TOP = 30, BOTTOM = 40, TICKS = 5 };

struct chart { struct html *h; double wide, lo[2], hi[2]; };

/* -- numbers ----------------------------------------------------------------- */

int chart_spread(double *v, size_t n, int64_t resamples, struct chart_spread *s, struct err *e)
{
	size_t finite = 0;

	for (size_t i = 0; i < n; i++)
		if (isfinite(v[i]))
			v[finite++] = v[i];
	*s = (struct chart_spread){.min = NAN, .max = NAN};
	if (summary_of(v, finite, resamples, 0, &s->s, e))
		return -1;
	if (finite)
		s->min = v[0], s->max = v[finite - 1];
	return 0;
}

/* A round step of about span / TICKS: 1, 2 or 5 times a power of ten. */
static double round_step(double span)
{
	double raw = span / TICKS, ten = pow(10, floor(log10(raw)));

	return raw <= ten ? ten : raw <= 2 * ten ? 2 * ten : raw <= 5 * ten ? 5 * ten : 10 * ten;
}

/* lo..hi grown to whole steps; a point becomes a stretch. Returns the step. */
static double round_range(double *lo, double *hi)
{
	double step, pad = *hi > *lo ? 0 : *hi != 0 ? fabs(*hi) / 2 : 1;

	*lo -= pad, *hi += pad;
	step = round_step(*hi - *lo);
	*lo = step * floor(*lo / step + 1e-9);
	*hi = step * ceil(*hi / step - 1e-9);
	return step;
}

/* -- the frame --------------------------------------------------------------- */

static double place(const struct chart *c, int axis, double v)
{
	double u = (v - c->lo[axis]) / (c->hi[axis] - c->lo[axis]);

	return axis ? HIGH - BOTTOM - u * (HIGH - BOTTOM - TOP) : LEFT + u * (c->wide - LEFT - RIGHT);
}

static void ticks(const struct chart *c, int axis, double step)
{
	for (int i = 0; i <= 3 * TICKS; i++) {
		double v = c->lo[axis] + i * step, at;

		if (v > c->hi[axis] + step / 2)
			break;
		v = fabs(v) < step / 1e6 ? 0 : v;
		at = place(c, axis, v);
		if (axis)
			html_print(c->h, "<path class=\"grid\" d=\"M%d %.1fH%.0f\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>",
			           LEFT, at, c->wide - RIGHT, LEFT - 6, at + 4, v);
		else
			html_print(c->h, "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>",
			           at, TOP, HIGH - BOTTOM, at, HIGH - BOTTOM + 16, v);
	}
}

static void begin(struct chart *c, const char *kind, const char *heading)
{
	html_print(c->h, "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 %.0f %d\" width=\"%.0f\" height=\"%d\" aria-label=\"%s: ", c->wide, HIGH,
	           c->wide, HIGH, kind);
	html_text(c->h, heading);
}

static void name(struct chart *c, const char *heading)
{
	html_print(c->h, "<text class=\"name\" x=\"%.1f\" y=\"18\" text-anchor=\"middle\">", c->wide / 2);
	html_text(c->h, heading);
	html_put(c->h, "</text>");
}

static void put_dots(const struct chart *c, const struct chart_dot *dot, int64_t n)
{
	for (const struct chart_dot *d = dot; d < dot + n; d++) {
		if (!isfinite(d->y))
			continue;
		html_print(c->h, "<a href=\"#case-%lld\" tabindex=\"-1\"><circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>", (long long)d->link,
		           place(c, 0, d->x), place(c, 1, d->y));
		html_text(c->h, d->name);
		html_print(c->h, ": %.4g</title></circle></a>", d->y);
	}
}

/* -- box plots --------------------------------------------------------------- */

/* The finite y of n dots, sorted, and what they come to. Caller frees. NULL and an error. */
static double *values(const struct chart_dot *dot, int64_t n, struct chart_spread *s, struct err *e)
{
	double *v = mem_new((size_t)n, sizeof *v, "a chart", e);

	for (int64_t i = 0; v && i < n; i++)
		v[i] = dot[i].y;
	if (v && chart_spread(v, (size_t)n, 0, s, e)) {
		free(v);
		v = NULL;
	}
	return v;
}

/* Dots of nearly one height side by side, the first in the middle. */
static void lay_out(const struct chart *c, struct chart_dot *dot, int64_t n)
{
	enum { BINS = 44 };
	int taken[BINS + 1] = {0};

	for (int64_t i = 0; i < n; i++) {
		double u = (dot[i].y - c->lo[1]) / (c->hi[1] - c->lo[1]);
		int k = isfinite(u) ? taken[(int)(u * BINS)]++ : 0;

		dot[i].x = 0.68 + fmin((k + 1) / 2 * 0.06, 0.28) * (k & 1 ? 1 : -1);
	}
}

static void draw_box(const struct chart *c, const double *v, const struct summary *s)
{
	double reach = 1.5 * (s->q3 - s->q1), lo = s->q1, hi = s->q3, left = place(c, 0, 0.08), right = place(c, 0, 0.32), mid = place(c, 0, 0.2);

	for (size_t i = 0; i < s->n; i++) {
		lo = v[i] >= s->q1 - reach && v[i] < lo ? v[i] : lo;
		hi = v[i] <= s->q3 + reach && v[i] > hi ? v[i] : hi;
	}
	html_print(c->h, "<path class=\"line\" d=\"M%.1f %.1fV%.1fM%.1f %.1fV%.1f\"/>", mid, place(c, 1, lo), place(c, 1, s->q1), mid, place(c, 1, s->q3),
	           place(c, 1, hi));
	html_print(c->h, "<path class=\"box\" d=\"M%.1f %.1fH%.1fV%.1fH%.1fZ\"/>", left, place(c, 1, s->q1), right, place(c, 1, s->q3), left);
	html_print(c->h, "<path class=\"middle\" d=\"M%.1f %.1fH%.1f\"/>", left, place(c, 1, s->median), right);
}

static void put_box(struct chart *c, const char *heading, struct chart_dot *dot, int64_t n, const double *v, const struct chart_spread *s)
{
	const int share = s->min >= 0 && s->max <= 1; /* of one: the whole of it is shown, where it is not next to nothing */
	double step;

	c->lo[1] = share ? 0 : s->min;
	c->hi[1] = share && s->max > 0.2 ? 1 : s->max;
	step = round_range(&c->lo[1], &c->hi[1]);
	begin(c, "box plot", heading);
	html_print(c->h, ", %zu values, median %.4g, quartiles %.4g and %.4g\">", s->s.n, s->s.median, s->s.q1, s->s.q3);
	name(c, heading);
	ticks(c, 1, step);
	draw_box(c, v, &s->s);
	lay_out(c, dot, n);
	put_dots(c, dot, n);
	html_print(c->h, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">n = %zu, median %.3g</text></svg>\n", c->wide / 2 + 20,
	           HIGH - BOTTOM + 22, s->s.n, s->s.median);
}

int chart_box(struct html *h, const char *heading, struct chart_dot *dot, int64_t n, struct err *e)
{
	struct chart c = {h, BOX_WIDE, {0, 0}, {1, 0}};
	struct chart_spread s;
	double *v = values(dot, n, &s, e);

	if (v && s.s.n)
		put_box(&c, heading, dot, n, v, &s);
	free(v);
	return v ? 0 : -1;
}

/* -- agreement --------------------------------------------------------------- */

static void draw_level(const struct chart *c, double y, const char *what)
{
	html_print(c->h, "<path class=\"%s\" d=\"M%d %.1fH%.0f\"/><text class=\"tick\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s %.3g</text>",
	           *what == 'b' ? "middle" : "limit", LEFT, place(c, 1, y), c->wide - RIGHT, c->wide - RIGHT - 4, place(c, 1, y) - 5, what, y);
}

/* The axes: the mean from 0 on, the difference about 0 with its limits. */
static void put_agreement(struct chart *c, const char *heading, const char *unit, const struct chart_dot *dot, int64_t n,
                          const struct chart_spread *s)
{
	const double bias = s->s.mean, half = s->s.n > 1 ? 1.96 * s->s.sd : 0;
	double step[2];

	c->lo[1] = fmin(fmin(s->min, bias - half), 0), c->hi[1] = fmax(fmax(s->max, bias + half), 0);
	for (int64_t i = 0; i < n; i++)
		c->hi[0] = isfinite(dot[i].y) ? fmax(c->hi[0], dot[i].x) : c->hi[0];
	step[0] = round_range(&c->lo[0], &c->hi[0]), step[1] = round_range(&c->lo[1], &c->hi[1]);
	begin(c, "Bland-Altman plot", heading);
	html_print(c->h, ", %zu pairs, bias %.4g, limits of agreement %.4g and %.4g %s\">", s->s.n, bias, bias - half, bias + half, unit);
	name(c, heading);
	ticks(c, 0, step[0]);
	ticks(c, 1, step[1]);
	put_dots(c, dot, n);
	draw_level(c, bias, "bias");
	if (s->s.n > 1) {
		draw_level(c, bias + half, "+1.96 sd");
		draw_level(c, bias - half, "-1.96 sd");
	}
	html_print(c->h, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">mean of truth and prediction, %s</text>",
	           c->wide / 2 + 20, HIGH - 6, unit);
	html_print(c->h, "<text class=\"tick\" transform=\"translate(12 %d)rotate(-90)\" text-anchor=\"middle\">prediction - truth, %s</text></svg>\n",
	           (HIGH - BOTTOM + TOP) / 2, unit);
}

int chart_agreement(struct html *h, const char *heading, const char *unit, const struct chart_dot *dot, int64_t n, struct err *e)
{
	struct chart c = {h, PAIR_WIDE, {0, 0}, {0, 0}};
	struct chart_spread s;
	double *v = values(dot, n, &s, e);

	if (v && s.s.n)
		put_agreement(&c, heading, unit, dot, n, &s);
	free(v);
	return v ? 0 : -1;
}
