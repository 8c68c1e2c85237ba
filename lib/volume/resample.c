#include "lib/volume/resample.h"

#include <math.h>
#include <string.h>

#include "lib/stream/history.h"
#include "lib/volume/like.h"
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

static int check_count(double n, double spacing, int axis, struct err *e)
{
	if (!(n <= GEO_MOST))
		return err_set(e, NULL, "%g mm on axis %c makes %.0f voxels (at most %d)", spacing, "xyz"[axis], n, GEO_MOST);
	if (!(n >= 1))
		return err_set(e, NULL, "%g mm on axis %c leaves no voxel", spacing, "xyz"[axis]);
	return 0;
}

/* Axis i of g as *to has it, and where its voxels come from. */
static int new_axis(const struct grid *g, const struct resample *o, int i, struct grid *to, struct interp_map *m, struct err *e)
{
	double s[3], old, n = (double)g->size[i], spacing = o->spacing[i], made;

	geo_spacing(g, s);
	old = s[i];
	if (o->to == RESAMPLE_SIZE)
		made = (double)o->like.size[i];
	else
		made = o->align == RESAMPLE_MONAI ? nearbyint((n - 1) * old / spacing + 1) : nearbyint(old / spacing * n);
	if (check_count(made, spacing, i, e))
		return -1;
	if (o->align == RESAMPLE_NNUNET)
		m->scale[i] = n / made;
	else if (o->to == RESAMPLE_SIZE)
		m->scale[i] = made > 1 && n > 1 ? (n - 1) / (made - 1) : n / made;
	else
		m->scale[i] = spacing / old;
	m->shift[i] = o->align == RESAMPLE_NNUNET ? 0.5 * m->scale[i] - 0.5 : 0;
	to->size[i] = (int64_t)made;
	for (int r = 0; r < 3; r++) {
		to->affine[4 * r + i] *= m->scale[i];
		to->affine[4 * r + 3] += m->shift[i] * g->affine[4 * r + i];
	}
	return 0;
}

/* The one axis of the largest spacing, more than 3 times the least; -1: none. */
static int coarse_axis(const double s[3])
{
	int axis = 0, many = 0;

	for (int i = 1; i < 3; i++)
		axis = s[i] > s[axis] ? i : axis;
	for (int i = 0; i < 3; i++)
		many += s[i] > s[axis] * (1 - 1e-6); /* lengths of an oblique affine's columns are equal but for the last bits */
	return many == 1 && s[axis] / fmin(s[0], fmin(s[1], s[2])) > 3 ? axis : -1;
}

static struct interp_map make_map(const struct resample *o)
{
	return (struct interp_map){.image = o->interp, .label = o->label, .coarse = -1, .up = o->align == RESAMPLE_NNUNET,
	                           .clip = o->align == RESAMPLE_NNUNET};
}

static void choose_coarse(const struct resample *o, const double from[3], const double to[3], struct interp_map *m)
{
	if (o->align != RESAMPLE_NNUNET)
		return;
	m->coarse = coarse_axis(from);
	if (m->coarse < 0)
		m->coarse = coarse_axis(to);
}

static int respace(struct frame *f, struct grid *g, const struct resample *o, int *changed, struct err *e)
{
	struct interp_map m = make_map(o);
	struct grid to = *g;
	double now[3], then[3];

	if (geo_check_right(g, e))
		return -1;
	for (int i = 0; i < 3; i++)
		if (new_axis(g, o, i, &to, &m, e))
			return -1;
	if (is_same(g, &to))
		return 0;
	geo_spacing(g, now);
	geo_spacing(&to, then);
	choose_coarse(o, now, o->to == RESAMPLE_SPACING ? o->spacing : then, &m);
	*changed = 1;
	return interp_frame(f, g, &to, &m, e);
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
	if (o->to == RESAMPLE_LIKE) {
		struct interp_map m = make_map(o);

		changed = 1;
		if (like_apply(f, &g, &o->like, &m, o->fill, e))
			return -1;
	} else if (o->to != RESAMPLE_NOT && respace(f, &g, o, &changed, e))
		return -1;
	return history_push(f, "nii-resample", resample_json(o), NULL, changed ? &before : NULL, e);
}

/* To grid `to`, which is as f's but in spacing, size and half pixels. */
static int unspace(struct frame *f, const struct grid *to, const struct resample *o, int argmax, struct err *e)
{
	struct interp_map m = make_map(o);
	struct grid g;
	double now[3], then[3];

	if (frame_grid(f, &g, e) || geo_check_right(&g, e))
		return -1;
	if (is_same(&g, to))
		return frame_set_affine(f, to->affine, e);
	geo_spacing(&g, now);
	geo_spacing(to, then);
	for (int i = 0; i < 3; i++) {
		int half = o->align == RESAMPLE_NNUNET;

		m.scale[i] = half ? (double)g.size[i] / (double)to->size[i] : then[i] / now[i];
		m.shift[i] = half ? 0.5 * m.scale[i] - 0.5 : 0;
	}
	choose_coarse(o, o->to == RESAMPLE_SPACING ? o->spacing : now, then, &m);
	m.argmax = argmax;
	return interp_frame(f, &g, to, &m, e);
}

static int unlike(struct frame *f, const struct grid *to, const struct resample *o, int argmax, struct err *e)
{
	struct interp_map m = make_map(o);
	struct grid g;

	m.argmax = argmax;
	return frame_grid(f, &g, e) || like_apply(f, &g, to, &m, 0, e) ? -1 : 0;
}

int resample_back(struct frame *f, const struct grid *to, const struct resample *o, int argmax, struct err *e)
{
	struct orient turn, back;
	struct grid turned;

	if (o->to == RESAMPLE_LIKE)
		return unlike(f, to, o, argmax, e);
	if (!o->orient[0])
		return unspace(f, to, o, argmax, e);
	if (orient_find(to, o->orient, &turn, e))
		return -1;
	turned = orient_grid(to, &turn);
	back = orient_inverse(&turn);
	if (unspace(f, &turned, o, argmax, e) || orient_frame(f, &turned, &back, e))
		return -1;
	return frame_set_affine(f, to->affine, e);
}

/* -- options -- */

enum { OPTIONS = 9 };
enum given { ORIENT, SPACING, SIZE, AFFINE, FILL, INTERP, ALIGN, LABEL, GIVEN };

static void make_table(struct resample *o, int words[3], int given[GIVEN], struct option t[OPTIONS])
{
	const struct option table[OPTIONS] = {
		{"orient", OPTION_TEXT, o->orient, sizeof o->orient, NULL, &given[ORIENT]},
		{"spacing", OPTION_REALS, o->spacing, 3, NULL, &given[SPACING]},
		{"size", OPTION_INTS, o->like.size, 3, NULL, &given[SIZE]},
		{"affine", OPTION_REALS, o->like.affine, 16, NULL, &given[AFFINE]},
		{"fill", OPTION_REALS, &o->fill, 1, NULL, &given[FILL]},
		{"interp", OPTION_WORD, &words[0], 1, INTERP_WORDS, &given[INTERP]},
		{"align", OPTION_WORD, &words[1], 1, "monai|nnunet", &given[ALIGN]},
		{"label_interp", OPTION_WORD, &words[2], 1, INTERP_LABEL_WORDS, &given[LABEL]},
		{0},
	};

	memcpy(t, table, sizeof table);
}

json_t *resample_json(const struct resample *o)
{
	struct resample v = *o;
	int words[3] = {(int)o->interp, (int)o->align, (int)o->label}, like = o->to == RESAMPLE_LIKE, to = o->to != RESAMPLE_NOT;
	int given[GIVEN] = {o->orient[0] != 0, o->to == RESAMPLE_SPACING, like || o->to == RESAMPLE_SIZE, like, like, to, to && !like,
	                    to && o->label != INTERP_LABEL_NEAREST};
	struct option table[OPTIONS];

	make_table(&v, words, given, table);
	return option_json(table);
}

static int check_args(const struct resample *o, const int given[GIVEN], struct err *e)
{
	int to = o->to != RESAMPLE_NOT;

	if ((!given[ORIENT] && !to) || (given[SPACING] && given[SIZE]) || given[AFFINE] > given[SIZE] || given[FILL] != given[AFFINE] ||
	    given[INTERP] != to || given[ALIGN] != (to && !given[AFFINE]) || given[LABEL] > to || (given[ORIENT] && given[AFFINE]))
		return err_set(e, NULL, "arguments are no orientation (orient), spacing (spacing, interp, align), size (size, interp, align) or grid (size, "
		                        "affine, fill, interp)");
	if (given[ORIENT] && orient_check(o->orient, e))
		return -1;
	for (int i = 0; i < 3; i++) {
		if (given[SPACING] && !(o->spacing[i] > 0))
			return err_set(e, NULL, "spacing on axis %c is not above 0", "xyz"[i]);
		if (given[SIZE] && (o->like.size[i] < 1 || o->like.size[i] > GEO_MOST))
			return err_set(e, NULL, "size on axis %c is not 1 to %d", "xyz"[i], GEO_MOST);
	}
	return 0;
}

int resample_parse(struct resample *o, const json_t *args, struct err *e)
{
	int words[3] = {0}, given[GIVEN];
	struct option table[OPTIONS];

	memset(o, 0, sizeof *o);
	make_table(o, words, given, table);
	if (option_parse(args, table, e))
		return -1;
	o->interp = (enum interp)words[0];
	o->align = (enum resample_align)words[1];
	o->label = (enum interp_label)words[2];
	o->to = given[SPACING] ? RESAMPLE_SPACING : given[AFFINE] ? RESAMPLE_LIKE : given[SIZE] ? RESAMPLE_SIZE : RESAMPLE_NOT;
	return check_args(o, given, e);
}
