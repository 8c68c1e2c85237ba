/* Products of a warp. A tile is 16 x 8 sums in floats; to it is added the product of a left operand, 16 x 16, and a right one that lies in a team's
   own memory. With K_HALF on a GPU that is one instruction of the tensor cores, mma.sync.m16n8k16 (sm_80 on). Its operands are held by the lanes as
   PTX ISA has them ("Matrix Fragments for mma.m16n8k16 with floating point type"): with r = lane / 4, c = 2 (lane % 4), two neighbours to a register,
   the first in its lower half,
     tile   v[0], v[1]: row r, columns c, c + 1;  v[2], v[3]: row r + 8, the same columns
     left   v[0]: row r, columns c, c + 1;  v[1]: row r + 8, the same;  v[2], v[3]: those rows, columns c + 8, c + 9
     right  v[0], v[1]: rows c, c + 1 and rows c + 8, c + 9 of column r; `packed` it lies in memory as lanes have it, right_at says where what is
   Without K_HALF products are of floats, in the order of the 16; lanes have the same elements of a tile, so only rounding tells the two apart. In a
   GPU's place one lane has all elements of a tile. */
#ifndef NIIPIPE_GPU_TILE_H
#define NIIPIPE_GPU_TILE_H

#include "kernels/gpu/par.h"

#ifdef K_HALF
typedef uint16_t word;
#else
typedef float word;
#endif

enum { TILE = 16, STRIP = TILE * (TILE + WIDE) }; /* elements a warp needs in its team's memory, for left_of_tiles */

#ifdef __CUDACC__
enum { TILE_OWN = 4, TILE_ROWS = 2 };
#else
enum { TILE_OWN = 128, TILE_ROWS = 16 };
#endif

/* Elements and rows of a lane */
struct tile { float v[TILE_OWN]; };
struct rows { float v[TILE_ROWS]; };

#ifdef __CUDACC__
#define TILE_EACH(e) _Pragma("unroll") for (int e = 0; e < TILE_OWN; e++)
#define ROWS_EACH(r) _Pragma("unroll") for (int r = 0; r < TILE_ROWS; r++)
DEVICE int tile_lane(void) { return (int)(threadIdx.x % WARP); }
DEVICE int tile_slot(int e) { return e / 2; }
DEVICE int tile_row(int slot) { return tile_lane() / 4 + 8 * slot; }
DEVICE int tile_column(int e) { return tile_lane() % 4 * 2 + e % 2; }
#define QUADS_EACH(q) for (int q = tile_lane() % 4, once_ = 1; once_; once_ = 0)
enum { QUADS = 1 };
DEVICE int quad_at(int q) { (void)q; return 0; }
DEVICE int tile_two(int slot, int q) { (void)q; return slot * 2; }
#else
#define TILE_EACH(e) for (int e = 0; e < TILE_OWN; e++)
#define ROWS_EACH(r) for (int r = 0; r < TILE_ROWS; r++)
DEVICE int tile_slot(int e) { return e / 8; }
DEVICE int tile_row(int slot) { return slot; }
DEVICE int tile_column(int e) { return e % 8; }
#define QUADS_EACH(q) for (int q = 0; q < 4; q++) /* a lane's of the four pairs of columns, 2 q and 2 q + 1 */
enum { QUADS = 4 };                               /* so many; what a lane keeps of one is at quad_at */
DEVICE int quad_at(int q) { return q; }
DEVICE int tile_two(int slot, int q) { return slot * 8 + 2 * q; } /* the first of the two in a row */
#endif

/* Over all columns of a row, known to all lanes that have elements of it */
DEVICE void rows_sum(struct rows *r)
{
#ifdef __CUDACC__
	ROWS_EACH(i)
		for (int o = 1; o < 4; o *= 2)
			r->v[i] += __shfl_xor_sync(~0u, r->v[i], o);
#else
	(void)r;
#endif
}

DEVICE void rows_most(struct rows *r)
{
#ifdef __CUDACC__
	ROWS_EACH(i)
		for (int o = 1; o < 4; o *= 2)
			r->v[i] = fmaxf(r->v[i], __shfl_xor_sync(~0u, r->v[i], o));
#else
	(void)r;
#endif
}

/* Where row k, column n of a right operand of 16 x 8 is among its 128 elements that are packed */
DEVICE int right_at(int k, int n)
{
	return (n * 4 + k % 8 / 2) * 4 + k / 8 * 2 + k % 2;
}

#ifdef K_HALF
/* Two neighbours of a row to a value, i even */
DEVICE void put_two(void *p, int64_t i, float first, float second)
{
#ifdef __CUDACC__
	*(uint32_t *)((uint16_t *)p + i) = two_halves(first, second);
#else
	wall_together((uint16_t *)p + i, 4);
	put(p, i, first), put(p, i + 1, second);
#endif
}
#endif

/* A tile in memory of the device: 128 floats, of which a lane's are neighbours. Where row r, column c is */
DEVICE int tile_at(int r, int c)
{
#ifdef __CUDACC__
	return (r % 8 * 4 + c / 2) * 4 + r / 8 * 2 + c % 2;
#else
	return r * 8 + c;
#endif
}

/* to = t, or with `add` to += t; at a multiple of 16 bytes */
DEVICE void tile_keep(float *to, const struct tile *t, int add)
{
#ifdef __CUDACC__
	float v[TILE_OWN] = {0, 0, 0, 0};

	if (add)
		get_floats(to + tile_lane() * TILE_OWN, v);
	TILE_EACH(e)
		v[e] += t->v[e];
	put_floats(to + tile_lane() * TILE_OWN, v);
#else
	wall_together(to, 16);
	TILE_EACH(e)
		to[e] = add ? to[e] + t->v[e] : t->v[e];
#endif
}

#if defined(__CUDACC__) && defined(K_HALF)

struct left { uint32_t v[4]; };
struct right { uint32_t v[2]; };

/* A lane's elements of a left operand, two neighbours of a row at a time */
#define LEFT_EACH(p) _Pragma("unroll") for (int p = 0; p < 4; p++)
DEVICE int left_row(int p) { return tile_lane() / 4 + 8 * (p % 2); }
DEVICE int left_column(int p) { return tile_lane() % 4 * 2 + 8 * (p / 2); }
DEVICE void left_put(struct left *a, int p, float first, float second) { a->v[p] = two_halves(first, second); }
DEVICE void left_put_words(struct left *a, int p, word first, word second) { a->v[p] = (uint32_t)second << 16 | first; }

/* The columns that a lane has, LEFT_COLUMNS of them, and where among them is the first of pair p; its rows are TILE_ROWS, where among them p's is */
enum { LEFT_COLUMNS = 4 };
DEVICE int left_own(int i) { return tile_lane() % 4 * 2 + i % 2 + i / 2 * 8; }
DEVICE int left_pair(int p) { return p / 2 * 2; }
DEVICE int left_slot(int p) { return p % 2; }
DEVICE void left_put_two(struct left *a, int p, uint32_t two) { a->v[p] = two; }

/* Of rows in a team's memory, `stride` elements apart, at multiples of 16 bytes. ldmatrix reads four 8 x 8 matrices, whose rows eight lanes each
   point to: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15. */
DEVICE struct left left_of(const word *rows, int stride)
{
	const uint32_t from = (uint32_t)__cvta_generic_to_shared(rows + tile_lane() % 16 * stride + tile_lane() / 16 * 8);
	struct left a;

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(a.v[0]), "=r"(a.v[1]), "=r"(a.v[2]), "=r"(a.v[3]) : "r"(from) : "memory");
	return a;
}

/* The same of what lies turned: 16 rows, each of the same place of the 16 left rows */
DEVICE struct left left_turned(const word *rows, int stride)
{
	const uint32_t from = (uint32_t)__cvta_generic_to_shared(rows + (tile_lane() % 8 + tile_lane() / 16 * 8) * stride + tile_lane() / 8 % 2 * 8);
	struct left a;

	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(a.v[0]), "=r"(a.v[1]), "=r"(a.v[2]), "=r"(a.v[3]) : "r"(from) : "memory");
	return a;
}

/* 16 rows of 8, at multiples of 16 bytes. ldmatrix reads two 8 x 8 matrices, whose rows lanes 0-7 and 8-15 point to, and with trans gives every lane
   what the right operand has there. */
DEVICE struct right right_turned(const word *rows, int stride)
{
	const uint32_t from = (uint32_t)__cvta_generic_to_shared(rows + tile_lane() % 16 * stride);
	struct right b;

	asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(b.v[0]), "=r"(b.v[1]) : "r"(from) : "memory");
	return b;
}

/* Packed, of the device's memory, which no kernel writes meanwhile */
DEVICE struct right right_of(const word *packed)
{
	const uint2 q = __ldg((const uint2 *)packed + tile_lane());
	struct right b;

	b.v[0] = q.x, b.v[1] = q.y;
	return b;
}

/* Of two tiles side by side, rounded */
DEVICE struct left left_of_tiles(const struct tile *lo, const struct tile *hi, word *strip)
{
	struct left a;

	(void)strip;
	a.v[0] = two_halves(lo->v[0], lo->v[1]), a.v[1] = two_halves(lo->v[2], lo->v[3]);
	a.v[2] = two_halves(hi->v[0], hi->v[1]), a.v[3] = two_halves(hi->v[2], hi->v[3]);
	return a;
}

DEVICE void tile_mma(struct tile *t, const struct left *a, uint32_t b0, uint32_t b1)
{
	asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+f"(t->v[0]), "+f"(t->v[1]), "+f"(t->v[2]), "+f"(t->v[3])
	    : "r"(a->v[0]), "r"(a->v[1]), "r"(a->v[2]), "r"(a->v[3]), "r"(b0), "r"(b1));
}

/* t += a b */
DEVICE void tile_add_right(struct tile *t, const struct left *a, const struct right *b)
{
	tile_mma(t, a, b->v[0], b->v[1]);
}

/* t += a b', b: 8 rows of 16 */
DEVICE void tile_add(struct tile *t, const struct left *a, const word *b, int stride)
{
	const word *p = b + tile_row(0) * stride + tile_column(0);

	tile_mma(t, a, *(const uint32_t *)p, *(const uint32_t *)(p + 8));
}

/* t += a b, b: 16 rows of 8 */
DEVICE void tile_add_turned(struct tile *t, const struct left *a, const word *b, int stride)
{
	const struct right own = right_turned(b, stride);

	tile_add_right(t, a, &own);
}

#else

#ifdef __CUDACC__
struct left { const word *rows; int stride; };

DEVICE struct left left_of(const word *rows, int stride)
{
	struct left a;

	a.rows = rows, a.stride = stride;
	return a;
}

#else
struct left { float v[TILE * TILE]; };  /* [row][column] */
struct right { float v[TILE * 8]; };

/* A GPU's lanes read rows 16 bytes at a time. */
DEVICE void rows_lie(const word *rows, int stride)
{
	wall_together(rows, 16), wall_together(rows + stride, 16);
}

#define LEFT_EACH(p) for (int p = 0; p < TILE * TILE / 2; p++)
DEVICE int left_row(int p) { return p / (TILE / 2); }
DEVICE int left_column(int p) { return p % (TILE / 2) * 2; }
DEVICE void left_put(struct left *a, int p, float first, float second) { a->v[2 * p] = first, a->v[2 * p + 1] = second; }
DEVICE void left_put_words(struct left *a, int p, word first, word second) { left_put(a, p, get(&first, 0), get(&second, 0)); }

enum { LEFT_COLUMNS = TILE };
DEVICE int left_own(int i) { return i; }
DEVICE int left_pair(int p) { return left_column(p); }
DEVICE int left_slot(int p) { return left_row(p); }
DEVICE void left_put_two(struct left *a, int p, uint32_t two) { left_put_words(a, p, (word)two, (word)(two >> 16)); }

DEVICE struct left left_of(const word *rows, int stride)
{
	struct left a;

	rows_lie(rows, stride);
	for (int i = 0; i < TILE * TILE; i++)
		a.v[i] = get(rows, i / TILE * stride + i % TILE);
	return a;
}

DEVICE struct left left_turned(const word *rows, int stride)
{
	struct left a;

	rows_lie(rows, stride);
	for (int i = 0; i < TILE * TILE; i++)
		a.v[i] = get(rows, i % TILE * stride + i / TILE);
	return a;
}

DEVICE struct right right_turned(const word *rows, int stride)
{
	struct right b;

	rows_lie(rows, stride);
	for (int i = 0; i < TILE * 8; i++)
		b.v[i] = get(rows, i / 8 * stride + i % 8);
	return b;
}

DEVICE struct right right_of(const word *packed)
{
	struct right b;

	wall_together(packed, 8);
	for (int i = 0; i < TILE * 8; i++)
		b.v[i] = get(packed, right_at(i / 8, i % 8));
	return b;
}
#endif

/* By way of the strip: so the next one may not be made before the products with this one are. */
DEVICE struct left left_of_tiles(const struct tile *lo, const struct tile *hi, word *strip)
{
	warp_sync();
	TILE_EACH(e) {
		put(strip, tile_row(tile_slot(e)) * (TILE + WIDE) + tile_column(e), lo->v[e]);
		put(strip, tile_row(tile_slot(e)) * (TILE + WIDE) + tile_column(e) + 8, hi->v[e]);
	}
	warp_sync();
	return left_of(strip, TILE + WIDE);
}

#ifdef __CUDACC__
/* Four of the 16 at a time, of a lane's two rows and two columns */
DEVICE void tile_add(struct tile *t, const struct left *a, const word *b, int stride)
{
	UNROLLED for (int k = 0; k < TILE; k += 4) {
		float x[2][4], y[2][4];

		ROWS_EACH(r) {
			get_floats(a->rows + tile_row(r) * a->stride + k, x[r]);
			get_floats(b + tile_column(r) * stride + k, y[r]);
		}
		UNROLLED for (int j = 0; j < 4; j++)
			TILE_EACH(e)
				t->v[e] += x[e / 2][j] * y[e % 2][j];
	}
}

DEVICE void tile_add_turned(struct tile *t, const struct left *a, const word *b, int stride)
{
	UNROLLED for (int k = 0; k < TILE; k += 4) {
		float x[2][4];

		ROWS_EACH(r)
			get_floats(a->rows + tile_row(r) * a->stride + k, x[r]);
		UNROLLED for (int j = 0; j < 4; j++) {
			const float2 y = *(const float2 *)(b + (k + j) * stride + tile_column(0));

			t->v[0] += x[0][j] * y.x, t->v[1] += x[0][j] * y.y;
			t->v[2] += x[1][j] * y.x, t->v[3] += x[1][j] * y.y;
		}
	}
}
#else
DEVICE void tile_add_right(struct tile *t, const struct left *a, const struct right *b)
{
	for (int r = 0; r < TILE; r++)
		for (int k = 0; k < TILE; k++)
			for (int n = 0; n < 8; n++)
				t->v[r * 8 + n] += a->v[r * TILE + k] * b->v[k * 8 + n];
}

DEVICE void tile_add(struct tile *t, const struct left *a, const word *b, int stride)
{
	struct right own;

	rows_lie(b, stride);
	for (int i = 0; i < TILE * 8; i++)
		own.v[i] = get(b, i % 8 * stride + i / 8);
	tile_add_right(t, a, &own);
}

DEVICE void tile_add_turned(struct tile *t, const struct left *a, const word *b, int stride)
{
	const struct right own = right_turned(b, stride);

	tile_add_right(t, a, &own);
}
#endif
#endif

#endif
