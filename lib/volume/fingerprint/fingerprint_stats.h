/* Statistics of a data set's foreground. Private to lib/volume/fingerprint*.c. */
#ifndef NIIPIPE_FINGERPRINT_STATS_H
#define NIIPIPE_FINGERPRINT_STATS_H

#include "lib/volume/fingerprint/fingerprint.h"

/* Of channel c: from every case floor(10^8 / cases) draws with replacement from its foreground, those of RandomState(1234).choice, channel after
   channel; percentiles as numpy.percentile's default. 0, or -1 and an error: no foreground. */
int fingerprint_measure(const struct fingerprint *p, int c, struct fingerprint_stats *s, struct err *e);

#endif
