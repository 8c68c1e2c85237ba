/* Charts as SVG in a page: how numbers are spread, how two measurements agree. Colours come from the page's style sheet by class: frame, grid, tick,
   box, middle, dot, line. A dot is a link to its case. */
#ifndef NIIPIPE_CHART_H
#define NIIPIPE_CHART_H

#include "lib/base/html.h"
#include "lib/volume/score/summary.h"

/* What a dot stands for. */
struct chart_dot { double x, y; int64_t link; const char *name; }; /* goes to #case-LINK; name: borrowed */

/* Of n numbers those that are finite, s.n of them: they come first in v, sorted. The interval is summary_of's, for seed 0. s.n 0: all else is NaN.
   0 or -1. */
struct chart_spread { struct summary s; double min, max; };
int chart_spread(double *v, size_t n, int64_t resamples, struct chart_spread *s, struct err *e);

/* A box plot (quartiles, whiskers to the last value within 1.5 of their distance) with every value y of n dots beside it; x is set on the way.
   heading: what y is, its unit included. Values that are not finite are left out; nothing is drawn where none is left. 0 or -1. */
int chart_box(struct html *h, const char *heading, struct chart_dot *dot, int64_t n, struct err *e);

/* Bland and Altman (Lancet 1986;327:307): y, the difference of two measurements, against x, their mean; bias and bias +- 1.96 sd as lines. Otherwise
   as chart_box. */
int chart_agreement(struct html *h, const char *heading, const char *unit, const struct chart_dot *dot, int64_t n, struct err *e);

#endif
