/* Devices: finds and loads a backend's shared object when a tool needs one. */
#ifndef NIIPIPE_DEVICE_H
#define NIIPIPE_DEVICE_H

#include "kernels/backend.h"

#define DEVICE_PRECISIONS "auto|fp32|bf16|tf32" /* enum k_precision */

/* precision: of activations (kernels/backend.h).
   device: "auto", "cpu", "cuda" or "cuda:N". Looked for in $NIIPIPE_BACKENDS, beside the executable, in ../lib/niipipe of it. auto takes CUDA
   where there is a device, else the CPU. The table is valid for the life of the process. NULL and an error. */
const struct k_backend *device_open(const char *device, enum k_precision precision, struct err *e);

/* Why auto did not take CUDA, for --verbose; empty where it did or was not asked. */
const char *device_why(void);

/* Have it measure which way of each convolution is the quickest, if it can choose, and remember that in a file: $NIIPIPE_PLANS, else
   niipipe/plans.tsv in $XDG_CACHE_HOME or ~/.cache; where there is no such place, in this process. */
void device_tune(const struct k_backend *k);

/* Is its memory the host's? */
int device_is_host(const struct k_backend *k);

#endif
