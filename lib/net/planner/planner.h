/* nnU-Net's experiment planner: from a data set's fingerprint to plans.json, for a memory budget. Sources: nnunetv2/experiment_planning/
   experiment_planners/default_experiment_planner.py, network_topology.py, residual_unets/residual_encoder_unet_planners.py (2.8.1). All
   configurations, but where slices are too small for a network 2d. */
#ifndef NIIPIPE_PLANNER_H
#define NIIPIPE_PLANNER_H

#include "lib/volume/fingerprint/fingerprint.h"

/* ExperimentPlanner, ResEncUNetPlanner, nnUNetPlannerResEncM, L and XL */
#define PLANNER_WORDS "nnunet|resenc|resenc-m|resenc-l|resenc-xl"
enum planner_kind { PLANNER_NNUNET, PLANNER_RESENC, PLANNER_RESENC_M, PLANNER_RESENC_L, PLANNER_RESENC_XL };

/* How a channel is normalized: nnU-Net's words (preprocessing/normalization/map_channel_name_to_normalization.py), which are names of channels there;
   a channel of any other name gets zscore. planner_scheme: -1 for no such word; case does not matter. */
#define PLANNER_SCHEME_WORDS "ct, zscore, nonorm, rescale_to_0_1, rgb_to_0_1"
enum planner_scheme { PLANNER_CT, PLANNER_ZSCORE, PLANNER_NONORM, PLANNER_RESCALE, PLANNER_RGB };
int planner_scheme(const char *word, size_t len);

struct planner {
	enum planner_kind kind;
	double memory;      /* of the GPU that nnU-Net has in mind, GB; 0: the planner's own: 8, L 24, XL 40 */
	double spacing[3];  /* target, z,y,x mm; 0: of the data */
	int64_t classes;    /* background among them */
	int schemes;        /* of scheme[]: 1: for all channels; else one a channel; 0: as the channels' names say, ct where they have none */
	enum planner_scheme scheme[FINGERPRINT_CHANNELS];
	const char *name;   /* dataset_name */
};

/* The plans' normalization_schemes and, into *masks, use_mask_for_norm; caller json_decref()s both. o->schemes must fit p. (planner_scheme.c) */
json_t *planner_schemes(const struct planner *o, const struct fingerprint *p, json_t **masks);

/* plans.json, with what nnU-Net does not have under "niipipe": version, classes, channels and cases (ids). Caller
   json_decref()s. NULL and an error: no patch is small enough for the memory, the volumes are too small for a network, there are other channels than
   schemes. */
json_t *planner_plan(const struct planner *o, const struct fingerprint *p, struct err *e);

#endif
