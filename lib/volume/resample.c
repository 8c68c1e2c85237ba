#include "lib/volume/resample.h"

#include <math.h>
#include <string.h>

#include "lib/stream/history.h"
#include "lib/volume/option.h"
#include "lib/volume/orient.h"

static const double SAME = 1e-3; /* mm: MONAI's AFFINE_TOL */

/* Is there nothing to interpolate between g and `to`, which differ in spacing alone? */
static int is_same(const struct grid *g, const struct grid *to)
{
	double s[3], t[3];

	geo_spacing(g, s);
	geo_spacing(to, t);
	for (int i = 0; i < 3; i++)
		if (g->size[i] != to->size[i] || fabs(s[i] - t[i]) > SAME)
			return 0;
	return 1;
}

static int new_grid(const struct grid *g, const double spacing[3], struct grid *to, struct err *e)
{
	double old[3];

	if (geo_check_right(g, e))
		return -1;
	geo_spacing(g, old);
	*to = *g;
	for (int i = 0; i < 3; i++) {
		double n = nearbyint((double)(g->size[i] - 1) * old[i] / spacing[i] + 1);

		if (!(n <= GEO_MOST))
			return err_set(e, NULL, "%g mm on axis %c makes %.0f voxels (at most %d)", spacing[i], "xyz"[i], n, GEO_MOST);
		to->size[i] = (int64_t)n;
		for (int r = 0; r < 3; r++)
			to->affine[4 * r + i] *= spacing[i] / old[i];
	}
	return 0;
}

static int respace(struct frame *f, struct grid *g, const struct resample *o, int *changed, struct err *e)
{
	double old[3], ratio[3];
	struct grid to;

	if (new_grid(g, o->spacing, &to, e))
		return -1;
	if (is_same(g, &to))
		return 0;
	geo_spacing(g, old);
	for (int i = 0; i < 3; i++)
		ratio[i] = o->spacing[i] / old[i];
	*changed = 1;
	return interp_frame(f, g, &to, ratio, o->interp, e);
}

int resample_apply(struct frame *f, const struct resample *o, struct err *e)
{
	struct grid before, g;
	struct orient turn;
	int changed = 0;

	if (frame_grid(f, &before, e))
		return -1;
	g = before;
	if (o->orient[0]) {
		if (orient_find(&g, o->orient, &turn, e))
			return -1;
		changed = !orient_is_nothing(&turn);
		if (changed && orient_frame(f, &g, &turn, e))
			return -1;
	}
	if (o->respace && respace(f, &g, o, &changed, e))
		return -1;
	return history_push(f, "nii-resample", resample_json(o), NULL, changed ? &before : NULL, e);
}

/* To grid `to`, which is as f's but in spacing. */
static int unspace(struct frame *f, const struct grid *to, enum interp interp, struct err *e)
{
	struct grid g;
	double now[3], then[3], ratio[3];

	if (frame_grid(f, &g, e) || geo_check_right(&g, e))
		return -1;
	if (is_same(&g, to))
		return frame_set_affine(f, to->affine, e);
	geo_spacing(&g, now);
	geo_spacing(to, then);
	for (int i = 0; i < 3; i++)
		ratio[i] = then[i] / now[i];
	return interp_frame(f, &g, to, ratio, interp, e);
}

int resample_back(struct frame *f, const struct grid *to, const struct resample *o, struct err *e)
{
	struct orient turn, back;
	struct grid turned;

	if (!o->orient[0])
		return unspace(f, to, o->interp, e);
	if (orient_find(to, o->orient, &turn, e))
		return -1;
	turned = orient_grid(to, &turn);
	back = orient_inverse(&turn);
	if (unspace(f, &turned, o->interp, e) || orient_frame(f, &turned, &back, e))
		return -1;
	return frame_set_affine(f, to->affine, e);
}

/* -- options -- */

enum { OPTIONS = 5 };

static void make_table(struct resample *o, int *interp, int *align, int given[4], struct option t[OPTIONS])
{
	const struct option table[OPTIONS] = {
		{"orient", OPTION_TEXT, o->orient, sizeof o->orient, NULL, &given[0]},
		{"spacing", OPTION_REALS, o->spacing, 3, NULL, &given[1]},
		{"interp", OPTION_WORD, interp, 1, "linear|nearest", &given[2]},
		{"align", OPTION_WORD, align, 1, "monai", &given[3]},
		{0},
	};

	memcpy(t, table, sizeof table);
}

json_t *resample_json(const struct resample *o)
{
	struct resample v = *o;
	int interp = (int)o->interp, align = 0, given[4] = {o->orient[0] != 0, o->respace, o->respace, o->respace};
	struct option table[OPTIONS];

	make_table(&v, &interp, &align, given, table);
	return option_json(table);
}

int resample_parse(struct resample *o, const json_t *args, struct err *e)
{
	int interp = 0, align = 0, given[4];
	struct option table[OPTIONS];

	memset(o, 0, sizeof *o);
	make_table(o, &interp, &align, given, table);
	if (option_parse(args, table, e))
		return -1;
	o->interp = (enum interp)interp;
	o->respace = given[1];
	if ((!given[0] && !given[1]) || given[1] != given[2] || given[1] != given[3])
		return err_set(e, NULL, "arguments are neither an orientation (orient) nor a spacing (spacing, interp, align)");
	if (given[0] && orient_check(o->orient, e))
		return -1;
	for (int i = 0; given[1] && i < 3; i++)
		if (!(o->spacing[i] > 0))
			return err_set(e, NULL, "spacing on axis %c is not above 0", "xyz"[i]);
	return 0;
}
