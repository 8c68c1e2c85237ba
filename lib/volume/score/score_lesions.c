#include <math.h>
#include <stdlib.h>

#include "lib/volume/score/score.h"

/* A number of a lesion; NaN where it has none. side -1: of both. */
static double ml(const struct score_lesion *l, int side, double voxel)
{
	return l->number[side] ? voxel * (double)l->voxels[side] : NAN;
}

static double dice(const struct score_lesion *l, int side, double voxel)
{
	(void)side, (void)voxel;
	return 2 * (double)l->both / (double)(l->voxels[0] + l->voxels[1]);
}

static double iou(const struct score_lesion *l, int side, double voxel)
{
	(void)side, (void)voxel;
	return (double)l->both / (double)(l->voxels[0] + l->voxels[1] - l->both);
}

static double longest(const struct score_lesion *l, int side, double voxel)
{
	(void)voxel;
	return l->number[side] ? l->d[side].longest : NAN;
}

static double axial(const struct score_lesion *l, int side, double voxel)
{
	(void)voxel;
	return l->number[side] ? l->d[side].axial : NAN;
}

static double slice(const struct score_lesion *l, int side, double voxel)
{
	(void)voxel;
	return l->number[side] ? l->d[side].slice : NAN;
}

static double error_axial(const struct score_lesion *l, int side, double voxel)
{
	(void)side, (void)voxel;
	return l->number[0] && l->number[1] ? fabs(l->d[1].axial - l->d[0].axial) / l->d[0].axial : NAN;
}

static const struct { const char *name; double (*of)(const struct score_lesion *, int, double); int side; } columns[] = {
	{"truth_ml", ml, 0},           {"pred_ml", ml, 1},           {"dice", dice, 0},           {"iou", iou, 0},
	{"truth_3d_mm", longest, 0},   {"pred_3d_mm", longest, 1},   {"truth_axial_mm", axial, 0}, {"pred_axial_mm", axial, 1},
	{"error_axial", error_axial, 0}, {"truth_slice", slice, 0}, {"pred_slice", slice, 1},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *kind(const struct score_lesion *l)
{
	return !l->number[0] ? "fp" : l->number[1] ? "tp" : "fn";
}

int score_write_lesions(const struct score_table *t, struct out *out, struct err *e)
{
	char text[SCORE_LABEL];
	int r = out_printf(out, e, "id\tlabel\tkind\ttruth\tpred");

	for (int k = 0; k < COLUMNS && !r; k++)
		r = out_printf(out, e, "\t%s", columns[k].name);
	for (size_t i = 0; i < t->n && !r; i++)
		for (size_t j = 0; j < t->row[i].c.lesions && !r; j++) {
			const struct score_lesion *l = &t->row[i].c.lesion[j];

			r = out_printf(out, e, "\n%s\t%s\t%s\t%lld\t%lld", t->row[i].id, score_label(t, l->label, text), kind(l), (long long)l->number[0],
			               (long long)l->number[1]);
			for (int k = 0; k < COLUMNS && !r; k++) {
				double v = columns[k].of(l, columns[k].side, t->row[i].c.voxel_ml);

				r = isnan(v) ? out_printf(out, e, "\tnan") : out_printf(out, e, "\t%.6g", v);
			}
		}
	return r ? -1 : out_printf(out, e, "\n");
}

int score_write_lesions_json(const struct score_table *t, json_t *about, struct out *out, struct err *e)
{
	json_t *all = json_pack("{s:[]}", "lesions"), *list = json_object_get(all, "lesions");
	int r;

	for (size_t i = 0; i < t->n; i++)
		for (size_t j = 0; j < t->row[i].c.lesions; j++) {
			const struct score_lesion *l = &t->row[i].c.lesion[j];
			json_t *o = json_pack("{s:s, s:o, s:s, s:I, s:I}", "id", t->row[i].id, "label", score_label_json(t, l->label), "kind", kind(l), "truth",
			                      (json_int_t)l->number[0], "pred", (json_int_t)l->number[1]);

			for (int k = 0; k < COLUMNS; k++)
				json_object_set_new(o, columns[k].name, score_json(columns[k].of(l, columns[k].side, t->row[i].c.voxel_ml)));
			json_array_append_new(list, o);
		}
	r = score_write_object(all, about, out, e);
	json_decref(all);
	return r;
}
