/* A volume as a picture: slices in the radiologist's orientation with truth and prediction marked on them. */
#ifndef NIIPIPE_VIEW_H
#define NIIPIPE_VIEW_H

#include "lib/volume/view/cut.h"
#include "lib/volume/view/draw.h"

enum view_marks { VIEW_OUTLINE, VIEW_FILL, VIEW_BOTH, VIEW_BARE };

enum view_window {
	VIEW_AUTO,   /* as view_range says */
	VIEW_VALUES, /* lo and hi are values of the image */
	VIEW_HU      /* HU; an error where these are not known */
};

struct view_opts {
	const char *tensor;  /* what is shown in grey, on the frame's grid: */
	int64_t channel;     /* this one of its channels */
	enum cut_plane plane;
	int64_t slice;       /* index of the voxel layer; -1: choose */
	int64_t montage;     /* how many slices, spread over those with label or pred, else over all; 0: the one with most */
	int strip;           /* every slice from the first to the last with label or pred (else all), in one row */
	int64_t columns;     /* tiles a row; 0: so that the picture is about square */
	enum view_window window;
	double lo, hi;       /* black and white */
	double zoom;         /* pixels a voxel, along the finer axis; 0: so that one slice is at least 512 pixels wide, of several each 256 */
	enum view_marks marks;
	double close;        /* mm around label and pred that are shown of a slice; below 0: all of it */
	int recist;          /* axial: the longest diameters of label and pred, on the slices where they are, which are among those shown */
	int plain;           /* no letters, no scale, no legend */
};

/* The colours of label, pred and both: told apart by people who see no red or no green, too. */
extern const struct draw_colour VIEW_TRUTH, VIEW_PRED, VIEW_SAME;

/* What --preset takes: nii-normalize's windows (normalize.h) and soft, an abdomen's, and wide, -1000 to 400 HU. 0, or -1: no such name. */
#define VIEW_PRESETS "lung, mediastinum, bone, abdomen, liver, brain, lung-tumour, soft, wide"
int view_preset(const char *name, double window[2]);

/* --window (0, 0: not given) and --preset (NULL: not given; or auto) as a window: *window becomes lo and hi. 0, or -1 and an error: misuse. */
int view_choose(const char *preset, double window[2], enum view_window *kind, struct err *e);

/* How channel `channel` of an image, t [Z,Y,X], is shown where nobody says: its values at black and white, and what they are in HU: scale value +
   shift; scale 0: nobody knows. An image that nothing has touched is in HU, of several channels those that metadata channels call CT, or else the
   first, unless it is of floats within 0..1 in the middle layer; of one that went through one window of nii-normalize the history tells. HU are
   shown from VIEW_BLACK to VIEW_WHITE, others from 0 to 1 where they lie there, else from the least to the most of the middle layer. 0, or -1 and
   an error. (view_range.c) */
enum { VIEW_BLACK = -1000, VIEW_WHITE = 400 };
struct view_range { double lo, hi, scale, shift; int known; /* the history tells */ };
int view_range(const struct frame *f, const struct cut *c, const struct tensor *t, int64_t channel, struct view_range *r, struct err *e);

/* The same with lo and hi as o->window says. 0, or -1 and an error: VIEW_HU where these are not known. */
int view_range_chosen(const struct frame *f, const struct cut *c, const struct tensor *t, int64_t channel, enum view_window window, double lo,
                      double hi, struct view_range *r, struct err *e);

/* The longest diameter of a mask in an axial slice as RECIST 1.1 has it, of all its 26-connected lesions and labels (diameter.h: line,
   DIAMETER_MESH): mm, the voxel layer, its ends along right and down, 0 at the centre of the first voxel that is shown. mm 0: nothing is marked. c
   must be axial, or it is an error; mask may be NULL. 0 or -1. (view_line.c) */
struct view_line { double mm; int64_t layer; double end[2][2]; };
int view_measure(const struct cut *c, const struct tensor *mask, const double affine[16], struct view_line *l, struct err *e);

/* *d is released with draw_free. 0, or -1 and an error. */
int view_draw(const struct frame *f, const struct view_opts *o, struct draw *d, struct err *e);

#endif
