#include "lib/volume/score/score_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/volume/nifti/nifti.h"

struct result { struct score_case c; char *id; int failed; struct err e; };

static int same_grid(const struct frame *f, const struct frame *g, const struct pair *p, struct err *e)
{
	struct grid truth, pred;

	if (frame_grid(f, &truth, e))
		return err_prefix(e, "%s", p->truth);
	return frame_grid(g, &pred, e) || grid_match(&pred, &truth, NII_ONE_GRID, p->truth, e) ? err_prefix(e, "%s", p->pred) : 0;
}

/* Both files at the same time. */
static int load(const struct pair *p, struct frame f[2], struct err *e)
{
	struct err each[2];
	int failed[2];

#pragma omp parallel for
	for (int i = 0; i < 2; i++)
		failed[i] = nii_load(i ? p->pred : p->truth, i ? "pred" : "label", &f[i], &each[i]);
	for (int i = 0; i < 2; i++)
		if (failed[i])
			return err_set(e, NULL, "%s", each[i].text);
	return 0;
}

static int one(const struct pair *p, const struct score_options *o, struct result *r)
{
	struct frame f[2] = {{0}};
	double affine[16];

	r->failed = -1;
	if (!load(p, f, &r->e) && !same_grid(&f[0], &f[1], p, &r->e) && !frame_affine(&f[0], affine, &r->e)) {
		r->failed = score_masks(frame_find(&f[0], "label"), frame_find(&f[1], "pred"), affine, o, &r->c, &r->e);
		if (r->failed)
			err_prefix(&r->e, "%s", strncmp(r->e.text, "'label' ", 8) ? p->pred : p->truth); /* the file of the tensor that is named */
		r->id = strdup(p->id ? p->id : frame_id(&f[0]));
		if (!r->id)
			r->failed = err_set(&r->e, NULL, "not enough memory for scores");
	}
	frame_free(&f[0]);
	frame_free(&f[1]);
	return r->failed;
}

static int collect(struct score_table *t, struct pairs *p, struct result *r, struct err *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (r[i].failed && pairs_add_problem(p, &r[i].e, e))
			return -1;
	for (size_t i = 0; i < p->n && !p->problems; i++)
		if (score_add(t, r[i].id, &r[i].c, &r[i].e)) {
			err_prefix(&r[i].e, "%s", p->p[i].truth);
			if (pairs_add_problem(p, &r[i].e, e))
				return -1;
			break;
		}
	return 0;
}

int score_pairs(struct score_table *t, struct pairs *p, const struct score_options *o, struct err *e)
{
	struct result *r = mem_zero(p->n, sizeof *r, "scores", e);
	int done;

	if (!r)
		return -1;
#pragma omp parallel for schedule(dynamic, 1) if (p->n > 1)
	for (size_t i = 0; i < p->n; i++)
		one(&p->p[i], o, &r[i]);
	done = collect(t, p, r, e);
	for (size_t i = 0; i < p->n; i++) {
		score_case_free(&r[i].c);
		free(r[i].id);
	}
	free(r);
	return done;
}
