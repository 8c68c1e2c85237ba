/* Inside a run over windows. Private to window*.c. */
#ifndef NIIPIPE_WINDOW_RUN_H
#define NIIPIPE_WINDOW_RUN_H

#include "lib/net/window.h"

/* The image's slices as floats on the device: an image that is host memory and F32 already is itself the slab, of all else as many slices are
   kept as were asked for at once. */
struct window_feed {
	const struct k_backend *k;
	const struct tensor *image; /* borrowed */
	float *slab;                /* [channels, n, y, x]: slices first to first + n - 1 */
	int64_t first, n;
	int64_t held;               /* how many of them are filled, from the first on */
	int whole;                  /* slab is the image's own memory */
};
int window_feed_open(struct window_feed *f, const struct k_backend *k, const struct tensor *image, struct err *e);
void window_feed_close(struct window_feed *f);

/* Have slices lo to hi - 1 in the slab (cut to the image). 0 or -1. */
int window_feed_hold(struct window_feed *f, int64_t lo, int64_t hi, struct err *e);

/* Is k's memory the host's? */
int window_on_host(const struct k_backend *k);

/* Has the window at start something that is neither air nor outside the mask? Always, where o asks for nothing. Looked at is what lies inside the
   image. */
int window_wanted(const struct window_opts *o, const struct tensor *image, const int64_t start[3], const int64_t roi[3]);

/* An image [C,Z,Y,X] through networks to labels [Z,Y,X] by a rule that is not the Dice rule, or to scores [classes,Z,Y,X]: logits, or where
   `soft` their probabilities (softmax; of a single class the sigmoid). */
int window_to_labels(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                     const struct prob_rule *rule, uint8_t *pred, struct err *e);
int window_to_scores(const struct window_opts *o, const struct k_backend *k, struct net *const *nets, int models, const struct tensor *image,
                     int soft, float *prob, struct err *e);

#endif
