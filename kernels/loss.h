/* The loss in two parts: sums over the voxels (loss.c, for every instruction set), and what follows from them (loss_overlap.c). */
#ifndef NIIPIPE_KERNEL_LOSS_H
#define NIIPIPE_KERNEL_LOSS_H

#include "kernels/loss_overlap.h"

/* The overlap term of g from its sums: of every group (an n; batch: all) I, P and G of every channel, [groups][3][k]. factor [n][k][2] becomes the
   gradient of w_dice times the term by I and by P. */
double loss_overlap(const struct k_loss *g, const double *sums, double *factor);

/* The error of a label that is wrong. Returns -1. */
static inline int loss_refuse(const struct k_loss *g, uint8_t label, int64_t voxel, struct err *e)
{
	if (g->regions)
		return err_set(e, NULL, "label %d at voxel %lld is in no region", label, (long long)voxel);
	return err_set(e, NULL, "label %d at voxel %lld: the network has %lld classes", label, (long long)voxel, (long long)(g->k == 1 ? 2 : g->k));
}

#endif
