/* The loss in two parts: sums over the voxels (loss.c, for every instruction set), and what follows from them (loss_overlap.c). */
#ifndef NIIPIPE_KERNEL_LOSS_H
#define NIIPIPE_KERNEL_LOSS_H

#include "kernels/loss_overlap.h"

/* The overlap term of g from its sums: of every group (an n; batch: all) I, P and G of every channel, [groups][3][k]. factor [n][k][2] becomes the
   gradient of w_dice times the term by I and by P. */
double loss_overlap(const struct k_loss *g, const double *sums, double *factor);

#endif
