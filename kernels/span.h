/* Rows of windows: kernels/window*.c. */
#ifndef NIIPIPE_SPAN_H
#define NIIPIPE_SPAN_H

#include <stdint.h>

/* Row functions are cloned for wide vectors: OpenMP's outlined bodies would not be. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((noinline, target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

/* The part of [0, n) that lands in [0, size) when moved by start. */
struct span { int64_t lo, hi; };

static inline struct span span_meet(int64_t n, int64_t start, int64_t size)
{
	struct span s = {start < 0 ? -start : 0, size - start < n ? size - start : n};

	if (s.hi < s.lo)
		s.hi = s.lo = s.lo < n ? s.lo : n;
	return s;
}

enum { SPAN_AHEAD = 5 }; /* rows */

/* n floats will soon be read. Rows of a window lie apart: the processor by itself fetches none before it is there. */
static inline void span_fetch(const float *p, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16)
		__builtin_prefetch(p + i);
}

#endif
