/* nnU-Net's plans.json: a configuration as a network and the preparation of its volumes. Source: nnunetv2/utilities/plans_handling/plans_handler.py,
   nnunetv2/preprocessing/preprocessors/default_preprocessor.py. */
#ifndef NIIPIPE_PLANS_H
#define NIIPIPE_PLANS_H

#include <jansson.h>
#include <stdint.h>

#include "lib/stream/frame.h"

struct plans {
	json_t *arch;    /* as arch_graph takes it, but for input_channels and num_classes, which plans do not know */
	json_t *replay;  /* steps of nii-crop, nii-normalize, a step for each channel where they differ, and nii-resample; NULL: not asked for */
	int64_t roi[3];  /* the patch: z,y,x */
	int flat;        /* it is of two dimensions: 1 along the slices' axis, the plans' first, which keeps its spacing */
	int axes[3];     /* of z,y,x, which of the plans' axes it is: their transpose_backward */
	int64_t batch;   /* 0: the plans do not say */
	int batch_dice;
	int64_t images;  /* channels of a case's image, as its normalization has them */
	int previous;    /* behind them the network takes labels that another configuration found, a channel each (a cascade): which, plans do not know */
	int64_t classes, channels; /* what seg-plan adds: 0 where another made the plans; */
	json_t *cases;   /* ids of the data set, or NULL */
};

int plans_is(const json_t *root); /* or some other JSON */

/* The configuration that is taken where none is named. */
#define PLANS_CONFIGURATION "3d_fullres"

/* Read a configuration ("3d_fullres"), of nnU-Net's present form and that before 2.4; prepare: the preparation too. What it asks for and the tools
   cannot do (normalisation other than nnU-Net's own five, other resampling) is an error that names it. 0, or -1; plans_free either way. */
int plans_read(struct plans *p, const json_t *root, const char *configuration, int prepare, struct err *e);
void plans_free(struct plans *p); /* what the caller has taken over is NULL by then */

/* The same from a file, with the preparation; messages begin with its name. configuration NULL: PLANS_CONFIGURATION. */
int plans_load(struct plans *p, const char *path, const char *configuration, struct err *e);

/* The args of a tool's step number i of the preparation; borrowed. NULL: there are not so many. */
const json_t *plans_step(const struct plans *p, const char *tool, int i);

/* Is f of the data set that the plans were made of (where they list it), and did it go through every step of the preparation? Other steps may lie
   between, and what it was cropped to is its own affair. 0, or -1 and an error that names the step. */
int plans_check_frame(const struct plans *p, const struct frame *f, struct err *e);

#endif
