/* Labels as channels of the image: what a network takes that refines another one's result (nnU-Net's cascade). Source: nnunetv2's
   data_iterators.py (predict_from_raw_data's segmentation of the previous stage), utilities/label_handling: convert_labelmap_to_one_hot. */
#ifndef NIIPIPE_ONEHOT_H
#define NIIPIPE_ONEHOT_H

#include "lib/stream/frame.h"

struct onehot {
	int64_t classes; /* labels 1 to this, a channel each */
};

json_t *onehot_json(const struct onehot *o);                                  /* as args of a step; NULL: no memory */
int onehot_parse(struct onehot *o, const json_t *args, struct err *e);        /* 0, or -1 and an error */

/* image [C,Z,Y,X] becomes F32 [C + classes,Z,Y,X], made when it is written (tensor_later): behind its own channels, for each label, 1 where it is and
   else 0. The labels are tensor `previous`, or, where there is none, `label`; that tensor goes. One that is not 0 to classes is an error.
   The step goes into the history. 0 or -1. */
int onehot_apply(struct frame *f, const struct onehot *o, struct err *e);

#endif
