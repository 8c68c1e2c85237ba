/* The parts of a picture. Private to lib/volume/view*.c. */
#ifndef NIIPIPE_VIEW_PARTS_H
#define NIIPIPE_VIEW_PARTS_H

#include "lib/volume/view/view.h"

struct view {
	const struct view_opts *o;
	const char *id;
	struct cut cut;
	struct tensor image; /* the channel that is shown */
	const struct tensor *label, *pred;
	struct view_range range;
	struct view_line line[2]; /* of label and pred; mm 0: none is drawn */
	int64_t tw, th;    /* pixels of a tile */
	int scale;         /* of letters */
};

/* Draw layer k at x, y. 0 or -1. */
int view_tile(const struct view *v, struct draw *d, int64_t x, int64_t y, int64_t k, struct err *e);

/* A bar of a round length, mm, at the lower left of the tile at x, y. */
void view_scale_bar(const struct view *v, struct draw *d, int64_t x, int64_t y);

/* What the colours mean, from y down; returns how many pixels of height that takes in a picture of d->w. It is not drawn where d->rgb is NULL. */
int64_t view_legend(const struct view *v, struct draw *d, int64_t y);

#endif
