/* Charts as SVG in a page: how numbers are spread, how two measurements agree. Colours come from the page's style sheet by class: frame, grid, tick,
   box, middle, dot, line. A dot is a link to its case. */
#ifndef NIIPIPE_CHART_H
#define NIIPIPE_CHART_H

#include "lib/base/html.h"

/* What a dot stands for. */
struct chart_dot { double x, y; int64_t link; const char *name; }; /* goes to #case-LINK; name: borrowed */

/* Five numbers and moments of what is finite among n values. */
struct chart_spread { int64_t n; double mean, sd, min, q1, median, q3, max; }; /* sd: of a sample, n - 1; quartiles interpolated linearly (numpy) */

/* v is sorted, with what is not finite at its end. n 0: all NaN. */
void chart_spread(double *v, int64_t n, struct chart_spread *s);

/* A box plot (quartiles, whiskers to the last value within 1.5 of their distance) with every value y of n dots beside it; x is set on the way.
   heading: what y is, its unit included. Values that are not finite are left out; nothing is drawn where none is left. */
void chart_box(struct html *h, const char *heading, struct chart_dot *dot, int64_t n);

/* Bland and Altman (Lancet 1986;327:307): y, the difference of two measurements, against x, their mean; bias and bias +- 1.96 sd as lines. */
void chart_agreement(struct html *h, const char *heading, const char *unit, const struct chart_dot *dot, int64_t n);

#endif
