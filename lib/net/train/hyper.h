/* What decides the numbers of a training run: options of seg-train, kept in the optimizer frame under the options' names. */
#ifndef NIIPIPE_HYPER_H
#define NIIPIPE_HYPER_H

#include <jansson.h>

#include "lib/base/arg.h"

/* Values of the choices; their numbers stand in checkpoints. */
enum hyper_loss { LOSS_DICECE, LOSS_DICE, LOSS_CE, LOSS_BCE, LOSS_FOCAL, LOSS_DICEFOCAL, LOSS_TVERSKY, LOSS_GDICE, LOSS_GDICEFOCAL, LOSS_NNUNET };
#define HYPER_LOSSES "dicece|dice|ce|bce|focal|dicefocal|tversky|gdice|gdicefocal|nnunet"
enum hyper_schedule { SCHEDULE_CONSTANT, SCHEDULE_POLY, SCHEDULE_COSINE, SCHEDULE_WARMUP, SCHEDULE_ONECYCLE };
#define HYPER_SCHEDULES "constant|poly|cosine|warmup-cosine|onecycle"
#define HYPER_OPTIMIZERS "adamw|adam|sgd" /* enum k_optimizer */
#define HYPER_VOLUMES "uniform|simple|square"
enum hyper_recipe { RECIPE_NNUNET, RECIPE_SWINUNETR };
#define HYPER_RECIPES "nnunet|swinunetr"

/* A field below 0 was not given. */
struct hyper {
	double loss, squared, background, jaccard, batch_dice, smooth_nr, smooth_dr, lambda_dice, lambda_ce, smoothing;
	double gamma, focal_alpha, focal_softmax, alpha, beta, volume; /* of focal; of tversky; an index of HYPER_VOLUMES */
	double ignore; /* the label that does not count */
	double optimizer, lr, decay, no_decay, beta1, beta2, eps, momentum, nesterov, clip, accumulate, ema;
	double schedule, steps, epoch_steps, power, warmup, end_lr, cycle_momentum; /* steps 0: where the patches end */
	double batch, seed, precision;
	struct arg_floats weight; /* of the classes; n = 0: not given */
};

void hyper_unset(struct hyper *h);

/* What was not given comes from the checkpoint's options (*options), where there is none (NULL) from the recipe (-1: none), else it is the default.
   *options: replaced by all of them as JSON. 0, or -1 and an error: an option was given that has no meaning with the others. */
int hyper_settle(struct hyper *h, int recipe, json_t **options, struct err *e);

/* Of all of them (*options of hyper_settle) those that are not the default, as options of seg-train are given: words, true for flags. New
   reference. */
json_t *hyper_args(const json_t *options);

/* Change one that stands in *options too. */
void hyper_steps(struct hyper *h, int64_t steps, json_t *options);
void hyper_precision(struct hyper *h, int precision, json_t *options);

#endif
