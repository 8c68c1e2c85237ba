/* lib/volume/component, diameter: random masks against the definitions, every voxel and every pair of points. */
#include "tests/unit/tap.h"

#include "lib/volume/recist/diameter.h"
#include "tests/unit/mask.h"

enum { POINTS = 8 * SIDE * SIDE * SIDE };

/* Points of the definition, in half voxels. in_slice: corners of pixels, not of voxels. */
static int points(const struct mask *m, enum diameter_by by, int in_slice, int (*p)[3])
{
	int n = 0;

	for (int z = -1; z < m->n[2]; z++)
		for (int y = -1; y < m->n[1]; y++)
			for (int x = -1; x < m->n[0]; x++) {
				int here = at(m, x, y, z);

				if (by == DIAMETER_MESH) {
					for (int a = 0; a < 3; a++)
						if (here != at(m, x + (a == 0), y + (a == 1), z + (a == 2))) {
							int q[3] = {2 * x + (a == 0), 2 * y + (a == 1), 2 * z + (a == 2)};

							memcpy(p[n++], q, sizeof q);
						}
				} else if (by == DIAMETER_CENTRE && here) {
					int q[3] = {2 * x, 2 * y, 2 * z};

					memcpy(p[n++], q, sizeof q);
				} else if (here) {
					for (int k = 0; k < (in_slice ? 4 : 8); k++) {
						int q[3] = {2 * x + (k & 1 ? 1 : -1), 2 * y + (k & 2 ? 1 : -1), 2 * z + (in_slice ? 0 : k & 4 ? 1 : -1)};

						memcpy(p[n++], q, sizeof q);
					}
				}
			}
	return n;
}

/* which: 0 in space, 1 in a slice, those between two voxels too, 2 in a slice of voxels */
static double longest(const struct mask *m, enum diameter_by by, int which, const double a[16])
{
	static int p[POINTS][3];
	int n = points(m, by, which > 0, p);
	double best = 0;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++) {
			double d2 = 0;

			if (which && (p[i][2] != p[j][2] || (which == 2 && p[i][2] & 1)))
				continue;
			for (int k = 0; k < 3; k++) {
				double d = 0;

				for (int l = 0; l < 3; l++)
					d += a[4 * k + l] * (p[i][l] - p[j][l]) / 2;
				d2 += d * d;
			}
			best = d2 > best ? d2 : best;
		}
	return sqrt(best);
}

/* How far the ends of the line are apart. */
static double between(const double end[2][2], const double a[16])
{
	double x = end[1][0] - end[0][0], y = end[1][1] - end[0][1], d2 = 0;

	for (int k = 0; k < 3; k++)
		d2 += (a[4 * k] * x + a[4 * k + 1] * y) * (a[4 * k] * x + a[4 * k + 1] * y);
	return sqrt(d2);
}

static int one(struct rng *r, int i)
{
	struct mask m;
	struct tensor t;
	struct components c;
	struct component_line *line;
	struct diameter d;
	struct err e = {""};
	double a[16];
	size_t *first;
	int64_t voxels = 0;
	int by = i % 3, good;

	random_mask(r, &m);
	random_affine(r, a);
	t = mask_tensor(&m, "label");
	if (component_find(&t, 26, COMPONENT_VALUE, &c, &e))
		return 0;
	uint32_t *zero = calloc(c.n + 1, sizeof *zero);
	good = !component_lines(&c, zero, 1, &line, &first, &e) && !diameter_measure(line, first[1], a, (enum diameter_by)by, &d, &e);
	for (uint32_t k = 0; k < c.n; k++)
		voxels += c.c[k].voxels;
	for (size_t k = 0; k < t.size; k++)
		voxels -= m.v[k];
	if (good && (voxels || !near_to(d.longest, longest(&m, (enum diameter_by)by, 0, a), 1e-12, 1e-12) ||
	             !near_to(d.axial, longest(&m, (enum diameter_by)by, 1, a), 1e-12, 1e-12) ||
	             !near_to(d.line, longest(&m, (enum diameter_by)by, 2, a), 1e-12, 1e-12) || !near_to(between(d.end, a), d.line, 1e-12, 1e-12))) {
		printf("# mask %d: %.17g %.17g, not %.17g %.17g\n", i, d.longest, d.axial, longest(&m, (enum diameter_by)by, 0, a),
		       longest(&m, (enum diameter_by)by, 1, a));
		good = 0;
	}
	free(zero);
	free(line);
	free(first);
	component_free(&c);
	return good;
}

/* Boxes, sizes and numbering by flooding. */
static void flood(const struct mask *m, const int n[3], int *of, int x, int y, int z, int id)
{
	if (!at(m, x, y, z) || of[(z * n[1] + y) * n[0] + x])
		return;
	of[(z * n[1] + y) * n[0] + x] = id;
	for (int k = 0; k < 27; k++)
		flood(m, n, of, x + k % 3 - 1, y + k / 3 % 3 - 1, z + k / 9 - 1, id);
}

static int numbering(struct rng *r)
{
	struct mask m;
	struct tensor t;
	struct components c;
	struct err e;
	int of[SIDE * SIDE * SIDE] = {0}, id = 0, good = 1;

	random_mask(r, &m);
	t = mask_tensor(&m, "label");
	for (int i = 0; i < (int)t.size; i++)
		if (m.v[i] && !of[i])
			flood(&m, m.n, of, i % m.n[0], i / m.n[0] % m.n[1], i / (m.n[0] * m.n[1]), ++id);
	if (component_find(&t, 26, COMPONENT_UNION, &c, &e) || c.n != (uint32_t)id)
		return 0;
	for (int64_t row = 0; row < c.size[1] * c.size[2]; row++)
		for (int64_t i = c.row[row]; i < c.row[row + 1]; i++)
			for (int x = c.run[i].x0; x < c.run[i].x1; x++) {
				const struct component *k = &c.c[c.run[i].of];
				int y = (int)(row % m.n[1]), z = (int)(row / m.n[1]);

				good &= of[row * m.n[0] + x] == (int)c.run[i].of + 1 && x >= k->lo[0] && x < k->hi[0] && y >= k->lo[1] && y < k->hi[1] &&
				        z >= k->lo[2] && z < k->hi[2];
				of[row * m.n[0] + x] = 0;
			}
	for (size_t i = 0; i < t.size; i++)
		good &= !of[i];
	component_free(&c);
	return good;
}

int main(void)
{
	struct rng r;
	int good = 0, tries = 3000;

	rng_init(&r, 1, RNG_TEST, 0);
	for (int i = 0; i < tries; i++)
		good += one(&r, i);
	ok(good == tries, "%d of %d masks: longest and axial diameter of every convention", good, tries);
	good = 0;
	for (int i = 0; i < tries; i++)
		good += numbering(&r);
	ok(good == tries, "%d of %d masks: components in the order of their first voxels, boxes", good, tries);
	return tap_done();
}
