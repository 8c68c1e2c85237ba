/* Several models as one: networks whose predictions are averaged. */
#ifndef NIIPIPE_ENSEMBLE_H
#define NIIPIPE_ENSEMBLE_H

#include "lib/net/run/checkpoint.h"

enum { ENSEMBLE_MOST = 64 };
struct ensemble {
	int n;
	struct model model[ENSEMBLE_MOST];
	struct net *net[ENSEMBLE_MOST];
	const struct k_backend *k;
	size_t held; /* bytes of activations, as last planned */
};

/* The models in `paths`. All must have as many channels and classes as the first, of the same regions, if any, of the same names where they are
   said, want volumes prepared as it does and have been trained on patches of its size: what differs is an error that names the file. 0, or -1 and an
   error; closed with ensemble_close (safe on a zeroed one). */
int ensemble_open(struct ensemble *m, const char *const *paths, int n, const struct k_backend *k, struct err *e);
void ensemble_close(struct ensemble *m);

/* Plan all networks for `batch` windows of roi. An error of memory says what is needed and what there is: the networks' activations and `more`
   bytes beside them. */
int ensemble_plan(struct ensemble *m, int64_t batch, const int64_t roi[3], size_t more, struct err *e);

/* The hashes of those of the paths that are files, a JSON array. Caller json_decref()s. */
json_t *ensemble_hashes(const char *const *paths, int n);

#endif
