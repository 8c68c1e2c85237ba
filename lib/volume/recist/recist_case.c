#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/recist/axial.h"
#include "lib/volume/recist/recist.h"

struct work {
	const struct recist_options *o;
	const double *affine; /* of the volume itself */
	double turned[16];    /* of the axial view */
	int axis;
	double voxel_ml;
	struct err *e;
};

static int is_one_of(int64_t v, const int64_t *list, int n)
{
	for (int i = 0; i < n; i++)
		if (list[i] == v)
			return 1;
	return 0;
}

/* From the axial view to the volume's own voxels and to mm. */
static void locate(const struct work *w, const double xy[2], int32_t z, double voxel[3], double world[3])
{
	voxel[0] = xy[0];
	voxel[1] = xy[1];
	voxel[2] = z;
	if (w->axis != 2) {
		voxel[2] = voxel[w->axis];
		voxel[w->axis] = z;
	}
	for (int i = 0; i < 3; i++) {
		const double *a = w->affine + 4 * i;

		world[i] = a[0] * voxel[0] + a[1] * voxel[1] + a[2] * voxel[2] + a[3];
	}
}

static int measure(const struct work *w, const struct component *c, const struct component_line *line, size_t n, struct recist_lesion *l)
{
	struct diameter d;

	if (diameter_measure(line, n, w->turned, w->o->by, &d, w->e) || recist_measure(line, n, w->turned, w->o->by, &d, &l->line, w->e))
		return -1;
	l->label = w->o->all ? 1 : c->value;
	l->voxels = c->voxels;
	l->ml = w->voxel_ml * (double)c->voxels;
	l->space = d.longest;
	l->node = is_one_of(l->label, w->o->rule.node, w->o->rule.nodes);
	for (int i = 0; i < 4; i++)
		locate(w, i < 2 ? l->line.end[i] : l->line.across[i - 2], l->line.z, l->end[i], l->world[i]);
	return 0;
}

static int by_label(const void *a, const void *b)
{
	const struct recist_lesion *p = a, *q = b;

	if (p->label != q->label)
		return p->label < q->label ? -1 : 1;
	return p->number < q->number ? -1 : p->number > q->number; /* the order of first voxels for now */
}

static int lesions(const struct work *w, const struct components *c, struct recist_case *out)
{
	const struct arg_ints *only = w->o->labels;
	struct component_line *line;
	size_t *first;
	int r = 0;

	if (component_lines(c, NULL, c->n, &line, &first, w->e))
		return -1;
	out->l = mem_zero(c->n, sizeof *out->l, "lesions", w->e);
	for (uint32_t i = 0; i < c->n && out->l && !r; i++) {
		if (!w->o->all && only && only->n && !is_one_of(c->c[i].value, only->v, only->n))
			continue;
		r = measure(w, &c->c[i], line + first[i], first[i + 1] - first[i], &out->l[out->n]);
		out->l[out->n++].number = i;
	}
	free(line);
	free(first);
	if (!out->l || r)
		return -1;
	qsort(out->l, out->n, sizeof *out->l, by_label);
	for (size_t i = 0; i < out->n; i++)
		out->l[i].number = i && out->l[i].label == out->l[i - 1].label ? out->l[i - 1].number + 1 : 1;
	return 0;
}

int recist_mask(const struct tensor *t, const double affine[16], const struct recist_options *o, struct recist_case *c, struct err *e)
{
	struct work w = {.o = o, .affine = affine, .axis = axial_axis(affine), .e = e};
	struct components found = {0};
	struct grid g = {.size = {1, 1, 1}};
	double spacing[3];
	int r;

	memset(c, 0, sizeof *c);
	memcpy(g.affine, affine, sizeof g.affine);
	if (geo_check_solid(&g, e))
		return err_set(e, NULL, "the affine is singular: no lengths in mm");
	memcpy(w.turned, affine, sizeof w.turned);
	axial_affine(w.turned, w.axis);
	geo_spacing(&g, spacing);
	w.voxel_ml = geo_voxel_ml(affine);
	c->slice_mm = o->rule.slice_mm > 0 ? o->rule.slice_mm : spacing[w.axis];
	c->tilt = axial_tilt(affine);
	c->baseline = c->nadir = NAN;
	c->response = RECIST_NE;
	r = axial_components(t, w.axis, o->connectivity, o->all ? COMPONENT_UNION : COMPONENT_VALUE, &found, e) || lesions(&w, &found, c);
	component_free(&found);
	if (r) {
		recist_case_free(c);
		return -1;
	}
	for (size_t i = 0; i < c->n; i++)
		c->l[i].measurable = recist_is_measurable(&c->l[i], c->slice_mm);
	recist_choose(c->l, c->n, &o->rule);
	return 0;
}

void recist_case_free(struct recist_case *c)
{
	free(c->id);
	free(c->l);
	memset(c, 0, sizeof *c);
}
