/* Convolutions whose large end has so few channels that all its taps are one operand's depth (tile.h): its elements about a block of the small end
   lie in a team's memory, and tap k of a voxel is at that voxel's place there and at[k]. bf16 alone. */
#ifndef NIIPIPE_GPU_FIRST_H
#define NIIPIPE_GPU_FIRST_H

#include "kernels/gpu/block.h"

struct first {
	int deep, depth;              /* planes of a block; taps, those of every channel */
	uint32_t blocks[3];           /* along every axis */
	int b, large[3], stride[3], pad[3], pitch, line; /* of the large end: channels, .., elements of a line */
	int wide, high, rows;         /* struct first_about */
	uint16_t at[FIRST_DEPTH];     /* beyond the last tap: where that one is, for weights of 0 */
};

static inline struct first first_of(const struct gpu_direct *d, int deep)
{
	const int side[3] = {deep, BLOCK_H, BLOCK_W};
	const struct first_about a = first_about(d, deep);
	struct first f;

	f.deep = deep, f.depth = (int)(d->taps * d->b), f.b = (int)d->b, f.pitch = (int)d->lp, f.line = (int)(d->large[2] * d->lp);
	f.wide = a.wide, f.high = a.high, f.rows = a.rows;
	for (int i = 0; i < 3; i++)
		f.large[i] = (int)d->large[i], f.stride[i] = (int)d->stride[i], f.pad[i] = (int)d->pad[i],
			f.blocks[i] = (uint32_t)((d->small[i] + side[i] - 1) / side[i]);
	for (int k = 0; k < FIRST_DEPTH; k++) {
		const int own = k < f.depth ? k : f.depth - 1, tap = own / f.b, row = tap / (int)d->kernel[2];

		f.at[k] = (uint16_t)((row / (int)d->kernel[1] * a.high + row % (int)d->kernel[1]) * a.wide + tap % (int)d->kernel[2] * f.b + own % f.b);
	}
	return f;
}

#ifdef K_HALF

/* A kernel for each depth and each number of channels of the small end that a team takes (first_out); and those of a name by FIRST_AT */
#define FIRST_CASES(CASE) \
	CASE(16, 16) CASE(16, 24) CASE(16, 32) CASE(16, 48) CASE(32, 16) CASE(32, 24) CASE(32, 32) CASE(32, 48) CASE(64, 16) CASE(64, 24) CASE(64, 32)
#define FIRST_TABLE(name) \
	{{G(name##_16_16), G(name##_16_24), G(name##_16_32), G(name##_16_48)}, {G(name##_32_16), G(name##_32_24), G(name##_32_32), G(name##_32_48)}, \
		{G(name##_64_16), G(name##_64_24), G(name##_64_32), NULL}}
#define FIRST_AT(depth, out) [(depth) / 32][(out) == 48 ? 3 : (out) / 8 - 2]

/* A place in what is about a block: of its voxel d, h, and of w's first */
DEVICE int first_row(const struct first *f, int d, int h)
{
	return (d * f->stride[0] * f->high + h * f->stride[1]) * f->wide;
}

/* Elements from a voxel of a block to the next one along w */
DEVICE int first_step(const struct first *f)
{
	return f->stride[2] * f->b;
}

/* What is about the block of n at at[]; outside it is 0. A lane has the same place of every row, so that little is reckoned for an element. */
DEVICE void first_load(const struct first *f, const word *x, int n, const int at[3], word *to)
{
	const int d0 = at[0] * f->stride[0] - f->pad[0], h0 = at[1] * f->stride[1] - f->pad[1], w0 = at[2] * f->stride[2] - f->pad[2];
	const int64_t volume = (int64_t)n * (f->large[0] * f->large[1]) * f->line;

	WARP_FOR(warp)
		MEMBER_FOR(i, 0, f->wide, WARP) {
			const int e = (int)i, v = f->b == 1 ? e : (int)((uint32_t)e / (uint32_t)f->b), in = within(w0 + v, f->large[2]);
			const int64_t own = volume + (w0 + v) * f->pitch + e - v * f->b;
			int d = d0, h = warp;

			UNROLLED_BY(4) for (int row = warp; row < f->rows; row += WARPS) {
				const int there = in && within(d, f->large[0]) && within(h0 + h, f->large[1]);

				to[row * f->wide + e] = there ? x[own + (int64_t)(d * f->large[1] + h0 + h) * f->line] : (word)0;
				h += WARPS;
				if (h >= f->high)
					h -= f->high, d++;
			}
		}
}

/* The block of a team whose channels are one of so many parts */
DEVICE struct block first_block(const struct gpu_narrow *g, const struct first *f, int64_t team, const int parts)
{
	const uint32_t part = parts == 1 ? 0 : (uint32_t)team % (uint32_t)parts;
	uint32_t i = parts == 1 ? (uint32_t)team : (uint32_t)team / (uint32_t)parts;
	struct block b;

	b.oc = (int)part * (g->oc / parts);
	b.at[2] = (int)(i % f->blocks[2]) * W, i /= f->blocks[2];
	b.at[1] = (int)(i % f->blocks[1]) * H, i /= f->blocks[1];
	b.at[0] = (int)(i % f->blocks[0]) * f->deep, b.n = (int)(i / f->blocks[0]);
	return b;
}

#endif

#endif
