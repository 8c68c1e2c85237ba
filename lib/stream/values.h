/* The values of a tensor whatever their type: one at a time, as text, as statistics; and how two tensors differ. */
#ifndef NIIPIPE_VALUES_H
#define NIIPIPE_VALUES_H

#include "lib/stream/frame.h"

enum { VALUE_TEXT = 32 };

/* Element i of t in C order, as a double: exact but for 64-bit integers beyond 2^53. i is not checked. */
double tensor_value(const struct tensor *t, int64_t i);

/* Elements first to first + n - 1 of t, C order, as float32, into out. Ranges are not checked; data need not be aligned. */
void tensor_load_f32(const struct tensor *t, int64_t first, int64_t n, float *out);

/* All elements of t, which are 0 to `most`, as bytes. -1, or the first element that is another number. */
int64_t tensor_to_u8(const struct tensor *t, uint8_t most, uint8_t *out);

/* Elements first to first + n - 1 will be read soon (mem_fetch). */
void tensor_fetch(const struct tensor *t, int64_t first, int64_t n);

/* Element i as text, exact for integers, enough digits to tell a float from its neighbours. */
void tensor_value_text(const struct tensor *t, int64_t i, char text[VALUE_TEXT]);

struct tensor_stats {
	double min, max, mean; /* over what is not NaN; all NaN where there is nothing */
	int64_t nan;           /* how many are NaN */
};

void tensor_stats(const struct tensor *t, struct tensor_stats *s);

struct tensor_diff {
	int64_t count; /* elements that differ; 0: none */
	int64_t first; /* the first of them, C order */
	double max;    /* largest |a - b| over all elements; inf where only one is NaN */
};

/* a and b of one dtype and shape. Integers differ when they are not equal, floats when |a - b| > atol + rtol |b|; NaN equals NaN. */
void tensor_compare(const struct tensor *a, const struct tensor *b, double atol, double rtol, struct tensor_diff *d);

#endif
