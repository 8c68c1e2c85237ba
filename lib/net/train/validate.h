/* Validation while training: whole labelled volumes through sliding windows, mean foreground Dice. */
#ifndef NIIPIPE_VALIDATE_H
#define NIIPIPE_VALIDATE_H

#include <signal.h>

#include "lib/net/run/checkpoint.h"
#include "lib/net/window/window.h"

/* Can the volumes i of path with i mod size = rank be validated on, as validate_run would find? Reads all of them: what is wrong with one is not to
   end hours of training. 0 or -1. */
struct validate_found {
	double labelled; /* volumes with a voxel of a class but 0 */
	double turned;   /* volumes whose axes run otherwise than the patches' */
};
int validate_check(const char *path, const struct net *n, const struct model *like, int ignore, int rank, int size, struct validate_found *found,
                   struct err *e);

/* Of a mean over cases: the case's value is the mean over classes 1.., or over the model's regions, of 2|A&B| / (|A| + |B|), where a class that is
   neither in truth nor prediction is left out (nnU-Net's rule) and so is a case without any class. Voxels labelled `ignore` (-1: none) are left out
   of all of it. */
struct validate_sum { double dice; int64_t cases; };

/* Predict the volumes i of path with i mod size = rank and compare with their labels. like: its replay is what the training patches went
   through; volumes must have gone through the same. stop (may be NULL): looked at after every batch of windows; 1 when a signal
   but SIGUSR1 ended it. 0, 1, or -1 and an error. */
int validate_run(const char *path, const struct window_opts *o, const struct k_backend *k, struct net *n, const struct model *like, int ignore,
                 int rank, int size, const volatile sig_atomic_t *stop, struct validate_sum *sum, struct err *e);

#endif
