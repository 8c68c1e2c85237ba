/* What the tests of networks share: the backend they run on. */
#ifndef TESTS_CPU_H
#define TESTS_CPU_H

#include <string.h>

#include "lib/net/run/device.h"
#include "tests/unit/tap.h"

#define PRECISION(k) ((k)->precision == K_BF16 ? "bf16" : "fp32")

/* The CPU's, from beside the tools, or that of TEST_DEVICE; a test that says which; NULL where there is none. */
static inline const struct k_backend *cpu(enum k_precision precision)
{
	const char *bin = getenv("BIN"), *device = getenv("TEST_DEVICE");
	const struct k_backend *k;
	struct err e;

	setenv("NIIPIPE_BACKENDS", bin ? bin : "build/bin", 0);
	k = device_open(device ? device : "cpu", precision, &e);
	ok(k, "%s", k ? k->device : e.text);
	return k;
}

/* TEST_PRECISION: that one alone, for those who look at every access and have little time */
static inline int wanted(enum k_precision precision)
{
	const char *only = getenv("TEST_PRECISION");

	return !only || !strcmp(only, precision == K_BF16 ? "bf16" : "fp32");
}

/* What is in host memory as device memory that the test may look into; NULL: 0 in its place. Freed with k->release. */
static inline void *on_device(const struct k_backend *k, const void *from, size_t bytes)
{
	struct err e;
	void *p = k->alloc(bytes, &e);

	if (p && (from ? k->copy(p, from, bytes, K_TO_DEVICE, &e) : k->zero(p, bytes, &e)))
		printf("# %s\n", e.text);
	return p;
}

#endif
