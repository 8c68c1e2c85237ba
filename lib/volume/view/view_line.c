#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/volume/recist/axial.h"
#include "lib/volume/recist/diameter.h"
#include "lib/volume/view/view.h"

/* No line within the component's box is longer. */
static double most(const struct component *c, const double a[16])
{
	double sum = 0;

	for (int i = 0; i < 2; i++)
		sum += (c->hi[i] - c->lo[i]) * sqrt(a[i] * a[i] + a[4 + i] * a[4 + i] + a[8 + i] * a[8 + i]);
	return sum;
}

/* The longest line over all lesions; line 0: there is none. */
static int longest(const struct components *c, const double a[16], struct diameter *best, struct err *e)
{
	struct component_line *line = NULL;
	size_t *first = NULL;
	int r = component_lines(c, NULL, c->n, &line, &first, e);

	*best = (struct diameter){0};
	for (uint32_t g = 0; g < c->n && !r; g++) {
		struct diameter d;

		if (most(&c->c[g], a) <= best->line)
			continue;
		r = diameter_measure(line + first[g], first[g + 1] - first[g], a, DIAMETER_MESH, &d, e);
		if (!r && d.line > best->line)
			*best = d;
	}
	free(line);
	free(first);
	return r;
}

int view_measure(const struct cut *c, const struct tensor *mask, const double affine[16], struct view_line *l, struct err *e)
{
	struct components found = {0};
	struct diameter d;
	double a[16];
	int axis = axial_axis(affine), x = axis == 0 ? 2 : 0, r; /* the voxel axis that is x once axis and z are exchanged */

	*l = (struct view_line){0};
	if (!mask)
		return 0;
	if (axis != c->across.axis)
		return err_set(e, NULL, "the plane that is shown is not the one nearest to axial: no RECIST diameter in it");
	memcpy(a, affine, sizeof a);
	axial_affine(a, axis);
	r = axial_components(mask, axis, 26, COMPONENT_VALUE, &found, e) || longest(&found, a, &d, e) ? -1 : 0;
	component_free(&found);
	if (r || !(d.line > 0))
		return r;
	l->mm = d.line;
	l->layer = d.z;
	for (int i = 0; i < 2; i++) {
		l->end[i][0] = cut_along(&c->right, d.end[i][c->right.axis != x]);
		l->end[i][1] = cut_along(&c->down, d.end[i][c->down.axis != x]);
	}
	return 0;
}
