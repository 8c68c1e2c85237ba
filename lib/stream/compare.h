/* How two frames differ: what ts-cmp says. */
#ifndef NIIPIPE_COMPARE_H
#define NIIPIPE_COMPARE_H

#include "lib/stream/frame.h"

enum compare_meta {
	COMPARE_MAIN, /* id, kind, affine */
	COMPARE_ALL,  /* every key, history included */
	COMPARE_NONE
};

struct compare {
	double atol, rtol;         /* for floats, see tensor_compare */
	int n_only;                /* compare these tensors only; 0: all, and there must be no other */
	const char *const *only;
	enum compare_meta meta;
	int n_ignore;              /* metadata keys left out */
	const char *const *ignore;
	double max;                /* set: the largest difference of a float seen so far */
};

/* 0: the same; 1: they differ, and *why is the first difference in words; -1: a tensor of `only` is in neither (in *why).
   The affine's numbers may differ by 1e-6 + 1e-6 |b|, other metadata are compared as text. */
int frame_compare(struct compare *c, const struct frame *a, const struct frame *b, struct err *why);

#endif
