/* One matrix product through cuBLASLt. The only door to it. */
#ifndef NIIPIPE_GPU_PRODUCT_H
#define NIIPIPE_GPU_PRODUCT_H

#include "kernels/backend.h"

/* Columns end to end, as cuBLAS has it: d [m,n] = op(a) op(b) [+ bias [m], a row each] [+ d], k: the sum's length; lda, ldb, ldd: elements from
   column to column. half: a and b are bf16, else fp32; half_d likewise, and bias is of d's type. align: bytes that a, b and d begin at multiples
   of. */
struct product_shape {
	int64_t m, n, k, lda, ldb, ldd;
	int turned_a, turned_b, half, half_d, bias, add, tf32;
	int align[3];
};

struct product; /* opaque */

/* The first algorithm of cuBLASLt's heuristics; all are deterministic. NULL and an error: there is none. */
struct product *product_new(const struct product_shape *s, struct err *e);
void product_free(struct product *p); /* NULL is fine */
size_t product_workspace(const struct product *p);
int product_run(struct product *p, const void *a, const void *b, const void *bias, void *d, void *workspace, struct err *e);

#endif
