/* What means (scale.c) and linear interpolation (scale_linear.c) of WIDE channels to a lane share: which place is a lane's, and where it lies. */
#ifndef NIIPIPE_GPU_SCALE_H
#define NIIPIPE_GPU_SCALE_H

#include "kernels/backend.h"
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/par.h"

/* Sizes of input and output; 1 / factor */
struct grid { int in[3], out[3]; float each[3]; };

/* An item: channel c of place at[] of n, among size[] places of g.c channels each */
struct place { int n, at[3], c; };

DEVICE struct place place_of(int64_t i, int64_t channels, const int size[3])
{
	const uint32_t parts = (uint32_t)channels / WIDE;
	const int64_t all = over(i, parts), lines = over(all, (uint32_t)size[2]);
	const uint32_t line = (uint32_t)lines, plane = line / (uint32_t)size[1], n = plane / (uint32_t)size[0];
	struct place p;

	p.n = (int)n;
	p.at[0] = (int)(plane - n * (uint32_t)size[0]), p.at[1] = (int)(line - plane * (uint32_t)size[1]), p.at[2] = (int)(all - lines * size[2]);
	p.c = (int)(i - all * parts) * WIDE;
	return p;
}

/* Element i of p, and what follows it */
DEVICE const void *elements(const void *p, int64_t i)
{
	return (const char *)p + i * (16 / WIDE);
}

DEVICE int64_t scale_at(const int size[3], int n, int d, int h, int w)
{
	return (int64_t)((n * size[0] + d) * size[1] + h) * size[2] + w;
}

DEVICE void scale_put(void *y, int64_t at, int add, float v[WIDE])
{
	float old[WIDE];

	if (add) {
		get_wide(y, at, old);
		EACH(j)
			v[j] += old[j];
	}
	put_wide(y, at, v);
}

/* A kernel of (.., struct k_scale g, .., int add, ..) twice: for factors of 2, which then are constants, with nothing to add to, `least` teams side
   by side; and for any */
#define SCALE_KERNEL(name, least, PARAMS, ARGS, teams) \
	DEVICE void name##_text PARAMS; \
	SIDE_KERNEL(name##_twos, PARAMS, ARGS, teams, 0, least) \
	{ \
		g.factor[0] = g.factor[1] = g.factor[2] = 2, add = 0; \
		name##_text ARGS; \
	} \
	SIDE_KERNEL(name##_any, PARAMS, ARGS, teams, 0, 2) \
	{ \
		name##_text ARGS; \
	} \
	static int name PARAMS \
	{ \
		const int twos = g.factor[0] == 2 && g.factor[1] == 2 && g.factor[2] == 2 && !add; \
		\
		return twos ? G(name##_twos) ARGS : G(name##_any) ARGS; \
	} \
	DEVICE void name##_text PARAMS

/* Where large place l lies among the small ones, its first at 0 */
DEVICE float small_at(int l, float each)
{
	return ((float)l + 0.5f) * each - 0.5f;
}

/* What large place l counts by in small place o's gradient */
DEVICE float share_at(int l, int o, int small, float each)
{
	return 1 - fabsf(fminf(fmaxf(small_at(l, each), 0), (float)(small - 1)) - (float)o);
}

#ifdef __cplusplus
extern "C" {
#endif

/* Linear interpolation, or back, of values of which WIDE channels are read and written at once */
int G(scale_linear)(struct k_scale g, struct grid s, int from_small, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add);

/* Back by factors of 2, of bf16 alone */
int G(scale_back)(struct k_scale g, struct grid s, const void *x, int64_t xpitch, void *y, int64_t ypitch, int add);

#ifdef __cplusplus
}
#endif

#endif
