/* Small random masks and affines for unit tests. */
#ifndef TESTS_MASK_H
#define TESTS_MASK_H

#include <string.h>

#include "lib/base/rng.h"
#include "lib/stream/frame.h"

enum { SIDE = 9 };

struct mask { int n[3]; uint8_t v[SIDE * SIDE * SIDE]; };

static inline int at(const struct mask *m, int x, int y, int z)
{
	if (x < 0 || y < 0 || z < 0 || x >= m->n[0] || y >= m->n[1] || z >= m->n[2])
		return 0;
	return m->v[(z * m->n[1] + y) * m->n[0] + x];
}

static inline void random_mask(struct rng *r, struct mask *m)
{
	double density = rng_uniform(r) * rng_uniform(r);

	for (int i = 0; i < 3; i++)
		m->n[i] = 1 + (int)rng_below(r, SIDE);
	for (int i = 0; i < m->n[0] * m->n[1] * m->n[2]; i++)
		m->v[i] = rng_uniform(r) < density;
}

static inline void random_affine(struct rng *r, double a[16])
{
	static const double spacing[] = {0.7, 1, 3};

	memset(a, 0, 16 * sizeof *a);
	for (int i = 0; i < 3; i++)
		a[5 * i] = (rng_below(r, 2) ? 1 : -1) * spacing[rng_below(r, 3)];
	if (rng_below(r, 2)) /* turned and sheared */
		for (int i = 0; i < 12; i++)
			a[i] += rng_range(r, -.2, .2);
	a[15] = 1;
}

static inline struct tensor mask_tensor(struct mask *m, const char *name)
{
	return (struct tensor){.name = (char *)(uintptr_t)name, .dtype = DT_U8, .rank = 3, .shape = {m->n[2], m->n[1], m->n[0]},
	                       .size = (size_t)(m->n[0] * m->n[1] * m->n[2]), .data = m->v};
}

#endif
