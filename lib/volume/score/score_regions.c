/* Regions overlap: each is a pair of masks of its own. */
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"
#include "lib/volume/component/mask.h"
#include "lib/volume/score/score_parts.h"

/* Voxels of t in region k. */
static int region(const struct tensor *t, const struct regions *r, int k, struct tensor *mask, struct err *e)
{
	uint8_t *m;
	int64_t n = tensor_count(t);

	if (mask_new(t, mask, e))
		return -1;
	m = mask->data;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < n; i++) {
		const double v = tensor_value(t, i);

		m[i] = v > 0 && v < 256 && r->of[(int)v] >> k & 1;
	}
	return 0;
}

/* The scores of one region behind those of the others, as label k + 1. */
static int take(struct score_case *all, struct score_case *one, int k, struct err *e)
{
	struct score_lesion *l = one->lesions ? realloc(all->lesion, (all->lesions + one->lesions) * sizeof *l) : all->lesion;

	if (one->lesions && !l)
		return err_set(e, NULL, "not enough memory for lesions");
	all->lesion = l;
	for (size_t i = 0; i < one->lesions; i++) {
		l[all->lesions] = one->lesion[i];
		l[all->lesions++].label = k + 1;
	}
	all->s[k] = one->s[0];
	all->s[k].label = k + 1;
	all->voxel_ml = one->voxel_ml;
	all->n++;
	return 0;
}

static int one_region(const struct tensor *const t[2], const double affine[16], const struct score_options *o, int k, struct score_case *out,
                      struct err *e)
{
	struct score_options own = *o;
	struct score_case one = {0};
	struct tensor mask[2] = {{0}};
	int bad = 0;

	own.all = 1;
	own.allow = NULL;
	for (int i = 0; i < 2 && !bad; i++)
		bad = region(t[i], o->regions, k, &mask[i], e);
	bad = bad || score_labels(&mask[0], &mask[1], affine, &own, &one, e) || take(out, &one, k, e);
	score_case_free(&one);
	free(mask[0].data);
	free(mask[1].data);
	return bad ? -1 : 0;
}

int score_regions(const struct tensor *truth, const struct tensor *pred, const double affine[16], const struct score_options *o,
                  struct score_case *out, struct err *e)
{
	const struct tensor *const t[2] = {truth, pred};

	out->s = mem_zero((size_t)o->regions->n, sizeof *out->s, "scores", e);
	if (!out->s)
		return -1;
	for (int k = 0; k < o->regions->n; k++)
		if (one_region(t, affine, o, k, out, e)) {
			score_case_free(out);
			return -1;
		}
	return 0;
}
