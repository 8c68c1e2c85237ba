/* nnU-Net's plans.json: a configuration as a network and the preparation of its volumes. Source: nnunetv2/utilities/plans_handling/plans_handler.py,
   nnunetv2/preprocessing/preprocessors/default_preprocessor.py. */
#ifndef NIIPIPE_PLANS_H
#define NIIPIPE_PLANS_H

#include <jansson.h>
#include <stdint.h>

#include "lib/base/err.h"

struct plans {
	json_t *arch;    /* as arch_graph takes it, but for input_channels and num_classes, which plans do not know */
	json_t *replay;  /* steps of nii-normalize and nii-resample; NULL: not asked for */
	int64_t roi[3];  /* the patch: z,y,x */
	int axes[3];     /* of z,y,x, which of the plans' axes it is: their transpose_backward */
};

int plans_is(const json_t *root); /* or some other JSON */

/* Read a configuration ("3d_fullres"), of nnU-Net's present form and that before 2.4; prepare: the preparation too. What it asks for and the tools
   cannot do (two dimensions, a cascade, other normalisation than CTNormalization and ZScoreNormalization without a mask, other resampling) is an
   error that names it. 0, or -1; the caller json_decref()s arch and replay either way. */
int plans_read(struct plans *p, const json_t *root, const char *configuration, int prepare, struct err *e);

#endif
