/* The learning rate of every step. */
#ifndef NIIPIPE_SCHEDULE_H
#define NIIPIPE_SCHEDULE_H

#include "lib/net/train/hyper.h"

/* Of step t (0 the first) of T = h->steps; t <= T. With h->epoch_steps E above 1 it changes once an epoch: t/E and T/E, rounded down and up, stand
   for t and T. lr is h->lr, end h->end_lr, W h->warmup (steps; below 1 a fraction of T; not given: 0.1 T, onecycle 0.3 T):
   constant       lr
   poly           lr (1 - t/T)^power                                                  nnU-Net's PolyLRScheduler
   cosine         end + (lr - end) (1 + cos(pi t/T)) / 2                              torch CosineAnnealingLR
   warmup-cosine  t < W: lr t/W; then max(end, lr (1 + cos(pi (t - W)/(T - W))) / 2)  MONAI's WarmupCosineSchedule
   onecycle       cosine from lr/25 at 0 to lr at W - 1, to lr/25e4 at T - 1          torch OneCycleLR */
double schedule_lr(const struct hyper *h, int64_t t);

/* Momentum, or Adam's beta1, of step t: `own` or, with h->cycle_momentum, from 0.95 to 0.85 where the rate goes up, and back (torch OneCycleLR). */
double schedule_momentum(const struct hyper *h, int64_t t, double own);

#endif
