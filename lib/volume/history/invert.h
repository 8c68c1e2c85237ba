/* Undoing the history of a frame: labels and scores back on the grid that was read. */
#ifndef NIIPIPE_INVERT_H
#define NIIPIPE_INVERT_H

#include "lib/stream/frame.h"

/* Undo the steps of f's history, the last first, down to the one that made the frame (nii-read, nii-phantom): a box is pasted into background
   (labels 0, prob 1 in class 0 where metadata prob says probabilities, else 0), resampling is undone by resampling to the recorded grid (labels
   nearest, prob linear), flips are flipped back. Affine and size become the recorded ones, bit for bit. Intensities are not undone: image is
   dropped, or with keep_image moved back with its values as they are (0 outside a box). Undone entries leave the history, as does what only
   changed the image that is dropped; steps that change neither grid nor image (seg-window, cc-largest) stay in it. A step that changed the grid
   and cannot be undone is an error.
   argmax: prob becomes pred, the class with the highest score, as seg-argmax would make it of what is brought back, byte for byte; but where
   resampling is undone slab by slab, so that all classes are never on the grid that was read. 0 or -1. */
int invert_apply(struct frame *f, int keep_image, int argmax, struct err *e);

#endif
