/* A volume as a picture: slices in the radiologist's orientation with truth and prediction marked on them. */
#ifndef NIIPIPE_VIEW_H
#define NIIPIPE_VIEW_H

#include "lib/volume/cut.h"
#include "lib/volume/draw.h"

enum view_marks { VIEW_OUTLINE, VIEW_FILL, VIEW_BOTH, VIEW_BARE };

struct view_opts {
	const char *tensor;  /* what is shown in grey: its first channel; on the frame's grid */
	enum cut_plane plane;
	int64_t slice;       /* index of the voxel layer; -1: choose */
	int64_t montage;     /* how many slices, spread over those with label or pred, else over all; 0: the one with most */
	int strip;           /* every slice from the first to the last with label or pred (else all), in one row */
	int64_t columns;     /* tiles a row; 0: so that the picture is about square */
	int window;          /* 1: lo, hi are given; 0: 0..1 where the values are floats within [0, 1], else -1000..400 */
	double lo, hi;
	double zoom;         /* pixels a voxel, along the finer axis; 0: so that one slice is at least 512 pixels wide, of several each 256 */
	enum view_marks marks;
	double close;        /* mm around label and pred that are shown of a slice; below 0: all of it */
	int plain;           /* no letters, no scale, no legend */
};

/* The colours of label, pred and both: told apart by people who see no red or no green, too. */
extern const struct draw_colour VIEW_TRUTH, VIEW_PRED, VIEW_SAME;

/* What --preset takes: nii-normalize's windows (normalize.h) and soft, an abdomen's, and wide, -1000 to 400 HU. 0, or -1: no such name. */
#define VIEW_PRESETS "lung, mediastinum, bone, abdomen, liver, brain, lung-tumour, soft, wide"
int view_preset(const char *name, double window[2]);

/* Are the values of image HU, as far as one can tell: integers, or floats that leave 0..1 in the middle layer? 1 or 0, or -1 and an error. */
int view_is_hu(const struct cut *c, const struct tensor *image, struct err *e);

/* *d is released with draw_free. 0, or -1 and an error. */
int view_draw(const struct frame *f, const struct view_opts *o, struct draw *d, struct err *e);

#endif
