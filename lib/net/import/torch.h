/* Files of torch.save: the zip archives of PyTorch 1.6 and later, and the older sequence of pickles. Source: torch/serialization.py. */
#ifndef NIIPIPE_TORCH_H
#define NIIPIPE_TORCH_H

#include "lib/net/import/weights.h"

/* Do n bytes begin as such a file? */
int torch_is(const uint8_t *b, size_t n);

/* Fill w with the tensors of such a file: key and all as weights_open has them. w->torch is made, and freed with torch_free. 0 or -1. */
int torch_read(struct weights *w, const uint8_t *b, size_t n, const char *key, int all, struct err *e);

/* The whole numbers that stand in a tuple or a list under a key at the top. How many, at most `most`; 0 where there is none of the kind. */
int torch_ints(const struct torch *t, const char *key, int64_t *v, int most);

void torch_free(struct torch *t); /* NULL is fine */

#endif
