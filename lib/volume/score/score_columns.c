#include <stdio.h>
#include <string.h>

#include "lib/volume/score/score.h"

static const char *const groups[SCORE_GROUPS] = {
	[SCORE_OF_OVERLAP] = "overlap", [SCORE_OF_VOLUME] = "volume", [SCORE_OF_DIAMETER] = "diameter", [SCORE_OF_SURFACE] = "surface",
	[SCORE_OF_LESION] = "lesion",
};

static const struct { const char *name; enum score_group group; } metrics[SCORE_METRICS] = {
	[SCORE_DICE] = {"dice", SCORE_OF_OVERLAP},
	[SCORE_IOU] = {"iou", SCORE_OF_OVERLAP},
	[SCORE_TRUTH_ML] = {"truth_ml", SCORE_OF_VOLUME},
	[SCORE_PRED_ML] = {"pred_ml", SCORE_OF_VOLUME},
	[SCORE_VOLUME_ERROR] = {"volume_error", SCORE_OF_VOLUME},
	[SCORE_VOLUME_BIAS] = {"volume_bias", SCORE_OF_VOLUME},
	[SCORE_TRUTH_3D] = {"truth_3d_mm", SCORE_OF_DIAMETER},
	[SCORE_PRED_3D] = {"pred_3d_mm", SCORE_OF_DIAMETER},
	[SCORE_ERROR_3D] = {"error_3d", SCORE_OF_DIAMETER},
	[SCORE_CLIPPED_3D] = {"error_3d_clipped", SCORE_OF_DIAMETER},
	[SCORE_TRUTH_AXIAL] = {"truth_axial_mm", SCORE_OF_DIAMETER},
	[SCORE_PRED_AXIAL] = {"pred_axial_mm", SCORE_OF_DIAMETER},
	[SCORE_ERROR_AXIAL] = {"error_axial", SCORE_OF_DIAMETER},
	[SCORE_CLIPPED_AXIAL] = {"error_axial_clipped", SCORE_OF_DIAMETER},
	[SCORE_SENSITIVITY] = {"sensitivity", SCORE_OF_OVERLAP},
	[SCORE_PRECISION] = {"precision", SCORE_OF_OVERLAP},
	[SCORE_VOLUME_DIFF] = {"volume_diff_ml", SCORE_OF_VOLUME},
	[SCORE_HD] = {"hd_mm", SCORE_OF_SURFACE},
	[SCORE_HD95] = {"hd95_mm", SCORE_OF_SURFACE},
	[SCORE_ASSD] = {"assd_mm", SCORE_OF_SURFACE},
	[SCORE_MASD] = {"masd_mm", SCORE_OF_SURFACE},
	[SCORE_NSD] = {"nsd", SCORE_OF_SURFACE}, /* one a tolerance */
	[SCORE_LESION_TP] = {"lesion_tp", SCORE_OF_LESION},
	[SCORE_LESION_FP] = {"lesion_fp", SCORE_OF_LESION},
	[SCORE_LESION_FN] = {"lesion_fn", SCORE_OF_LESION},
	[SCORE_LESION_F1] = {"lesion_f1", SCORE_OF_LESION},
	[SCORE_LESION_DICE] = {"lesion_dice", SCORE_OF_LESION},
	[SCORE_SQ] = {"sq", SCORE_OF_LESION},
	[SCORE_PQ] = {"pq", SCORE_OF_LESION},
};

static int is(const char *name, const char *word, size_t n)
{
	return strlen(name) == n && !strncmp(name, word, n);
}

/* Choose what a word names. 0, or -1: nothing. */
static int choose(char chosen[SCORE_METRICS], const char *word, size_t n)
{
	int found = 0;

	for (int m = 0; m < SCORE_METRICS; m++)
		if (metrics[m].name && (is("all", word, n) || is(metrics[m].name, word, n) || is(groups[metrics[m].group], word, n)))
			found = chosen[m] = 1;
	return found ? 0 : -1;
}

static void add(struct score_columns *c, int m, double tolerance)
{
	char *name = c->name[c->n];

	if (m >= SCORE_NSD && m < SCORE_NSD + SURFACE_TOLERANCES)
		snprintf(name, sizeof c->name[0], "%s_%.8gmm", metrics[SCORE_NSD].name, tolerance);
	else
		snprintf(name, sizeof c->name[0], "%s", metrics[m].name);
	c->m[c->n++] = (enum score_metric)m;
}

int score_columns_choose(struct score_columns *c, const char *list, const double *tolerance, int tolerances, struct err *e)
{
	char chosen[SCORE_METRICS] = {0};

	memset(c, 0, sizeof *c);
	if (tolerances > SURFACE_TOLERANCES)
		return err_set(e, NULL, "%d tolerances (at most %d)", tolerances, SURFACE_TOLERANCES);
	memcpy(c->tolerance, tolerance, (size_t)tolerances * sizeof *tolerance);
	c->tolerances = tolerances;
	for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (choose(chosen, p, strcspn(p, ",")))
			return err_set(e, NULL, "there is no metric '%.*s'", (int)(strcspn(p, ",") < 80 ? strcspn(p, ",") : 80), p);
	for (int m = 0; m < SCORE_METRICS; m++) {
		if (!chosen[m])
			continue;
		c->groups |= 1u << metrics[m].group;
		for (int i = 0; i < (m == SCORE_NSD ? tolerances : 1); i++)
			add(c, m + i, tolerance[i]);
	}
	return 0;
}

int score_columns_find(const struct score_columns *c, const char *name, size_t n)
{
	for (int i = 0; i < c->n; i++)
		if (is(c->name[i], name, n))
			return i;
	return -1;
}
