/* lib/volume/recist: the short axis and what lies inside, on random slices against the definitions, every piece of the lesion by itself; targets and
   responses against RECIST 1.1's words. */
#include "tests/unit/tap.h"

#include "lib/volume/recist/recist.h"
#include "tests/unit/mask.h"

enum { CORNERS = 8, CELLS = (SIDE + 2) * (SIDE + 2) };

/* Convex pieces that make up the lesion in a slice, in voxels. */
struct cell { double p[CORNERS][2]; int n; };

static void add(struct cell *c, double x, double y)
{
	c->p[c->n][0] = x;
	c->p[c->n++][1] = y;
}

/* The piece between four centres, or of one pixel. */
static struct cell piece(const struct mask *m, enum diameter_by by, int x, int y, int z)
{
	int in[4] = {at(m, x, y, z), at(m, x + 1, y, z), at(m, x, y + 1, z), at(m, x + 1, y + 1, z)};
	struct cell c = {.n = 0};

	if (by == DIAMETER_CORNER) {
		for (int k = 0; k < 4 && in[0]; k++)
			add(&c, x + (k & 1 ? .5 : -.5), y + (k & 2 ? .5 : -.5));
		return c;
	}
	for (int k = 0; k < 4; k++)
		if (in[k])
			add(&c, x + (k & 1), y + k / 2);
	for (int k = 0; k < 2 && by == DIAMETER_MESH; k++) {
		if (in[2 * k] != in[2 * k + 1])
			add(&c, x + .5, y + k);
		if (in[k] != in[k + 2])
			add(&c, x + k, y + .5);
	}
	return c;
}

struct view { double o[2], along[2], x[2], y[2]; }; /* x, y: a voxel in the plane, mm */

static void look(struct view *v, const double a[16], const struct recist_line *r)
{
	double xx = sqrt(a[0] * a[0] + a[4] * a[4] + a[8] * a[8]), xy = (a[0] * a[1] + a[4] * a[5] + a[8] * a[9]) / xx;
	double dx = r->end[1][0] - r->end[0][0], dy = r->end[1][1] - r->end[0][1], n;

	*v = (struct view){{r->end[0][0], r->end[0][1]}, {1, 0}, {xx, 0}, {xy, sqrt(a[1] * a[1] + a[5] * a[5] + a[9] * a[9] - xy * xy)}};
	n = hypot(dx * v->x[0] + dy * v->y[0], dy * v->y[1]);
	if (n > 0) {
		v->along[0] = (dx * v->x[0] + dy * v->y[0]) / n;
		v->along[1] = dy * v->y[1] / n;
	}
}

static void seen(const struct view *v, const double p[2], double *t, double *u)
{
	double dx = p[0] - v->o[0], dy = p[1] - v->o[1], x = dx * v->x[0] + dy * v->y[0], y = dy * v->y[1];

	*t = x * v->along[0] + y * v->along[1];
	*u = y * v->along[0] - x * v->along[1];
}

/* How far the pieces reach across at t: every two corners of a convex piece. */
static double reach(const struct view *v, const struct cell *c, int n, double t)
{
	double lo = INFINITY, hi = -INFINITY;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < c[i].n; j++)
			for (int k = 0; k <= j; k++) {
				double s[2], w[2], f, u;

				seen(v, c[i].p[j], &s[0], &w[0]);
				seen(v, c[i].p[k], &s[1], &w[1]);
				if (t < fmin(s[0], s[1]) - 1e-9 || t > fmax(s[0], s[1]) + 1e-9)
					continue;
				f = fabs(s[1] - s[0]) > 1e-9 ? (t - s[0]) / (s[1] - s[0]) : 0;
				for (int e = 0; e < 2; e++) {
					u = fabs(s[1] - s[0]) > 1e-9 ? w[0] + f * (w[1] - w[0]) : w[e];
					lo = u < lo ? u : lo;
					hi = u > hi ? u : hi;
				}
			}
	return hi - lo;
}

static int in_pixels(const struct mask *m, int z, double x, double y)
{
	for (int j = -1; j < m->n[1] + 1; j++)
		for (int i = -1; i < m->n[0] + 1; i++)
			if (at(m, i, j, z) && fabs(x - i) <= .5 + 1e-9 && fabs(y - j) <= .5 + 1e-9)
				return 1;
	return 0;
}

static int right(const struct mask *m, const double a[16], enum diameter_by by, const struct recist_line *r)
{
	static struct cell c[CELLS];
	struct view v;
	double best = 0, lo = INFINITY, hi = -INFINITY, t[2], u[2];
	int n = 0, inside = 0, samples = 2000;

	look(&v, a, r);
	for (int y = -1; y < m->n[1]; y++)
		for (int x = -1; x < m->n[0]; x++) {
			c[n] = piece(m, by, x, y, r->z);
			n += c[n].n > 0;
		}
	for (int i = 0; i < n; i++)
		for (int k = 0; k < c[i].n; k++) {
			double at_t, at_u;

			seen(&v, c[i].p[k], &at_t, &at_u);
			lo = fmin(lo, at_u);
			hi = fmax(hi, at_u);
			best = fmax(best, reach(&v, c, n, at_t));
		}
	for (int i = 0; i < samples; i++) {
		double s = (i + .5) / samples;

		inside += in_pixels(m, r->z, r->end[0][0] + s * (r->end[1][0] - r->end[0][0]), r->end[0][1] + s * (r->end[1][1] - r->end[0][1]));
	}
	seen(&v, r->across[0], &t[0], &u[0]);
	seen(&v, r->across[1], &t[1], &u[1]);
	return near_to(r->width, hi - lo, 1e-9, 1e-9) && near_to(r->chord, best, 1e-8, 1e-8) && near_to(t[0], t[1], 1e-9, 1e-9) &&
	       near_to(u[1] - u[0], r->chord, 1e-9, 1e-9) && near_to(r->inside, (double)inside / samples, 3.0 / samples * SIDE, 0);
}

static int one(struct rng *r, int i)
{
	enum diameter_by by = (enum diameter_by)(i % 3);
	struct components c;
	struct component_line *line;
	struct recist_line got;
	struct diameter d;
	struct mask m;
	struct tensor t;
	struct err e;
	double a[16];
	size_t *first;
	uint32_t zero[SIDE * SIDE * SIDE] = {0};
	int good = 1;

	random_mask(r, &m);
	random_affine(r, a);
	t = mask_tensor(&m, "label");
	if (component_find(&t, 26, COMPONENT_VALUE, &c, &e) || component_lines(&c, zero, 1, &line, &first, &e))
		return 0;
	if (c.n)
		good = !diameter_measure(line, first[1], a, by, &d, &e) && !recist_measure(line, first[1], a, by, &d, &got, &e) && right(&m, a, by, &got);
	if (!good)
		printf("# mask %d: long %.17g short %.17g width %.17g inside %g\n", i, got.longest, got.chord, got.width, got.inside);
	free(line);
	free(first);
	component_free(&c);
	return good;
}

/* ---- rules ---- */

static struct recist_lesion lesion(int64_t label, double longest, double shortest, int node)
{
	struct recist_lesion l = {.label = label, .line = {.longest = longest, .chord = shortest}, .node = node};

	l.measurable = recist_is_measurable(&l, 3);
	return l;
}

static void measurable(void)
{
	static const struct { double longest, shortest, slice; int node, want; } rows[] = {
		{10, 3, 3, 0, 1}, {9.99, 9, 3, 0, 0}, {10, 3, 5, 0, 1}, {11, 3, 6, 0, 0}, {12, 3, 6, 0, 1}, {20, 14.9, 3, 1, 0},
		{20, 15, 3, 1, 1}, {16, 15, 8, 1, 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct recist_lesion l = {.line = {.longest = rows[i].longest, .chord = rows[i].shortest}, .node = rows[i].node};

		ok(recist_is_measurable(&l, rows[i].slice) == rows[i].want, "%g x %g mm%s in slices of %g mm is %smeasurable", rows[i].longest, rows[i].shortest,
		   rows[i].node ? " node" : "", rows[i].slice, rows[i].want ? "" : "not ");
	}
}

static void targets(void)
{
	struct recist_lesion l[] = {lesion(1, 30, 9, 0), lesion(1, 50, 9, 0), lesion(1, 40, 9, 0), lesion(2, 12, 9, 0), lesion(2, 9, 9, 0),
	                            lesion(3, 60, 16, 1), lesion(4, 11, 9, 0), lesion(5, 11, 9, 0), lesion(6, 11, 9, 0)};
	const size_t n = sizeof l / sizeof *l;
	const int64_t was[] = {1, 2, 2, 7};
	struct recist_rule rule = {.targets = 5, .organ = 2};

	recist_choose(l, n, &rule);
	ok(!l[0].target && l[1].target && l[2].target && l[3].target && !l[4].target && l[5].target && l[6].target && !l[7].target && !l[8].target,
	   "five targets, two of a label, the largest measurable ones, of equal ones the first");
	ok(recist_sum(l, n) == 50 + 40 + 12 + 16 + 11, "the sum has a node's short axis");
	for (size_t i = 0; i < n; i++)
		l[i].target = 0;
	recist_follow(l, n, was, 4);
	ok(l[1].target && !l[0].target && !l[2].target && l[3].target && l[4].target && recist_sum(l, n) == 50 + 12 + 9,
	   "followed: as many of a label as there were, measurable or not, none where none is left");
}

static void responses(void)
{
	static const struct { double sum, baseline, nadir; enum recist_response want; const char *what; } rows[] = {
		{70, 100, 100, RECIST_PR, "30 % less"}, {70.1, 100, 100, RECIST_SD, "less, but not 30 %"}, {120, 100, 100, RECIST_PD, "20 % more"},
		{119.9, 100, 100, RECIST_SD, "more, but not 20 %"}, {24, 20, 20, RECIST_SD, "20 % more, but not 5 mm"},
		{25, 20, 20, RECIST_PD, "5 mm and 20 % more"},
		{60, 100, 50, RECIST_PD, "20 % above nadir, though 40 % below baseline"}, {55, 100, 50, RECIST_PR, "10 % above nadir, 45 % below baseline"},
		{110, 100, 130, RECIST_SD, "the baseline is a nadir too"}, {30, 0, 0, RECIST_NE, "no target at baseline"},
		{5, 100, 0, RECIST_PD, "back after all was gone"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct recist_lesion l = lesion(1, rows[i].sum, 5, 0);

		l.target = 1;
		ok(recist_respond(&l, 1, rows[i].baseline, rows[i].nadir) == rows[i].want, "%s: %s", recist_name(rows[i].want), rows[i].what);
	}
	struct recist_lesion node = lesion(1, 20, 9.9, 1), rest = lesion(1, 2, 2, 0);
	node.target = 1;
	ok(recist_respond(&node, 1, 30, 30) == RECIST_CR && recist_respond(NULL, 0, 30, 30) == RECIST_CR, "CR: nothing left but a node below 10 mm");
	node.line.chord = 10;
	ok(recist_respond(&node, 1, 30, 30) == RECIST_PR && recist_respond(&rest, 1, 30, 30) == RECIST_PR,
	   "not CR: a node of 10 mm, a lesion however small");
}

int main(void)
{
	struct rng r;
	int good = 0, tries = 10000;

	rng_init(&r, 2, RNG_TEST, 0);
	for (int i = 0; i < tries; i++)
		good += one(&r, i);
	ok(good == tries, "%d of %d masks: short axis of every convention, its ends, width, the part inside", good, tries);
	measurable();
	targets();
	responses();
	return tap_done();
}
