/* What a mask's labels are, each by itself: how large, where, and which values an image has there. */
#ifndef NIIPIPE_STATS_H
#define NIIPIPE_STATS_H

#include "lib/base/arg.h"
#include "lib/stream/frame.h"

/* Of an image's values, in the order of struct stats_label's v: mean and standard deviation (of all of them, divided by n, as numpy.std), least, 5th
   percentile, median, 95th percentile (linear between two, as numpy.percentile), largest. */
enum stats_value { STATS_MEAN, STATS_SD, STATS_MIN, STATS_P05, STATS_MEDIAN, STATS_P95, STATS_MAX, STATS_VALUES };

struct stats_label {
	int64_t label, voxels;
	double ml;
	double centroid[3];     /* mean of the voxels' centres, mm; NaN without voxels */
	int32_t lo[3], hi[3];   /* bounding box, voxels x,y,z: lo <= i < hi */
	int border;             /* does it touch the volume's border? Then it may go on beyond */
	int nan;                /* has it voxels whose values have no mean, as they are no numbers? */
	double v[STATS_VALUES]; /* NaN: that, no image, no voxels */
};

struct stats_case {
	char *id;
	json_t *names;  /* {"1": "liver"}, or NULL: owned */
	int image;      /* was there one? */
	struct stats_label *l; /* by rising label */
	size_t n;
};

struct stats_options {
	int all;                       /* all labels together, as label 1 */
	const struct arg_ints *labels; /* these; n 0: those that there are and those that have names */
};

/* mask: integers [Z,Y,X]; image: its channel number `channel`, [Z,Y,X] or [C,Z,Y,X] on the same grid, or NULL; its values are taken as float32.
   names: as above, borrowed, or NULL. Memory: 24 bytes a run of labels along x, 4 bytes a labelled voxel of an image. 0, or -1 and an error: no such
   channel, a singular affine, no memory, more labels than a mask has (SCORE_LABELS). Freed with stats_free, which is safe on a zeroed one. */
int stats_mask(const struct tensor *mask, const struct tensor *image, int64_t channel, const double affine[16], const json_t *names,
               const struct stats_options *o, struct stats_case *c, struct err *e);
void stats_free(struct stats_case *c);

/* A line a label, or one JSON object {"labels": [...]} and what `about` (borrowed) has. Columns of values are there if some case had an image.
   0 or -1. (stats_table.c) */
int stats_write(const struct stats_case *c, size_t n, struct out *out, struct err *e);
int stats_write_json(const struct stats_case *c, size_t n, json_t *about, struct out *out, struct err *e);

#endif
