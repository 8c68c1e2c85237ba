/* What a history entry has of nii-resample, and back. */
#include <string.h>

#include "lib/base/option.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/resample/resample.h"

enum { OPTIONS = 11 };
enum given { ORIENT, SPACING, SIZE, AFFINE, FILL, INTERP, ALIGN, LABEL, ANTIALIAS, TRUNCATE, GIVEN };

static void make_table(struct resample *o, int words[3], int given[GIVEN], struct option t[OPTIONS])
{
	const struct option table[OPTIONS] = {
		{"orient", OPTION_TEXT, o->orient, sizeof o->orient, NULL, &given[ORIENT]},
		{"spacing", OPTION_REALS, o->spacing, 3, NULL, &given[SPACING]},
		{"size", OPTION_INTS, o->like.size, 3, NULL, &given[SIZE]},
		{"affine", OPTION_REALS, o->like.affine, 16, NULL, &given[AFFINE]},
		{"fill", OPTION_REALS, &o->fill, 1, NULL, &given[FILL]},
		{"interp", OPTION_WORD, &words[0], 1, INTERP_WORDS, &given[INTERP]},
		{"align", OPTION_WORD, &words[1], 1, RESAMPLE_ALIGN_WORDS, &given[ALIGN]},
		{"label_interp", OPTION_WORD, &words[2], 1, INTERP_LABEL_WORDS, &given[LABEL]},
		{"antialias", OPTION_BOOL, &o->antialias, 1, NULL, &given[ANTIALIAS]},
		{"truncate", OPTION_BOOL, &o->truncate, 1, NULL, &given[TRUNCATE]},
		{0},
	};

	memcpy(t, table, sizeof table);
}

json_t *resample_json(const struct resample *o)
{
	struct resample v = *o;
	int words[3] = {(int)o->interp, (int)o->align, (int)o->label}, like = o->to == RESAMPLE_LIKE, to = o->to != RESAMPLE_NOT;
	int given[GIVEN] = {o->orient[0] != 0, o->to == RESAMPLE_SPACING, like || o->to == RESAMPLE_SIZE, like, like, to, to && !like,
	                    to && o->label != INTERP_LABEL_NEAREST, to && o->antialias, to && o->truncate};
	struct option table[OPTIONS];

	make_table(&v, words, given, table);
	return option_json(table);
}

static int check_args(const struct resample *o, const int given[GIVEN], struct err *e)
{
	int to = o->to != RESAMPLE_NOT;

	if ((!given[ORIENT] && !to) || (given[SPACING] && given[SIZE]) || given[AFFINE] > given[SIZE] || given[FILL] != given[AFFINE] ||
	    given[INTERP] != to || given[ALIGN] != (to && !given[AFFINE]) || given[LABEL] > to ||
	    given[ANTIALIAS] > to || given[TRUNCATE] > to || (given[ORIENT] && given[AFFINE]))
		return err_set(e, NULL, "arguments are no orientation (orient), spacing (spacing, interp, align), size (size, interp, align) or grid (size, "
		                        "affine, fill, interp)");
	if (given[ORIENT] && orient_check(o->orient, e))
		return -1;
	if (given[SPACING] && !(o->spacing[0] + o->spacing[1] + o->spacing[2] > 0))
		return err_set(e, NULL, "spacing is 0 on all axes");
	for (int i = 0; i < 3; i++) {
		if (given[SPACING] && !(o->spacing[i] >= 0))
			return err_set(e, NULL, "spacing on axis %c is below 0", "xyz"[i]);
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
