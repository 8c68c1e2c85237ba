/* The CPU's part of sliding windows; prototypes as in the table of kernels/backend.h. */
#ifndef NIIPIPE_K_WINDOW_H
#define NIIPIPE_K_WINDOW_H

#include "kernels/backend.h"

int k_window_gather(const struct k_gather *g, const float *image, float *x, struct err *e);
int k_window_blend(const struct k_blend *g, const float *logits, float *acc, float *sum, struct err *e);
int k_window_sum(const struct k_cover *g, float *sum, struct err *e);
int k_window_head(const struct k_head *g, const float *acc, const float *sum, int64_t vox, float *y, struct err *e);
int k_window_divide(float *y, const float *acc, const float *sum, int64_t vox, int64_t k, const float none[2], struct err *e);
int k_window_decide(const struct k_decide *g, const struct k_cover *c, const float *acc, const float *sum, uint8_t *pred, struct err *e);
int k_window_spread(const struct k_blend *g, float near, const float *logits, const float *acc, const float *sum, struct k_apart *apart,
                    struct err *e);
int k_window_doubt(const struct k_doubt *g, int64_t n, double *doubt, struct err *e);
int k_window_count(const struct k_unsure *u, const float *acc, const float *sum, int64_t vox, int64_t k, int64_t *n, struct err *e);

#endif
