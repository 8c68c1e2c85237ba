/* The ways of choosing a box in a volume, one a sampler_by: what sampler.c calls. */
#ifndef NIIPIPE_SAMPLER_WAY_H
#define NIIPIPE_SAMPLER_WAY_H

#include "lib/base/rng.h"
#include "lib/volume/patch/locate.h"
#include "lib/volume/patch/sampler.h"
#include "lib/volume/patch/weight.h"

/* What is known of a volume's voxels once they were looked at: made at the first visit by the way that needs it. */
struct sampler_index { struct locate voxels, annotated; struct weight weight; };
void sampler_forget(struct sampler_index *ix);

/* A volume in hand and the patch to be cut from it. */
struct sampler_visit {
	struct frame f;
	struct grid g;
	struct sampler_index *index; /* borrowed */
	int64_t i;                   /* of the sequence; grid: of the volume */
	struct rng r;                /* at the patch's place */
	int64_t start[3], size[3];   /* of the box */
};

struct sampler_way {
	/* Has f, of which the header was read, what it takes? NULL: any frame has. 0, or -1 and an error. */
	int (*check)(const struct sampler_opts *o, const struct frame *f, const struct grid *g, struct err *e);

	/* The box of patch i: v->start; v->size is o->size and may be changed. 0, or -1 and an error. */
	int (*choose)(const struct sampler_opts *o, struct sampler_visit *v, struct err *e);

	/* Its options into an object. */
	void (*describe)(const struct sampler_opts *o, json_t *args);
};

const struct sampler_way *sampler_way(enum sampler_by by);

/* SAMPLER_GRID: patches of a volume. */
int64_t sampler_grid_count(const struct sampler_opts *o, const struct grid *g);

#endif
