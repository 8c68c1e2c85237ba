/* Unit tests in TAP: ok(condition, name...), done at the end of main. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_n, tap_bad;

#define ok(cond, ...) \
	do { \
		int good_ = !!(cond); \
		printf("%sok %d - ", good_ ? "" : "not ", ++tap_n); \
		printf(__VA_ARGS__); \
		putchar('\n'); \
		if (!good_) \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond), tap_bad++; \
	} while (0)

#define skip(...) (printf("ok %d # SKIP ", ++tap_n), printf(__VA_ARGS__), putchar('\n'))

/* |a - b| <= atol + rtol |b| */
static inline int near_to(double a, double b, double atol, double rtol)
{
	return fabs(a - b) <= atol + rtol * fabs(b);
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_n);
	return tap_bad != 0;
}

#endif
