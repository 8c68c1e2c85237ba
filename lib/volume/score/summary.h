/* What a list of numbers comes to, and how two lists of the same cases differ. */
#ifndef NIIPIPE_SUMMARY_H
#define NIIPIPE_SUMMARY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct summary {
	double mean, sd;   /* sd: of the sample, n - 1; NaN below two */
	double median, q1, q3; /* linear between two, as numpy.percentile */
	double lo, hi;     /* 95 % interval of the mean; NaN below two */
	size_t n;
};

/* Of n numbers, none of them NaN; all but n is NaN where there are none. v is sorted. The interval is the bootstrap's percentile one (Efron and
   Tibshirani 1993): resample i draws n of the numbers as they stood with Philox at (seed, RNG_BOOTSTRAP, i), so that it is the same on any machine
   and for any number of threads, and lists of one length are resampled alike. 0, or -1 and an error: no memory. */
int summary_of(double *v, size_t n, int64_t resamples, int64_t seed, struct summary *s, struct err *e);

/* Wilcoxon's signed-rank test of n differences, two-sided, as scipy.stats.wilcoxon: differences of 0 are dropped; w is the smaller sum of ranks. p is
   exact with at most 50 differences none of which is 0 or as large as another, or with at most 13; else from the normal distribution, corrected for
   ties. Where all are 0, p is 1. n 0: both NaN. |d| is left sorted in d. 0, or -1 and an error: no memory. */
int summary_wilcoxon(double *d, size_t n, double *w, double *p, struct err *e);

#endif
