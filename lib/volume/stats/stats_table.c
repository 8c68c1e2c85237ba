#include <math.h>

#include "lib/stream/names.h"
#include "lib/volume/score/score.h"
#include "lib/volume/stats/stats.h"

static const char *const value_names[STATS_VALUES] = {"mean", "sd", "min", "p05", "median", "p95", "max"};

static int some_image(const struct stats_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (c[i].image)
			return 1;
	return 0;
}

/* The box's last voxels, and where there are none what stands for them. */
static double last(const struct stats_label *l, int axis) { return l->voxels ? l->hi[axis] - 1 : NAN; }
static double begin(const struct stats_label *l, int axis) { return l->voxels ? l->lo[axis] : NAN; }
static double centre(const struct stats_label *l, int axis) { return fabs(l->centroid[axis]) < 1e-9 ? 0 : l->centroid[axis]; /* no -0 */ }

static const struct { const char *name; double (*of)(const struct stats_label *, int axis); } points[] = {
	{"centroid_mm", centre}, {"box_from", begin}, {"box_to", last},
};
enum { POINTS = sizeof points / sizeof *points };

/* ---- tab-separated ---- */

static int number(struct out *o, const char *before, double v, struct err *e)
{
	return isnan(v) ? out_printf(o, e, "%snan", before) : out_printf(o, e, "%s%.6g", before, v);
}

/* A name is text of others: what would end a column or a line is a blank. */
static int name_tsv(struct out *o, const char *name, struct err *e)
{
	int r = 0;

	for (; name && *name && !r; name++)
		r = out_printf(o, e, "%c", (unsigned char)*name < ' ' ? ' ' : *name);
	return r;
}

static int label_tsv(const struct stats_case *c, const struct stats_label *l, int image, struct out *o, struct err *e)
{
	int r = out_printf(o, e, "%s\t%lld\t", c->id, (long long)l->label) || name_tsv(o, names_of(c->names, l->label), e) ||
	        out_printf(o, e, "\t%lld", (long long)l->voxels) || number(o, "\t", l->ml, e);

	for (int k = 0; k < POINTS; k++)
		for (int a = 0; a < 3 && !r; a++)
			r = number(o, a ? "," : "\t", points[k].of(l, a), e);
	if (!r)
		r = out_printf(o, e, "\t%s", l->border ? "yes" : "no");
	for (int k = 0; k < STATS_VALUES && image && !r; k++)
		r = number(o, "\t", l->v[k], e);
	return r || out_printf(o, e, "\n") ? -1 : 0;
}

int stats_write(const struct stats_case *c, size_t n, struct out *out, struct err *e)
{
	int image = some_image(c, n), r = out_printf(out, e, "id\tlabel\tname\tvoxels\tml");

	for (int k = 0; k < POINTS && !r; k++)
		r = out_printf(out, e, "\t%s", points[k].name);
	if (!r)
		r = out_printf(out, e, "\tborder");
	for (int k = 0; k < STATS_VALUES && image && !r; k++)
		r = out_printf(out, e, "\t%s", value_names[k]);
	if (!r)
		r = out_printf(out, e, "\n");
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c[i].n && !r; k++)
			r = label_tsv(&c[i], &c[i].l[k], image, out, e);
	return r ? -1 : 0;
}

/* ---- JSON ---- */

static json_t *label_json(const struct stats_case *c, const struct stats_label *l, int image)
{
	const char *name = names_of(c->names, l->label);
	json_t *o = json_pack("{s:s, s:I, s:I, s:f, s:b}", "id", c->id, "label", (json_int_t)l->label, "voxels", (json_int_t)l->voxels, "ml", l->ml,
	                      "border", l->border);

	if (name)
		json_object_set_new(o, "name", json_string(name));
	for (int k = 0; k < POINTS; k++) {
		json_t *p = json_array();

		for (int a = 0; a < 3; a++)
			json_array_append_new(p, score_json(points[k].of(l, a)));
		json_object_set_new(o, points[k].name, p);
	}
	for (int k = 0; k < STATS_VALUES && image; k++)
		json_object_set_new(o, value_names[k], score_json(l->v[k]));
	return o;
}

int stats_write_json(const struct stats_case *c, size_t n, json_t *about, struct out *out, struct err *e)
{
	json_t *labels = json_array(), *all = json_pack("{s:o}", "labels", labels);
	int image = some_image(c, n), r;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < c[i].n; k++)
			json_array_append_new(labels, label_json(&c[i], &c[i].l[k], image));
	r = score_write_object(all, about, out, e);
	json_decref(all);
	return r;
}
