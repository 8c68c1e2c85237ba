/* Convolutions of few channels by narrow.c, and those whose large end has very few by first.c: which, and how their weights are packed, as right
   operands of tile.h, each of NARROW_TILE elements: [oc / out][ic / in][27 taps][in / 16][out / 8]; [oc / out][depth / 16][out / 8]. in, out:
   channels at a time. */
#ifndef NIIPIPE_GPU_NARROW_H
#define NIIPIPE_GPU_NARROW_H

#include "kernels/gpu/kernels.h"

/* Beyond so many channels of x, of y, and products of both, where they are multiples of 32, cuDNN is quicker (an H100: from 64 to 64 it takes
   0.144 ms, narrow.c 0.160; from 64 to 32 0.142 and 0.087; weights' gradients 0.136, 0.241 and 0.146, 0.130; from 48 to 48 0.277 and 0.108). */
enum { NARROW_TILE = 128, NARROW_X = 96, NARROW_Y = 48, NARROW_WEIGHTS = 2048 };

/* Channels of x that are summed at a time, and of y that a team makes; 0: it has none for so many */
static inline int narrow_in(int64_t ic)
{
	return ic % 32 == 0 ? 32 : ic % 16 == 0 ? 16 : 0;
}

static inline int narrow_out(int64_t oc)
{
	return oc % 32 == 0 ? 32 : oc % 24 == 0 ? 24 : oc % 16 == 0 ? 16 : 0;
}

/* Channels of x and of y that a team of the weights' gradient takes at a time; 0: there is none for so many */
struct narrow_square { int ic, oc; };

static inline struct narrow_square narrow_square(int64_t ic, int64_t oc)
{
	const struct narrow_square none = {0, 0}, even = {32, 32}, odd = {16, 48};

	if (ic % 32 == 0 && oc % 32 == 0)
		return ic * oc <= NARROW_WEIGHTS ? even : none;
	return ic % 16 == 0 && ic <= NARROW_X && oc == NARROW_Y ? odd : none;
}

/* Convolutions of 2x2x2 with step 2 (twos.c): channels of the small end that a warp makes at a time, or a team of the weights' gradient has; and of
   the large end, that team's. 0: there is none for so many */
enum { TWOS_MOST = 128 };

static inline int twos_part(int64_t a)
{
	return a > TWOS_MOST ? 0 : a % 64 == 0 ? 64 : a % 48 == 0 ? 48 : a % 32 == 0 ? 32 : a % 16 == 0 ? 16 : 0;
}

static inline int twos_square(int64_t b)
{
	return b > TWOS_MOST / 2 ? 0 : b % 32 == 0 ? 32 : b % 16 == 0 ? 16 : 0;
}

/* Voxels of a team's block of y, or of the small end */
enum { BLOCK_D = 4, BLOCK_H = 8, BLOCK_W = 16 };

/* Of first.c: taps of every channel of the large end, as many as an operand is deep; 0: it has none for so many. And the small end's channels that a
   team takes */
enum { FIRST_CHANNELS = 8, FIRST_DEPTH = 64, FIRST_ROOM = 40 << 10 };

static inline int first_depth(int64_t taps)
{
	return taps <= 16 ? 16 : taps <= 32 ? 32 : taps <= FIRST_DEPTH ? FIRST_DEPTH : 0;
}

static inline int first_out(int64_t oc, int depth)
{
	return oc % 48 == 0 && depth < FIRST_DEPTH ? 48 : narrow_out(oc);
}

/* What of the large end is about a block of the small one that is `deep` along d: elements of a row, rows of a plane, rows in all */
struct first_about { int wide, high, rows; };

static inline struct first_about first_about(const struct gpu_direct *d, int deep)
{
	struct first_about a;

	a.wide = (int)(((BLOCK_W - 1) * d->stride[2] + d->kernel[2]) * d->b), a.high = (int)((BLOCK_H - 1) * d->stride[1] + d->kernel[1]);
	a.rows = (int)((deep - 1) * d->stride[0] + d->kernel[0]) * a.high;
	return a;
}

/* Bytes of it */
static inline int64_t first_bytes(const struct gpu_direct *d, int deep)
{
	const struct first_about a = first_about(d, deep);

	return ((int64_t)a.rows * a.wide * 2 + 15) / 16 * 16;
}

#endif
