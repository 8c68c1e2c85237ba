/* Statistics of a data set's foreground. Private to lib/volume/fingerprint*.c. */
#ifndef NIIPIPE_FINGERPRINT_STATS_H
#define NIIPIPE_FINGERPRINT_STATS_H

#include "lib/base/mt19937.h"
#include "lib/volume/fingerprint/fingerprint.h"

/* Every case's RandomState(1234), [p->n]; caller frees with free(). NULL and an error. */
struct mt19937 *fingerprint_draws(const struct fingerprint *p, struct err *e);

/* Of channel c: from every case floor(10^8 / cases) draws with replacement from its foreground, those of choice, channel after channel: m as those
   before left it; percentiles as numpy.percentile's default. 0, or -1 and an error: no foreground. */
int fingerprint_measure(const struct fingerprint *p, int c, struct mt19937 *m, struct fingerprint_stats *s, struct err *e);

#endif
