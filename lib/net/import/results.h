/* What nnU-Net v2 leaves of a training: TRAINER__PLANS__CONFIGURATION/plans.json, dataset.json, fold_N/checkpoint_final.pth. Private to folder.c and
   results.c. Source: nnunetv2/inference/predict_from_raw_data.py (initialize_from_trained_model_folder),
   nnunetv2/utilities/label_handling/label_handling.py. */
#ifndef NIIPIPE_RESULTS_H
#define NIIPIPE_RESULTS_H

#include "lib/net/import/folder_files.h"

/* As folder_open and folder_predict; dir without a slash at its end. totalsegmentator/nnunet.py and resampling.py: volumes are turned to RAS and
   resampled by scipy's zoom before nnU-Net sees them, labels go back by the nearest voxel, and no window is flipped. */
int results_open(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e);
void results_predict(struct folder *f, const struct weights *w, const int axes[3], int flat);
void results_totalsegmentator(struct folder *f, json_t *replay);

#endif
