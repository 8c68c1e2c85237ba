/* Where the weights lie in the tree that a pickle is. Private to torch*.c. */
#ifndef NIIPIPE_TORCH_TREE_H
#define NIIPIPE_TORCH_TREE_H

#include "lib/net/import/pickle.h"

typedef int torch_tree_fn(void *arg, const char *name, size_t len, int v, struct err *e); /* for tensor v; 0 or -1 */

/* The dict at `key` ('/' between names), or, NULL, where such files have their state_dict: under the first of a list of names that is a dict of
   tensors, or at the top. *from: its way from the top; caller frees. -1 and an error that says what there is. */
int torch_tree_choose(const struct pickle *p, const char *key, char **from, const char *file, struct err *e);

/* Every tensor that dict v holds under a text; of a module those of its modules too, with names as its state_dict() has them. */
int torch_tree_dict(const struct pickle *p, int v, torch_tree_fn *fn, void *arg, const char *file, struct err *e);

/* Every tensor there is, named by its way from the top. */
int torch_tree_all(const struct pickle *p, torch_tree_fn *fn, void *arg, const char *file, struct err *e);

#endif
