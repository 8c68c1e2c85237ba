/* What a data set is like, as nnU-Net's dataset_fingerprint.json has it (nnunetv2/experiment_planning/dataset_fingerprint/fingerprint_extractor.py),
   and the volume and the components of every case's foreground.
   Axes are z,y,x as nnU-Net's arrays have them. Memory while cases are added: 4 bytes a foreground voxel and channel of all of them. */
#ifndef NIIPIPE_FINGERPRINT_H
#define NIIPIPE_FINGERPRINT_H

#include "lib/stream/frame.h"

struct fingerprint_case {
	char *id;            /* NULL: not known */
	double spacing[3];   /* z,y,x mm */
	int64_t shape[3];    /* z,y,x voxels of the box outside of which every channel is 0 */
	double kept;         /* voxels of that box over all */
	double volume;       /* of label > 0, mm3; -1: not known */
	int64_t components;  /* of label > 0, by 26 neighbours; -1: not known */
	int64_t n;           /* foreground voxels in the box, */
	float *value;        /* their n values of each channel, C order */
};

/* Of a channel's foreground: of each case as many voxels as of every other, drawn as nnU-Net draws them. */
struct fingerprint_stats { double min, percentile_00_5, median, percentile_99_5, max, mean, std; };

enum { FINGERPRINT_CHANNELS = 16 };

struct fingerprint {
	int64_t n;
	struct fingerprint_case *c;
	int channels;
	json_t *names;       /* of the channels, strings, from metadata channels or a fingerprint; NULL: they have none */
	int64_t classes;     /* highest label and 1; 0: not known */
	struct fingerprint_stats stats[FINGERPRINT_CHANNELS];
	double kept;         /* median of the cases' */
};

/* Add a labelled volume: image [C,Z,Y,X] and label [Z,Y,X]. An error: no voxel that is not 0, a NaN, labels below 0 or above 254, another number of
   channels than the cases before or others, an id that was there. 0 or -1; fingerprint_free either way. */
int fingerprint_add(struct fingerprint *p, const struct frame *f, struct err *e);

/* All cases are added: statistics, which take 10^8 draws in all. An error: no foreground in any case. 0 or -1. */
int fingerprint_finish(struct fingerprint *p, struct err *e);

/* nnU-Net's JSON, with what it does not have under "niipipe"; caller json_decref()s. And back, from theirs too, strictly: 0, or -1 and an error. */
json_t *fingerprint_json(const struct fingerprint *p);
int fingerprint_parse(struct fingerprint *p, const json_t *root, struct err *e);
void fingerprint_free(struct fingerprint *p); /* safe on a zeroed one */

#endif
