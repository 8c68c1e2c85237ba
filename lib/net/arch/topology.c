#include "lib/net/arch/topology.h"

#include <math.h>
#include <string.h>

enum { EDGE = 4, TOP = 32, WIDEST = 320, WIDEST_FLAT = 512 }; /* least edge of a feature map */

/* Which axes a stage halves: long enough, not coarser than twice the finest of those; 0: none any more. */
static int choose(int flat, const double spacing[3], const double size[3], int chosen[3])
{
	double finest = INFINITY, last = 0;
	int n = 0;

	for (int a = flat; a < 3; a++)
		if (size[a] >= 2 * EDGE)
			finest = fmin(finest, spacing[a]);
	for (int a = flat; a < 3; a++) {
		chosen[a] = size[a] >= 2 * EDGE && spacing[a] / finest < 2;
		n += chosen[a];
		last = chosen[a] ? size[a] : last;
	}
	return n == 1 && last < 3 * EDGE ? 0 : n;
}

static void set_all(int v[3], int to)
{
	for (int a = 0; a < 3; a++)
		v[a] = to;
}

void topology_make(struct topology *t, int flat, const double spacing[3], const double patch[3])
{
	double s[3], size[3];
	int chosen[3] = {0}, kernel[3] = {1, 1, 1};

	t->flat = flat;
	memcpy(s, spacing, sizeof s);
	s[0] = flat ? INFINITY : s[0];
	memcpy(size, patch, sizeof size);
	set_all(t->stride[0], 1);
	for (int a = 0; a < 3; a++)
		t->divide[a] = 1;
	for (t->stages = 1; t->stages < TOPOLOGY_STAGES && choose(flat, s, size, chosen); t->stages++) {
		double finest = fmin(s[0], fmin(s[1], s[2]));

		for (int a = 0; a < 3; a++) {
			kernel[a] = kernel[a] == 3 || s[a] / finest < 2 ? 3 : 1;
			t->kernel[t->stages - 1][a] = kernel[a];
			t->stride[t->stages][a] = chosen[a] ? 2 : 1;
		}
		for (int a = 0; a < 3; a++)
			if (chosen[a]) {
				s[a] *= 2;
				size[a] = ceil(size[a] / 2);
				t->divide[a] *= 2;
			}
	}
	set_all(t->kernel[t->stages - 1], 3);
	for (int a = 0; a < 3; a++)
		t->patch[a] = ceil(patch[a] / t->divide[a]) * t->divide[a];
}

int topology_channels(int stage, int flat)
{
	const int widest = flat ? WIDEST_FLAT : WIDEST;

	return stage < 4 ? TOP << stage : widest;
}

int topology_blocks(int stage, int residual)
{
	static const int blocks[] = {1, 3, 4};

	return !residual ? 2 : stage < 3 ? blocks[stage] : 6;
}

double topology_features(const struct topology *t, int residual, int64_t classes)
{
	double size[TOPOLOGY_STAGES] = {0}, whole, sum;

	for (int i = 0; i < t->stages; i++) {
		size[i] = i ? size[i - 1] : t->patch[0] * t->patch[1] * t->patch[2];
		for (int a = 0; a < 3; a++)
			size[i] /= t->stride[i][a];
	}
	whole = size[0];
	sum = residual ? TOP * whole : 0; /* the stem */
	for (int i = 0; i < t->stages; i++) /* two convolutions a residual block, and one past it where it halves or widens */
		sum += size[i] * topology_channels(i, t->flat) * (topology_blocks(i, residual) * (residual ? 2 : 1) + (residual && i));
	for (int i = 0; i < t->stages - 1; i++) /* transposed convolution, convolutions */
		sum += size[i] * topology_channels(i, t->flat) * (1 + (residual ? 1 : 2));
	return sum + (double)classes * whole;
}
