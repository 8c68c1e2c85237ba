/* Sums and maps down the channels of [vox,c] with a pitch. Voxels go through as rows of `lanes` elements, several voxels where the channels are
   thin, so that a team's lanes have work and each keeps to one channel; rows in chunks of fixed size, a team each. */
#ifndef NIIPIPE_GPU_COLUMNS_H
#define NIIPIPE_GPU_COLUMNS_H

#include "kernels/gpu/par.h"

enum { COLUMN_CHUNKS = 1024, COLUMN_ROWS = 16 }; /* chunks of an n at most, rows of a chunk at least */

struct columns {
	int64_t n, vox, c;   /* vox: of one n */
	int64_t per, lanes;  /* voxels, elements of a row */
	int64_t rows, chunk, chunks;
};

static inline struct columns columns_of(int64_t n, int64_t vox, int64_t c)
{
	struct columns r;

	r.n = n, r.vox = vox, r.c = c;
	r.per = c < TEAM ? TEAM / c : 1;
	r.lanes = r.per * c;
	r.rows = (vox + r.per - 1) / r.per;
	r.chunk = (r.rows + COLUMN_CHUNKS - 1) / COLUMN_CHUNKS;
	r.chunk = r.chunk < COLUMN_ROWS ? COLUMN_ROWS : r.chunk;
	r.chunks = (r.rows + r.chunk - 1) / r.chunk;
	return r;
}

/* Doubles of `sums` sums of every lane of every chunk */
static inline int64_t columns_parts(const struct columns *r, int sums)
{
	return r->n * r->chunks * sums * r->lanes;
}

/* Voxels of lane l in the chunk of team t, over all n: v of [*v, end) in steps of per. Returns end. */
DEVICE int64_t column_span(const struct columns *r, int64_t t, int64_t l, int64_t *v)
{
	int64_t n = t / r->chunks, first = t % r->chunks * r->chunk, last = first + r->chunk;

	*v = n * r->vox + first * r->per + l / r->c;
	last = last < r->rows ? last * r->per : r->vox;
	return n * r->vox + (last < r->vox ? last : r->vox);
}

#endif
