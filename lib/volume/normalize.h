/* Intensities of `image`: a linear range or a z-score, float32 out. Definitions: MONAI's ScaleIntensityRange and NormalizeIntensity
   (monai/transforms/intensity/array.py). */
#ifndef NIIPIPE_NORMALIZE_H
#define NIIPIPE_NORMALIZE_H

#include "lib/stream/frame.h"

enum normalize_mode {
	NORMALIZE_RANGE,   /* (x - a_min) / (a_max - a_min) * (b_max - b_min) + b_min, then, with clip, to [b_min, b_max] */
	NORMALIZE_ZSCORE,  /* (x - mean) / std, population std, 1 where it is 0 */
	NORMALIZE_NONZERO  /* the same over and for voxels other than 0; the others stay 0 */
};

struct normalize {
	enum normalize_mode mode;
	double range[4];  /* a_min, a_max, b_min, b_max; a_min < a_max */
	int clip;
	int channel_wise; /* z-scores: statistics of each channel by itself */
};

/* Options to args of a history entry and back; the object is the caller's to json_decref(). Parsing is strict. 0, or -1 and an error. */
json_t *normalize_json(const struct normalize *o);
int normalize_parse(struct normalize *o, const json_t *args, struct err *e);

/* Replace tensor image ([Z,Y,X] or [C,Z,Y,X], any type) by float32, and record it in the history as nii-normalize. Arithmetic is float32,
   statistics double, the same whatever the number of threads. A voxel that is NaN or infinite is an error that names the first. 0 or -1. */
int normalize_apply(struct frame *f, const struct normalize *o, struct err *e);

#endif
