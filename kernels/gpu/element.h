/* Elements as par.h has them, of which compilers or types have each their own way: floats of bits, 16 bytes at once, pieces of WIDE elements. */
#ifndef NIIPIPE_GPU_ELEMENT_H
#define NIIPIPE_GPU_ELEMENT_H

#include "kernels/gpu/par.h"

#ifdef __CUDACC__
typedef uint4 quad;
#else
typedef struct { uint32_t x, y, z, w; } __attribute__((aligned(16))) quad;
#endif

/* gcc looks at one access to an address of several that are close by: of a write after a read, too, where the pointer is another one to it. */
#ifdef __CUDACC__
#define ANOTHER(p)
#else
#define ANOTHER(p) __asm__("" : "+r"(p))
#endif

/* 16 bytes in one access */
DEVICE quad get_quad(const void *p)
{
#ifdef __CUDACC__
	return *(const uint4 *)p;
#else
	typedef uint32_t four __attribute__((vector_size(16), may_alias));
	union { four v; quad q; } b = {*(const four *)p};

	return b.q;
#endif
}

/* The same for the last time: what else the cache has stays the longer. */
DEVICE quad get_last_quad(const void *p)
{
#ifdef __CUDACC__
	return __ldcs((const uint4 *)p);
#else
	return get_quad(p);
#endif
}

DEVICE void put_quad(void *p, quad q)
{
#ifdef __CUDACC__
	*(uint4 *)p = q;
#else
	typedef uint32_t four __attribute__((vector_size(16), may_alias));
	union { quad q; four v; } b = {q};

	ANOTHER(p);
	*(four *)p = b.v;
#endif
}

/* The same to the device's memory, not to a team's own: as it stands nvcc makes four stores of it where branches are near. */
DEVICE void give_quad(void *p, quad q)
{
#ifdef __CUDACC__
	__stwb((uint4 *)p, q);
#else
	put_quad(p, q);
#endif
}

/* 16 bytes on their way from the device's memory to a team's own, or, of what is not there, zeros */
DEVICE void begin_quad(void *to, const void *from, int there)
{
#ifdef __CUDACC__
	const uint32_t at = (uint32_t)__cvta_generic_to_shared(to);

	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" : : "r"(at), "l"(from), "r"(there ? 16 : 0) : "memory");
#else
	wall_begin(to, from, there);
#endif
}

/* All that this lane has begun are there. */
DEVICE void quads_arrived(void)
{
#ifdef __CUDACC__
	asm volatile("cp.async.wait_all;" : : : "memory");
#else
	wall_arrive();
#endif
}

/* Four bytes in one access, at a multiple of 4; the first is the lowest. */
DEVICE uint32_t get_bytes(const uint8_t *p)
{
#ifdef __CUDACC__
	return *(const uint32_t *)p;
#else
	uint32_t u;

	wall_together(p, sizeof u);
	memcpy(&u, p, sizeof u);
	return u;
#endif
}

DEVICE float bits_float(uint32_t u)
{
	union { uint32_t u; float f; } b;

	b.u = u;
	return b.f;
}

DEVICE uint32_t float_bits(float f)
{
	union { uint32_t u; float f; } b;

	b.f = f;
	return b.u;
}

/* Four floats, at a multiple of 16 bytes */
DEVICE void get_floats(const float *p, float v[4])
{
	quad q = get_quad(p);

	v[0] = bits_float(q.x), v[1] = bits_float(q.y), v[2] = bits_float(q.z), v[3] = bits_float(q.w);
}

DEVICE quad quad_of(const float v[4])
{
	quad q;

	q.x = float_bits(v[0]), q.y = float_bits(v[1]), q.z = float_bits(v[2]), q.w = float_bits(v[3]);
	return q;
}

DEVICE void put_floats(float *p, const float v[4])
{
	put_quad(p, quad_of(v));
}

#ifdef K_HALF
DEVICE float get(const void *p, int64_t i)
{
	return bits_float((uint32_t)((const uint16_t *)p)[i] << 16);
}

/* To the nearest, ties to even; what is not a number stays so. */
DEVICE uint16_t half_bits(float v)
{
#ifdef __CUDACC__
	return __bfloat16_as_ushort(__float2bfloat16_rn(v));
#else
	uint32_t u = float_bits(v);

	return (uint16_t)(v != v ? u >> 16 | 64 : (u + 0x7fff + (u >> 16 & 1)) >> 16);
#endif
}

DEVICE uint32_t two_halves(float lo, float hi)
{
#ifdef __CUDACC__
	const __nv_bfloat162 b = __floats2bfloat162_rn(lo, hi);

	return (uint32_t)__bfloat16_as_ushort(b.y) << 16 | __bfloat16_as_ushort(b.x);
#else
	return (uint32_t)half_bits(hi) << 16 | half_bits(lo);
#endif
}

DEVICE void put(void *p, int64_t i, float v)
{
	ANOTHER(p);
	((uint16_t *)p)[i] = half_bits(v);
}

/* WIDE elements as they lie in memory */
struct piece { quad q; };

DEVICE void piece_open(struct piece e, float v[WIDE])
{
	const quad q = e.q;

	v[0] = bits_float(q.x << 16), v[1] = bits_float(q.x & 0xffff0000u), v[2] = bits_float(q.y << 16), v[3] = bits_float(q.y & 0xffff0000u);
	v[4] = bits_float(q.z << 16), v[5] = bits_float(q.z & 0xffff0000u), v[6] = bits_float(q.w << 16), v[7] = bits_float(q.w & 0xffff0000u);
}

/* Four from i on, a multiple of 4 */
DEVICE void get_four(const void *p, int64_t i, float v[4])
{
#ifdef __CUDACC__
	const uint2 q = *(const uint2 *)((const uint16_t *)p + i);

	v[0] = bits_float(q.x << 16), v[1] = bits_float(q.x & 0xffff0000u), v[2] = bits_float(q.y << 16), v[3] = bits_float(q.y & 0xffff0000u);
#else
	wall_together((const uint16_t *)p + i, 8);
	for (int j = 0; j < 4; j++)
		v[j] = get(p, i + j);
#endif
}

DEVICE void put_four(void *p, int64_t i, const float v[4])
{
#ifdef __CUDACC__
	*(uint2 *)((uint16_t *)p + i) = make_uint2(two_halves(v[0], v[1]), two_halves(v[2], v[3]));
#else
	wall_together((uint16_t *)p + i, 8);
	for (int j = 0; j < 4; j++)
		put(p, i + j, v[j]);
#endif
}

/* Element j becomes p[i]. */
DEVICE void piece_put(struct piece *e, int j, const void *p, int64_t i)
{
	const uint32_t bits = (uint32_t)((const uint16_t *)p)[i] << j % 2 * 16;

	if (j / 2 == 0)
		e->q.x |= bits;
	else if (j / 2 == 1)
		e->q.y |= bits;
	else if (j / 2 == 2)
		e->q.z |= bits;
	else
		e->q.w |= bits;
}

DEVICE quad wide_quad(const float v[WIDE])
{
	quad q;

	q.x = two_halves(v[0], v[1]), q.y = two_halves(v[2], v[3]), q.z = two_halves(v[4], v[5]), q.w = two_halves(v[6], v[7]);
	return q;
}

DEVICE void put_wide(void *p, int64_t i, const float v[WIDE])
{
	give_quad((uint16_t *)p + i, wide_quad(v));
}
#else
DEVICE float get(const void *p, int64_t i)
{
	return ((const float *)p)[i];
}

DEVICE void put(void *p, int64_t i, float v)
{
	ANOTHER(p);
	((float *)p)[i] = v;
}

DEVICE void get_four(const void *p, int64_t i, float v[4])
{
	get_floats((const float *)p + i, v);
}

struct piece { float v[WIDE]; };

DEVICE void piece_open(struct piece e, float v[WIDE])
{
	EACH(j)
		v[j] = e.v[j];
}

DEVICE void piece_put(struct piece *e, int j, const void *p, int64_t i)
{
	e->v[j] = get(p, i);
}

DEVICE quad wide_quad(const float v[WIDE])
{
	return quad_of(v);
}

DEVICE void put_wide(void *p, int64_t i, const float v[WIDE])
{
	give_quad((float *)p + i, quad_of(v));
}
#endif

/* All of it 0 */
DEVICE struct piece piece_none(void)
{
	struct piece e;

	memset(&e, 0, sizeof e);
	return e;
}

DEVICE struct piece get_piece(const void *p, int64_t i)
{
	struct piece e;

#ifdef K_HALF
	e.q = get_quad((const uint16_t *)p + i);
#else
	get_floats((const float *)p + i, e.v);
#endif
	return e;
}

DEVICE struct piece get_last_piece(const void *p, int64_t i)
{
	struct piece e;

#ifdef K_HALF
	e.q = get_last_quad((const uint16_t *)p + i);
#else
	const quad q = get_last_quad((const float *)p + i);

	e.v[0] = bits_float(q.x), e.v[1] = bits_float(q.y), e.v[2] = bits_float(q.z), e.v[3] = bits_float(q.w);
#endif
	return e;
}

DEVICE void put_piece(void *p, int64_t i, struct piece e)
{
#ifdef K_HALF
	give_quad((uint16_t *)p + i, e.q);
#else
	give_quad((float *)p + i, quad_of(e.v));
#endif
}

DEVICE void get_wide(const void *p, int64_t i, float v[WIDE])
{
	piece_open(get_piece(p, i), v);
}

/* WIDE floats from anywhere; of NULL all are `absent` */
DEVICE void floats_from(const float *p, int64_t i, float absent, float v[WIDE])
{
	if (!p)
		EACH(j)
			v[j] = absent;
	else if ((uintptr_t)(p + i) % 16)
		EACH(j)
			v[j] = p[i + j];
	else
		for (int k = 0; k < WIDE; k += 4)
			get_floats(p + i + k, v + k);
}

/* n of WIDE elements, 0 for the rest; whole: they begin at a multiple of 16 bytes */
DEVICE void get_some(const void *p, int64_t i, int n, int whole, float v[WIDE])
{
	if (whole && n == WIDE)
		get_wide(p, i, v);
	else
		EACH(j)
			v[j] = j < n ? get(p, i + j) : 0;
}

DEVICE void put_some(void *p, int64_t i, int n, int whole, const float v[WIDE])
{
	if (whole && n == WIDE)
		put_wide(p, i, v);
	else
		EACH(j)
			if (j < n)
				put(p, i + j, v[j]);
}

#endif
