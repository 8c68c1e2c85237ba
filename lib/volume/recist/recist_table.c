#include <math.h>
#include <stdlib.h>

#include "lib/volume/recist/recist.h"
#include "lib/volume/score/score.h"

/* ---- columns of a lesion ---- */

static double ml(const struct recist_lesion *l) { return l->ml; }
static double longest(const struct recist_lesion *l) { return l->line.longest; }
static double chord(const struct recist_lesion *l) { return l->line.chord; }
static double width(const struct recist_lesion *l) { return l->line.width; }
static double space(const struct recist_lesion *l) { return l->space; }
static double inside(const struct recist_lesion *l) { return l->line.inside; }

static const struct { const char *name; double (*of)(const struct recist_lesion *); } numbers[] = {
	{"ml", ml}, {"long_mm", longest}, {"short_mm", chord}, {"width_mm", width}, {"diameter_3d_mm", space}, {"size_mm", recist_size}, {"inside", inside},
};

static const struct { const char *name; int end, mm; } points[] = {
	{"long_from", 0, 0},    {"long_to", 1, 0},    {"short_from", 2, 0},    {"short_to", 3, 0},
	{"long_from_mm", 0, 1}, {"long_to_mm", 1, 1}, {"short_from_mm", 2, 1}, {"short_to_mm", 3, 1},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers, POINTS = sizeof points / sizeof *points };

static const double *point(const struct recist_lesion *l, int i)
{
	return points[i].mm ? l->world[points[i].end] : l->end[points[i].end];
}

/* Rounding must not make -0 of a coordinate. */
static double whole(double v)
{
	return fabs(v) < 1e-9 ? 0 : v;
}

/* ---- columns of a case ---- */

static double lesions(const struct recist_case *c) { return (double)c->n; }

static double measurable(const struct recist_case *c)
{
	double n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->l[i].measurable;
	return n;
}

static double targets(const struct recist_case *c)
{
	double n = 0;

	for (size_t i = 0; i < c->n; i++)
		n += c->l[i].target;
	return n;
}

static double sum(const struct recist_case *c) { return recist_sum(c->l, c->n); }
static double baseline(const struct recist_case *c) { return c->baseline; }
static double nadir(const struct recist_case *c) { return c->nadir; }
static double from_baseline(const struct recist_case *c) { return (sum(c) - c->baseline) / c->baseline; }
static double from_nadir(const struct recist_case *c) { return (sum(c) - c->nadir) / c->nadir; }

static const struct { const char *name; double (*of)(const struct recist_case *); } of_case[] = {
	{"lesions", lesions},   {"measurable", measurable}, {"targets", targets},             {"sum_mm", sum},
	{"baseline_mm", baseline}, {"nadir_mm", nadir},     {"from_baseline", from_baseline}, {"from_nadir", from_nadir},
};
enum { OF_CASE = sizeof of_case / sizeof *of_case };

/* ---- tab-separated ---- */

static int number(struct out *o, double v, struct err *e)
{
	return isnan(v) ? out_printf(o, e, "\tnan") : out_printf(o, e, "\t%.6g", v);
}

static int lesion_tsv(const struct recist_case *c, const struct recist_lesion *l, struct out *o, struct err *e)
{
	int r = out_printf(o, e, "%s\t%lld\t%lld\t%s\t%s\t%s\t%d\t%lld", c->id, (long long)l->label, (long long)l->number, l->target ? "yes" : "no",
	                   l->measurable ? "yes" : "no", l->node ? "yes" : "no", l->line.z, (long long)l->voxels);

	for (int k = 0; k < NUMBERS && !r; k++)
		r = number(o, numbers[k].of(l), e);
	for (int k = 0; k < POINTS && !r; k++) {
		const double *p = point(l, k);

		r = out_printf(o, e, "\t%.6g,%.6g,%.6g", whole(p[0]), whole(p[1]), whole(p[2]));
	}
	return r ? -1 : out_printf(o, e, "\n");
}

static int lesions_tsv(const struct recist_case *c, size_t n, struct out *o, struct err *e)
{
	int r = out_printf(o, e, "id\tlabel\tlesion\ttarget\tmeasurable\tnode\tslice\tvoxels");

	for (int k = 0; k < NUMBERS && !r; k++)
		r = out_printf(o, e, "\t%s", numbers[k].name);
	for (int k = 0; k < POINTS && !r; k++)
		r = out_printf(o, e, "\t%s", points[k].name);
	if (!r)
		r = out_printf(o, e, "\n");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c[i].n && !r; k++)
			r = lesion_tsv(&c[i], &c[i].l[k], o, e);
	return r;
}

static int cases_tsv(const struct recist_case *c, size_t n, struct out *o, struct err *e)
{
	int r = out_printf(o, e, "id");

	for (int k = 0; k < OF_CASE && !r; k++)
		r = out_printf(o, e, "\t%s", of_case[k].name);
	if (!r)
		r = out_printf(o, e, "\tresponse\n");
	for (size_t i = 0; i < n && !r; i++) {
		r = out_printf(o, e, "%s", c[i].id);
		for (int k = 0; k < OF_CASE && !r; k++)
			r = number(o, of_case[k].of(&c[i]), e);
		if (!r)
			r = out_printf(o, e, "\t%s\n", recist_name(c[i].response));
	}
	return r;
}

int recist_write(const struct recist_case *c, size_t n, enum recist_table which, struct out *out, struct err *e)
{
	return which == RECIST_CASES ? cases_tsv(c, n, out, e) : lesions_tsv(c, n, out, e);
}

/* ---- JSON ---- */

static json_t *lesion_json(const struct recist_case *c, const struct recist_lesion *l)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:b, s:b, s:b, s:i, s:I}", "id", c->id, "label", (json_int_t)l->label, "lesion", (json_int_t)l->number,
	                      "target", l->target, "measurable", l->measurable, "node", l->node, "slice", l->line.z, "voxels", (json_int_t)l->voxels);

	for (int k = 0; k < NUMBERS; k++)
		json_object_set_new(o, numbers[k].name, score_json(numbers[k].of(l)));
	for (int k = 0; k < POINTS; k++) {
		const double *p = point(l, k);

		json_object_set_new(o, points[k].name, json_pack("[f, f, f]", whole(p[0]), whole(p[1]), whole(p[2])));
	}
	return o;
}

static json_t *case_json(const struct recist_case *c)
{
	json_t *o = json_pack("{s:s}", "id", c->id);

	for (int k = 0; k < OF_CASE; k++)
		json_object_set_new(o, of_case[k].name, score_json(of_case[k].of(c)));
	json_object_set_new(o, "response", json_string(recist_name(c->response)));
	json_object_set_new(o, "slice_mm", json_real(c->slice_mm));
	json_object_set_new(o, "tilt", json_real(c->tilt));
	return o;
}

int recist_write_json(const struct recist_case *c, size_t n, json_t *about, struct out *out, struct err *e)
{
	json_t *of_lesions = json_array(), *cases = json_array();
	json_t *all = json_pack("{s:o, s:o}", "lesions", of_lesions, "cases", cases);
	int r;

	for (size_t i = 0; i < n; i++) {
		json_array_append_new(cases, case_json(&c[i]));
		for (size_t k = 0; k < c[i].n; k++)
			json_array_append_new(of_lesions, lesion_json(&c[i], &c[i].l[k]));
	}
	r = score_write_object(all, about, out, e);
	json_decref(all);
	return r;
}
