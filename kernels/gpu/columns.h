/* Sums and maps over [n,vox,c] with pitches. The elements of an n go through in their order, as rows of whole voxels: WIDE neighbours to a lane, so
   that it keeps to the same channels from row to row and nothing is divided on the way; rows in chunks of fixed sizes, a team each. Which element is
   whose follows from vox and c alone: sums are the same bits for every pitch. */
#ifndef NIIPIPE_GPU_COLUMNS_H
#define NIIPIPE_GPU_COLUMNS_H

#include "kernels/gpu/par.h"

/* Of an n: chunks where rows are few, rows of a chunk and chunks where they are enough, rows of a chunk at most: so few are summed in floats; rows of
   a map's chunk at most */
enum { COLUMN_FEW = 512, COLUMN_ROWS = 16, COLUMN_CHUNKS = 1024, COLUMN_MOST = 64, COLUMN_MAP = 8 };
enum { COLUMN_SUMS = 3, COLUMN_ROW = TEAM * WIDE };

/* Sums of lanes that one adds up; sums, of lanes or of chunks, that one reads before the first is used */
enum { COLUMN_FOLD = 8, COLUMN_AHEAD = 4 };

struct columns {
	int64_t n, vox, c;   /* vox: of one n */
	int64_t per, row;    /* voxels and elements of a row: at most COLUMN_ROW, or one voxel */
	int64_t lanes;       /* of a row */
	int64_t rows, chunk, chunks;
	int whole;           /* WIDE neighbours are read and written at once */
};

/* Kernel name_which of a text that is made before: SET makes a constant of what `which` knows; least: as par.h has it. */
#define COLUMN_CASE(name, which, SET, least, PARAMS, ARGS, teams) \
	SIDE_KERNEL(name##_##which, PARAMS, ARGS, teams, 0, least) \
	{ \
		SET; \
		name##_text ARGS; \
	}

/* A kernel of (.., struct columns r, ..) twice, for r.whole and without it: a constant to each */
#define COLUMN_KERNEL(name, PARAMS, ARGS, teams) \
	DEVICE void name##_text PARAMS; \
	COLUMN_CASE(name, whole, r.whole = 1, 4, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, apart, r.whole = 0, 1, PARAMS, ARGS, teams) \
	static int name PARAMS \
	{ \
		return r.whole ? G(name##_whole) ARGS : G(name##_apart) ARGS; \
	} \
	DEVICE void name##_text PARAMS

static inline struct columns columns_of(int64_t n, int64_t vox, int64_t c)
{
	struct columns r;
	int64_t least = WIDE; /* voxels that are a whole number of WIDE elements */

	while (least > 1 && least / 2 * c % WIDE == 0)
		least /= 2;
	r.n = n, r.vox = vox, r.c = c, r.whole = 0;
	r.per = c > COLUMN_ROW / least ? 1 : COLUMN_ROW / c / least * least;
	r.row = r.per * c;
	r.lanes = (r.row + WIDE - 1) / WIDE;
	r.rows = (vox + r.per - 1) / r.per;
	r.chunk = (r.rows + COLUMN_FEW - 1) / COLUMN_FEW;
	r.chunk = r.chunk > COLUMN_ROWS ? COLUMN_ROWS : r.chunk;
	r.chunk = r.chunk * COLUMN_CHUNKS < r.rows ? (r.rows + COLUMN_CHUNKS - 1) / COLUMN_CHUNKS : r.chunk;
	r.chunk = r.chunk > COLUMN_MOST ? COLUMN_MOST : r.chunk;
	r.chunks = (r.rows + r.chunk - 1) / r.chunk;
	return r;
}

/* Doubles of `sums` sums of every channel of every chunk */
static inline int64_t columns_parts(const struct columns *r, int sums)
{
	return r->n * r->chunks * sums * r->c;
}

/* Do WIDE neighbours of a value of this pitch (NULL: absent) lie side by side, all of them at multiples of 16 bytes? */
static inline int columns_wide(const struct columns *r, const void *p, int64_t pitch)
{
	int each = r->c % WIDE == 0 && pitch % WIDE == 0, dense = pitch == r->c && r->row % WIDE == 0 && r->vox * r->c % WIDE == 0;

	return !p || ((uintptr_t)p % 16 == 0 && (each || dense));
}

/* For a map from x to y (NULL: neither is looked at) of all voxels as one n */
static inline struct columns columns_map(int64_t vox, int64_t c, const void *x, int64_t xpitch, const void *y, int64_t ypitch)
{
	struct columns r = columns_of(1, vox, c);

	r.chunk = r.chunk > COLUMN_MAP ? COLUMN_MAP : r.chunk;
	r.chunks = (r.rows + r.chunk - 1) / r.chunk;
	r.whole = columns_wide(&r, x, xpitch) && columns_wide(&r, y, ypitch);
	return r;
}

/* Are the elements of every spot of dense floats WIDE, and begin at a multiple of 16 bytes? */
static inline int columns_floats(const struct columns *r, const float *p)
{
	return (uintptr_t)p % 16 == 0 && r->row % WIDE == 0 && r->vox * r->c % WIDE == 0;
}

/* Where a lane is: the voxel (of all n) and channel of its first element, how many elements it has there, and how many there are from that to the end
   of its chunk */
struct spot { int64_t v; int left, c, n, most; };

/* The n of chunk t, its first voxel (of all n), and how many it has */
DEVICE int64_t column_n(const struct columns *r, int64_t t)
{
	return (uint32_t)t / (uint32_t)r->chunks;
}

DEVICE int64_t column_first(const struct columns *r, int64_t t)
{
	const int64_t n = column_n(r, t);

	return n * r->vox + (t - n * r->chunks) * r->chunk * r->per;
}

DEVICE int64_t column_voxels(const struct columns *r, int64_t t)
{
	const int64_t left = (column_n(r, t) + 1) * r->vox - column_first(r, t);

	return left < r->chunk * r->per ? left : r->chunk * r->per;
}

/* Channels of the WIDE elements of lane l */
DEVICE void column_channels(const struct columns *r, int64_t l, int at[WIDE])
{
	int c = (int)((uint32_t)l * WIDE % (uint32_t)r->c);

	EACH(j) {
		at[j] = c;
		c = c + 1 < (int)r->c ? c + 1 : 0;
	}
}

DEVICE void spot_fill(struct spot *s)
{
	s->n = s->left < s->most ? s->left : s->most;
}

DEVICE struct spot spot_of(const struct columns *r, int64_t t, int64_t l)
{
	const uint32_t e = (uint32_t)l * WIDE, c = (uint32_t)r->c;
	struct spot s;

	s.v = column_first(r, t) + e / c, s.c = (int)(e % c);
	s.left = (int)(column_voxels(r, t) * r->c - e);
	s.most = r->row - e < WIDE ? (int)(r->row - e) : WIDE;
	spot_fill(&s);
	return s;
}

/* Lane l goes through its spots of chunk t, the next `many` at a time: so many reads are under way before the first is used. Where neighbours do not
   lie side by side it is one at a time. */
#define SPOTS_FOR(s, r, t, l, many) for (struct spot s = spot_of(r, t, l); s.left > 0; spots_next(r, &s, many))

/* Every k of those `many`, and of those that are there: of them spot k is spot_at */
#define SPOTS_EACH(k, r, many) UNROLLED for (int k = 0; k < ((r)->whole ? (many) : 1); k++)
#define SPOTS_THERE(k, r, s, many) SPOTS_EACH(k, r, many) if (!k || (s)->left > k * (int)(r)->row)

DEVICE void spots_next(const struct columns *r, struct spot *s, int many)
{
	const int rows = r->whole ? many : 1;

	s->v += rows * r->per, s->left -= rows * (int)r->row;
	spot_fill(s);
}

DEVICE struct spot spot_at(const struct columns *r, const struct spot *s, int k)
{
	struct spot at = *s;

	at.v += k * r->per, at.left -= k * (int)r->row;
	spot_fill(&at);
	return at;
}

/* The voxel of spot k; of one that is not there, the first's */
DEVICE int64_t spot_voxel(const struct columns *r, const struct spot *s, int k)
{
	return s->left > k * (int)r->row ? s->v + k * r->per : s->v;
}

/* Where spot k begins in a value, in elements; one that is not there where the first does */
DEVICE int64_t spot_begin(const struct columns *r, const struct spot *s, int k, int64_t pitch)
{
	const int more = s->left > k * (int)r->row ? k * (int)(r->per * pitch) : 0;

	return s->v * pitch + s->c + more;
}

/* The elements of a value at spot k, as they lie there, 0 beyond its end; of one that is not there, those of the first */
DEVICE struct piece spot_take(const struct columns *r, const struct spot *s, int k, const void *p, int64_t pitch)
{
	int64_t vox = s->v, c = s->c;
	struct piece e = piece_none();

	if (r->whole)
		return get_piece(p, spot_begin(r, s, k, pitch));
	EACH(j) {
		if (j < s->n)
			piece_put(&e, j, p, vox * pitch + c);
		if (++c == r->c)
			c = 0, vox++;
	}
	return e;
}

/* The same for the last time */
DEVICE struct piece spot_take_last(const struct columns *r, const struct spot *s, int k, const void *p, int64_t pitch)
{
	return r->whole ? get_last_piece(p, spot_begin(r, s, k, pitch)) : spot_take(r, s, k, p, pitch);
}

/* The same in two loops, of sums: `many` spots that are all there, without a branch (behind which nvcc else moves reads: the next is under way no
   sooner than the last has come), and then one at a time. */
#define SPOTS_FULL(s, r, many) for (; (r)->whole && s.left > ((many) - 1) * (int)(r)->row; spots_next(r, &s, many))
#define SPOTS_REST(s, r) for (; s.left > 0; spots_next(r, &s, 1))

/* The elements of a value at spot k of those */
DEVICE struct piece spot_ahead(const struct columns *r, const struct spot *s, int k, const void *p, int64_t pitch)
{
	return get_piece(p, s->v * pitch + s->c + k * (int)(r->per * pitch));
}

/* Every lane of a team goes through its spots of chunk t. */
#define SPOT_FOR(s, r, t) \
	LANE_FOR(l_, 0, (r)->lanes) \
		SPOTS_FOR(s, r, t, l_, 1)

/* The elements of a value at a spot; 0 beyond its end */
DEVICE void spot_get(const struct columns *r, const struct spot *s, const void *p, int64_t pitch, float v[WIDE])
{
	piece_open(spot_take(r, s, 0, p, pitch), v);
}

DEVICE void spot_put(const struct columns *r, const struct spot *s, void *p, int64_t pitch, const float v[WIDE])
{
	if (r->whole) {
		put_wide(p, s->v * pitch + s->c, v);
	} else {
		int64_t vox = s->v, c = s->c;

		EACH(j) {
			if (j < s->n)
				put(p, vox * pitch + c, v[j]);
			if (++c == r->c)
				c = 0, vox++;
		}
	}
}

/* p = v, or with `add` old + v: what spot_take found there */
DEVICE void spot_keep(const struct columns *r, const struct spot *s, void *p, int64_t pitch, int add, struct piece old, float v[WIDE])
{
	if (add) {
		float there[WIDE];

		piece_open(old, there);
		EACH(j)
			v[j] += there[j];
	}
	spot_put(r, s, p, pitch, v);
}

/* p += v, or with `add` 0 p = v */
DEVICE void spot_add(const struct columns *r, const struct spot *s, void *p, int64_t pitch, int add, float v[WIDE])
{
	spot_keep(r, s, p, pitch, add, add ? spot_take(r, s, 0, p, pitch) : piece_none(), v);
}

/* What a voxel has one of, for every element; 0 beyond the end */
DEVICE void spot_each(const struct columns *r, const struct spot *s, const float *p, float v[WIDE])
{
	int64_t vox = s->v, c = s->c;

	EACH(j) {
		v[j] = j < s->n ? p[vox] : 0;
		if (++c == r->c)
			c = 0, vox++;
	}
}

/* -- sums of a chunk, from its lanes': [k][row] in a team's own memory, an element's where it is in the row -- */
#define COLUMN_ROOM(name) TEAM_ARRAY(quad, name, COLUMN_SUMS * COLUMN_ROW / 4)

/* Where sum k of `sums` of channel c of chunk t is: chunks lie side by side, for the lanes that add them up */
DEVICE int64_t column_part(const struct columns *r, int64_t t, int k, int sums, int64_t c)
{
	const int64_t n = column_n(r, t);

	return ((n * sums + k) * r->c + c - n) * r->chunks + t;
}

/* The sum k of lane l; where a row is one voxel, however wide, that is already the chunk's. part: [n][sums][c][chunk] */
DEVICE void column_keep(const struct columns *r, int64_t t, int64_t l, int k, int sums, const float sum[WIDE], quad *room, double *part)
{
	if (r->per > 1)
		UNROLLED for (int j = 0; j < WIDE; j += 4)
			room[k * COLUMN_ROW / 4 + (int)l * (WIDE / 4) + j / 4] = quad_of(sum + j);
	else
		EACH(j)
			if (l * WIDE + j < r->c)
				part[column_part(r, t, k, sums, l * WIDE + j)] = (double)sum[j];
}

/* All lanes have kept theirs, sums 0 .. own - 1. Lanes share a channel, as many as there are of them: each adds up what lies so many elements apart,
   as lanes lie side by side, then one adds up what COLUMN_FOLD have, until one is left. */
DEVICE void column_settle(const struct columns *r, int64_t t, int own, int sums, const quad *kept, double *part)
{
	TEAM_ARRAY(double, some, COLUMN_SUMS * TEAM);
	const float *room = (const float *)kept;
	const int c = (int)r->c, row = (int)r->row;
	int share = (uint32_t)c <= TEAM / 2 ? TEAM / (uint32_t)c : 1;

	if (r->per == 1)
		return;
	team_sync();
	LANE_FOR(i, 0, share * c) {
		double sum[COLUMN_SUMS] = {0};

		for (int first = (int)i; first < row; first += COLUMN_AHEAD * share * c)
			UNROLLED for (int m = 0, e = first; m < COLUMN_AHEAD; m++, e += share * c)
				UNROLLED for (int k = 0; k < own; k++)
					sum[k] += e < row ? (double)room[k * COLUMN_ROW + e] : 0;
		UNROLLED for (int k = 0; k < own; k++)
			*(share > 1 ? &some[k * TEAM + i] : &part[column_part(r, t, k, sums, i)]) = sum[k];
	}
	for (int less; share > 1; share = less) {
		less = (share + COLUMN_FOLD - 1) / COLUMN_FOLD;
		team_sync();
		LANE_FOR(i, 0, less * c)
			UNROLLED for (int k = 0; k < own; k++) {
				double sum = 0;

				UNROLLED for (int m = 0; m < COLUMN_FOLD; m++)
					sum += (int)i + m * less * c < share * c ? some[k * TEAM + (int)i + m * less * c] : 0;
				*(less > 1 ? &some[k * TEAM + i] : &part[column_part(r, t, k, sums, i)]) = sum;
			}
	}
}

/* sum[k], of 0 .. own - 1: channel c's over the chunks of n, known to all lanes of a team */
DEVICE void column_total(const struct columns *r, const double *part, int64_t n, int64_t c, int own, int sums, double sum[])
{
	UNROLLED for (int k = 0; k < own; k++)
		sum[k] = 0;
	LANE_FOR(l, 0, TEAM)
		for (int at = (int)l; at < (int)r->chunks; at += COLUMN_AHEAD * TEAM) {
			double v[COLUMN_AHEAD][COLUMN_SUMS];

			UNROLLED for (int i = 0; i < COLUMN_AHEAD; i++)
				UNROLLED for (int k = 0; k < own; k++)
					v[i][k] = part[((n * sums + k) * r->c + c) * r->chunks + (at + i * TEAM < (int)r->chunks ? at + i * TEAM : at)];
			UNROLLED for (int i = 0; i < COLUMN_AHEAD; i++)
				UNROLLED for (int k = 0; k < own; k++)
					sum[k] += at + i * TEAM < (int)r->chunks ? v[i][k] : 0;
		}
	UNROLLED for (int k = 0; k < own; k++)
		sum[k] = team_sum(sum[k]);
}

#endif
