/* A volume as a picture: slices in the radiologist's orientation with the outlines of truth and prediction. */
#ifndef NIIPIPE_VIEW_H
#define NIIPIPE_VIEW_H

#include "lib/stream/frame.h"
#include "lib/volume/draw.h"

enum view_plane { VIEW_AXIAL, VIEW_CORONAL, VIEW_SAGITTAL };

struct view_opts {
	const char *tensor;  /* what is shown in grey: its first channel; on the frame's grid */
	enum view_plane plane;
	int64_t slice;       /* index of the voxel layer; -1: choose */
	int64_t montage;     /* how many slices, spread over those with label or pred, else over all; 1: the one with most */
	int window;          /* 1: lo, hi are given; 0: 0..1 where the values are floats within [0, 1], else -1000..400 */
	double lo, hi;
	double zoom;         /* pixels a voxel, along the finer axis; 0: so that a slice is at least 256 pixels wide */
};

/* Slices are axial (seen from the feet: the patient's right on the left), coronal (from the front) or sagittal (from the left); spacing is respected;
   the axes nearest to the world's are taken, an oblique volume is not resampled. Outlines: label green, pred orange, both yellow.
   *d is released with draw_free. 0, or -1 and an error. */
int view_draw(const struct frame *f, const struct view_opts *o, struct draw *d, struct err *e);

#endif
