#include <math.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/volume/score/score_parts.h"

struct tally { double tp, fp, fn, dice, iou; };

static void fill(const struct tally *t, int one, double *v)
{
	double any = t->tp + t->fp + t->fn, none = one ? 1 : NAN;

	v[SCORE_LESION_TP] = t->tp;
	v[SCORE_LESION_FP] = t->fp;
	v[SCORE_LESION_FN] = t->fn;
	v[SCORE_LESION_F1] = any > 0 ? 2 * t->tp / (2 * t->tp + t->fp + t->fn) : none;
	v[SCORE_LESION_DICE] = any > 0 ? t->dice / any : none;
	v[SCORE_SQ] = t->tp > 0 ? t->iou / t->tp : any > 0 ? NAN : none;
	v[SCORE_PQ] = any > 0 ? t->iou / (t->tp + (t->fp + t->fn) / 2) : none;
}

int score_match(struct score_work *w, struct score *s)
{
	const struct components *t = &w->truth.c, *p = &w->pred.c;
	struct tally *sum = mem_zero(w->n, sizeof *sum, "lesions", w->e);

	if (!sum || lesion_find(t, p, w->o->all ? COMPONENT_UNION : COMPONENT_VALUE, w->o->match, &w->match, w->e)) {
		free(sum);
		return -1;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		size_t k = score_slot(w, t->c[i].value);
		uint32_t j = w->match.pred[i];

		if (k < w->n && j == LESION_NONE)
			sum[k].fn++;
		else if (k < w->n) {
			double both = (double)w->match.both[i], all = (double)(t->c[i].voxels + p->c[j].voxels);

			sum[k].tp++;
			sum[k].dice += 2 * both / all;
			sum[k].iou += both / (all - both);
		}
	}
	for (uint32_t j = 0; j < p->n; j++) {
		size_t k = score_slot(w, p->c[j].value);

		if (k < w->n)
			sum[k].fp += w->match.truth[j] == LESION_NONE;
	}
	for (size_t k = 0; k < w->n; k++)
		fill(&sum[k], w->o->empty == SCORE_ONE, s[k].v);
	free(sum);
	return 0;
}

/* Numbers of a side's components within their labels. */
static int64_t *number(const struct score_work *w, const struct components *c)
{
	int64_t *of = mem_zero(c->n, sizeof *of, "lesions", w->e), *next = mem_zero(w->n + 1, sizeof *next, "lesions", w->e);

	for (uint32_t i = 0; of && next && i < c->n; i++)
		of[i] = ++next[score_slot(w, c->c[i].value)];
	if (!next) {
		free(of);
		of = NULL;
	}
	free(next);
	return of;
}

static void side(const struct score_work *w, int which, uint32_t i, const int64_t *of, struct score_lesion *l)
{
	const struct score_side *s = which ? &w->pred : &w->truth;

	l->number[which] = of[i];
	l->voxels[which] = s->c.c[i].voxels;
	l->d[which] = s->each[i];
}

/* By label; in each those of the truth, then what else was predicted. */
static void list(const struct score_work *w, const int64_t *truth, const int64_t *pred, struct score_case *out)
{
	const struct components *t = &w->truth.c, *p = &w->pred.c;

	for (size_t k = 0; k < w->n; k++) {
		for (uint32_t i = 0; i < t->n; i++)
			if (score_slot(w, t->c[i].value) == k) {
				struct score_lesion *l = &out->lesion[out->lesions++];

				*l = (struct score_lesion){.label = w->label[k], .both = w->match.both[i]};
				side(w, 0, i, truth, l);
				if (w->match.pred[i] != LESION_NONE)
					side(w, 1, w->match.pred[i], pred, l);
			}
		for (uint32_t j = 0; j < p->n; j++)
			if (score_slot(w, p->c[j].value) == k && w->match.truth[j] == LESION_NONE) {
				struct score_lesion *l = &out->lesion[out->lesions++];

				*l = (struct score_lesion){.label = w->label[k]};
				side(w, 1, j, pred, l);
			}
	}
}

int score_list_lesions(const struct score_work *w, struct score_case *out)
{
	int64_t *truth = number(w, &w->truth.c), *pred = number(w, &w->pred.c);
	int r = -1;

	out->lesion = mem_new((size_t)w->truth.c.n + w->pred.c.n, sizeof *out->lesion, "lesions", w->e);
	if (truth && pred && out->lesion) {
		list(w, truth, pred, out);
		r = 0;
	}
	free(truth);
	free(pred);
	return r;
}
