/* lib/volume/distance, surface: every pair of points of random grids; the same bytes whatever the threads; areas that add up. */
#include "tests/unit/tap.h"

#include <omp.h>

#include "lib/base/rng.h"
#include "lib/volume/score/distance.h"
#include "lib/volume/score/surface.h"

enum { MOST = 14, POINTS = MOST * MOST * MOST };

struct set { struct distance_points p; size_t row[MOST * MOST + 1]; int32_t x[POINTS]; };

static void random_set(struct rng *r, const int32_t size[3], double density, struct set *s)
{
	size_t n = 0, at = 0;

	s->p = (struct distance_points){{size[0], size[1], size[2]}, s->row, s->x};
	s->row[0] = 0;
	for (int32_t i = 0; i < size[1] * size[2]; i++) {
		for (int32_t x = 0; x < size[0]; x++)
			if (rng_uniform(r) < density)
				s->x[n++] = x;
		s->row[++at] = n;
	}
}

/* Point i's place, mm. */
static void place(const struct set *s, size_t i, const double spacing[3], double at[3])
{
	int32_t row = 0;

	while (s->row[row + 1] <= i)
		row++;
	at[0] = s->x[i] * spacing[0];
	at[1] = row % s->p.size[1] * spacing[1];
	at[2] = row / s->p.size[1] * spacing[2];
}

static int one(struct rng *r)
{
	static const double spacings[] = {1, .7, 3, .9766, 5};
	static struct set a, b;
	static double d[POINTS], again[POINTS];
	double spacing[3], density = pow(rng_uniform(r), 3);
	int32_t size[3];
	struct err e;
	size_t n, m;

	for (int i = 0; i < 3; i++) {
		size[i] = 1 + (int32_t)rng_below(r, MOST);
		spacing[i] = spacings[rng_below(r, 5)];
	}
	random_set(r, size, rng_below(r, 4) ? .3 : 1, &a);
	random_set(r, size, density, &b);
	n = a.row[size[1] * size[2]];
	m = b.row[size[1] * size[2]];
	omp_set_num_threads(1);
	if (distance_nearest(&a.p, &b.p, spacing, d, &e))
		return 0;
	omp_set_num_threads(3);
	if (distance_nearest(&a.p, &b.p, spacing, again, &e) || memcmp(d, again, n * sizeof *d))
		return 0;
	for (size_t i = 0; i < n; i++) {
		double best = INFINITY, p[3], q[3];

		place(&a, i, spacing, p);
		for (size_t k = 0; k < m; k++) {
			place(&b, k, spacing, q);
			best = fmin(best, (p[0] - q[0]) * (p[0] - q[0]) + (p[1] - q[1]) * (p[1] - q[1]) + (p[2] - q[2]) * (p[2] - q[2]));
		}
		if (m ? !near_to(d[i], sqrt(best), 1e-12, 1e-12) : d[i] != INFINITY) {
			printf("# %dx%dx%d, %g %g %g mm: %.17g, not %.17g\n", size[0], size[1], size[2], spacing[0], spacing[1], spacing[2], d[i], sqrt(best));
			return 0;
		}
	}
	return 1;
}

static int flipped(int code, int axis)
{
	int out = 0;

	for (int b = 0; b < 8; b++)
		out |= (code >> b & 1) << (b ^ 1 << axis);
	return out;
}

/* What the areas must be whatever the table: a face between two halves of space, a cut-off corner, and symmetry. */
static void areas(void)
{
	static const double spacing[3] = {.7, 1.1, 3};
	double area[256], cube[256], unit[3] = {1, 1, 1};
	int same = 1;

	surface_areas(spacing, area);
	surface_areas(unit, cube);
	ok(near_to(area[0x0f], .7 * 1.1, 1e-12, 0) && near_to(area[0x33], .7 * 3, 1e-12, 0) && near_to(area[0x55], 1.1 * 3, 1e-12, 0),
	   "a flat surface has a voxel's face");
	ok(near_to(cube[1], sqrt(3) / 8, 1e-12, 0) && near_to(cube[3], sqrt(2) / 2, 1e-12, 0) && area[0] == 0 && area[255] == 0,
	   "a corner and an edge are cut at the middles between voxels");
	for (int c = 0; c < 256; c++)
		for (int axis = 0; axis < 3; axis++)
			same &= area[c] == area[255 - c] && area[c] == area[flipped(c, axis)] && (c % 255 == 0 || area[c] > 0);
	ok(same, "inside out and mirrored: the same areas");
}

static void too_wide(void)
{
	struct set s;
	double d, spacing[3] = {1, 1, 1};
	struct err e;

	s.p = (struct distance_points){{DISTANCE_SIDE + 1, 1, 1}, s.row, s.x};
	s.row[0] = 0;
	s.row[1] = 1;
	s.x[0] = 0;
	ok(distance_nearest(&s.p, &s.p, spacing, &d, &e) == -1 &&
	   !strcmp(e.text, "65535 by 1 voxels in a slice are too many for distances (at most 65534 along a side)"), "%s", e.text);
	s.p.size[0] = DISTANCE_SIDE;
	ok(!distance_nearest(&s.p, &s.p, spacing, &d, &e) && d == 0, "65534 are not");
}

int main(void)
{
	struct rng r;
	int good = 0, tries = 1000;

	rng_init(&r, 3, RNG_TEST, 0);
	for (int i = 0; i < tries; i++)
		good += one(&r);
	ok(good == tries, "%d of %d grids: distance to the nearest point", good, tries);
	areas();
	too_wide();
	return tap_done();
}
