#include "lib/volume/score/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/rng.h"

static int by_size(const void *a, const void *b)
{
	double p = *(const double *)a, q = *(const double *)b;

	return p < q ? -1 : p > q;
}

/* v sorted, n > 0 */
static double quantile(const double *v, size_t n, double q)
{
	double at = q * (double)(n - 1), part = at - floor(at);
	size_t i = (size_t)at;

	return i + 1 < n && part > 0 && v[i + 1] > v[i] ? v[i] + (v[i + 1] - v[i]) * part : v[i];
}

static int bootstrap(const double *v, size_t n, int64_t resamples, int64_t seed, struct summary *s, struct err *e)
{
	double *mean = mem_new((size_t)resamples, sizeof *mean, "resamples", e);

	if (!mean)
		return -1;
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < resamples; i++) {
		struct rng r;
		double sum = 0;

		rng_init(&r, (uint64_t)seed, RNG_BOOTSTRAP, (uint64_t)i);
		for (size_t k = 0; k < n; k++)
			sum += v[rng_below(&r, n)];
		mean[i] = sum / (double)n;
	}
	qsort(mean, (size_t)resamples, sizeof *mean, by_size);
	s->lo = quantile(mean, (size_t)resamples, .025);
	s->hi = quantile(mean, (size_t)resamples, .975);
	free(mean);
	return 0;
}

int summary_of(double *v, size_t n, int64_t resamples, int64_t seed, struct summary *s, struct err *e)
{
	double sum = 0, squares = 0;

	*s = (struct summary){NAN, NAN, NAN, NAN, NAN, NAN, NAN, n};
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	s->mean = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		squares += (v[i] - s->mean) * (v[i] - s->mean);
	if (n > 1) {
		s->sd = sqrt(squares / (double)(n - 1));
		if (resamples && bootstrap(v, n, resamples, seed, s, e))
			return -1;
	}
	qsort(v, n, sizeof *v, by_size);
	s->q1 = quantile(v, n, .25);
	s->median = quantile(v, n, .5);
	s->q3 = quantile(v, n, .75);
	return 0;
}

/* ---- Wilcoxon ---- */

enum { EXACT = 50, EXACT_TIED = 13 };

static int by_magnitude(const void *a, const void *b)
{
	double p = fabs(*(const double *)a), q = fabs(*(const double *)b);

	return p < q ? -1 : p > q;
}

/* P(S <= s) and P(S >= s): S sums up those of n ranks whose coin falls on heads. Ranks and s are doubled, so that the mean rank of a tie is whole. */
static int exact(const int *rank, size_t n, int s, double *p, struct err *e)
{
	int total = 0;
	double *ways, below = 0, above = 0;

	for (size_t i = 0; i < n; i++)
		total += rank[i];
	ways = mem_zero((size_t)total + 1, sizeof *ways, "ranks", e);
	if (!ways)
		return -1;
	ways[0] = 1;
	for (size_t i = 0; i < n; i++)
		for (int k = total; k >= rank[i]; k--)
			ways[k] += ways[k - rank[i]];
	for (int k = 0; k <= total; k++) {
		below += k <= s ? ways[k] : 0;
		above += k >= s ? ways[k] : 0;
	}
	*p = fmin(1, 2 * fmin(below, above) / ldexp(1, (int)n));
	free(ways);
	return 0;
}

/* ties: the sum of t^3 - t over all ties of t */
static double normal(double plus, double n, double ties)
{
	double mean = n * (n + 1) / 4, sd = sqrt((n * (n + 1) * (2 * n + 1) - ties / 2) / 24);

	return erfc(fabs((plus - mean) / sd) / sqrt(2));
}

int summary_wilcoxon(double *d, size_t n, double *w, double *p, struct err *e)
{
	double plus = 0, minus = 0, ties = 0;
	size_t zeros = 0, m = 0;
	int few[EXACT] = {0};

	*w = *p = NAN;
	qsort(d, n, sizeof *d, by_magnitude);
	while (zeros < n && d[zeros] == 0)
		zeros++;
	for (size_t i = zeros, j; i < n; i = j) {
		double rank, t;

		for (j = i; j < n && fabs(d[j]) == fabs(d[i]); j++)
			;
		t = (double)(j - i);
		ties += t * t * t - t;
		rank = ((double)(i - zeros + 1) + (double)(j - zeros)) / 2;
		for (size_t k = i; k < j; k++) {
			*(d[k] > 0 ? &plus : &minus) += rank;
			if (m < EXACT)
				few[m] = (int)(2 * rank);
			m++;
		}
	}
	if (!n)
		return 0;
	*w = fmin(plus, minus);
	*p = 1;
	if (!m)
		return 0;
	if (n <= EXACT_TIED || (n <= EXACT && !zeros && ties == 0))
		return exact(few, m, (int)(2 * plus), p, e);
	*p = normal(plus, (double)m, ties);
	return 0;
}
