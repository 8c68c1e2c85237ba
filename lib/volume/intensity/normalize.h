/* Intensities of `image`: a linear range, windows, a z-score, float32 out. Definitions: MONAI's ScaleIntensityRange,
   ScaleIntensityRangePercentiles and NormalizeIntensity (monai/transforms/intensity/array.py), nnU-Net's CTNormalization
   (default_normalization_schemes.py). */
#ifndef NIIPIPE_NORMALIZE_H
#define NIIPIPE_NORMALIZE_H

#include "lib/stream/frame.h"

enum normalize_mode {
	NORMALIZE_RANGE,   /* (x - a_min) / (a_max - a_min) * (b_max - b_min) + b_min, then, with clip, to [b_min, b_max] */
	NORMALIZE_ZSCORE,  /* (x - mean) / std, population std, 1 where it is 0 */
	NORMALIZE_NONZERO, /* the same over and for voxels other than 0; the others stay 0 */
	NORMALIZE_MASKED,  /* the same, of each channel by itself, over and for voxels where any channel is other than 0 and the holes in there, which do not
	                      reach the border (6 neighbours): nnU-Net's use_mask_for_norm */
	NORMALIZE_PERCENTILE, /* the range from one percentile to the other becomes 0..1, clipped; where they are equal, 1 is divided by */
	NORMALIZE_WINDOWS, /* of one channel: a channel for each window lo..hi, which becomes 0..1, clipped */
	NORMALIZE_CT       /* each channel clipped to lo..hi, then (x - mean) / max(std, 1e-8): given numbers, nnU-Net's fingerprint */
};

enum { NORMALIZE_LIST = 256, NORMALIZE_NAME = 64 };

struct normalize {
	enum normalize_mode mode;
	double range[4];  /* a_min, a_max, b_min, b_max; a_min < a_max */
	int clip;
	int channel_wise; /* z-scores, percentiles: statistics of each channel by itself */
	int alone;        /* only channel `channel` is changed (not by NORMALIZE_WINDOWS), by what it has itself; the others become float32 as they are */
	int64_t channel;
	int clip_first;   /* NORMALIZE_ZSCORE: clip to the percentiles after mean and std were taken, as CTNormalization would */
	double percentile[2];      /* 0..100, the first below the second */
	char mask[NORMALIZE_NAME]; /* ZSCORE, PERCENTILE: statistics over the voxels where this tensor, integers [Z,Y,X], is above 0; "": over all */
	int n;                     /* numbers in list: 2 for a window, 4 for a channel (lo, hi, mean, std) */
	double list[NORMALIZE_LIST];
};

/* lo and hi of a window that has a name, in HU; NORMALIZE_PRESETS: the names. 0, or -1: no such name. Source: https://radiopaedia.org/articles/
   windowing-ct, and lung-tumour: what nnU-Net clips to in MSD's Task06. */
#define NORMALIZE_PRESETS "lung, mediastinum, bone, abdomen, liver, brain, lung-tumour"
int normalize_preset(const char *name, size_t len, double window[2]);

/* NORMALIZE_CT's numbers from nnU-Net's dataset_fingerprint.json or plans.json: foreground_intensity_properties_per_channel, of all channels or, with
   o->alone, of o->channel. 0 or -1. */
int normalize_stats(const json_t *root, struct normalize *o, const char *path, struct err *e); /* path, for messages: may be NULL */
int normalize_read_stats(const char *path, struct normalize *o, struct err *e);

/* Options to args of a history entry and back; the object is the caller's to json_decref(). Parsing is strict. 0, or -1 and an error. */
json_t *normalize_json(const struct normalize *o);
int normalize_parse(struct normalize *o, const json_t *args, struct err *e);

/* Replace tensor image ([Z,Y,X] or [C,Z,Y,X], any type) by float32, made when the frame is written (tensor_later), and record it in the history as
   nii-normalize. Arithmetic is float32, statistics double, the same whatever the number of threads. A voxel that is NaN or infinite is an error that
   names the first; so are a mask without a voxel and another number of channels than was asked. 0 or -1. */
int normalize_apply(struct frame *f, const struct normalize *o, struct err *e);

#endif
