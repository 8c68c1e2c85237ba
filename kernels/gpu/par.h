/* One text of a GPU kernel, two compilers. nvcc makes a __global__ function and its launcher of it, gcc a function that loops: so a machine without a
   GPU tests the GPU's arithmetic (tests/sim).

       KERNEL(scale, (void *y, float a, int64_t n), (y, a, n), items(n))
       {
               ITEM_FOR(i, n)
                       put(y, i, a * get(y, i));
       }

   defines int G(scale)(y, a, n): 0, or CUDA's error code. The last argument says how many teams run it: teams of TEAM lanes (a block), each of
   WARP lanes (a warp). What is summed is summed in an order that depends on nothing but the sizes.
     ITEM_FOR(i, n)         every i of [0, n) once, over all lanes of all teams
     TEAM_FOR(t, n)         every team its t, n as in KERNEL
     LANE_FOR(i, lo, hi)    the lanes of a team share [lo, hi)
     GROUP_FOR(r, n, w)     every group of w lanes, a power of 2 up to WARP, its rows, n rows in all: of items(n * w) teams
     MEMBER_FOR(i, lo, hi, w)   the lanes of a group share [lo, hi); where that is [0, w) at most, what a lane keeps is in a GROUP_KEEPS, at i
     PART_FOR(p, i, many, w)    `many` parts for each lane of a group, i of [0, many w) in all; what a lane keeps of its own is in a PARTS, at p
     WARP_FOR(w)            every warp of a team its w of [0, WARPS); what it keeps from one such loop to the next is in a WARP_KEEPS, at w
     EACH(j)                every j of a lane's WIDE elements, unrolled
   team_sum, team_sums (several floats at once, to doubles), group_sum, group_most: over the lanes, known to all of them; every lane must come by.
   TEAM_ARRAY is a team's own memory, TEAM_ROOM the bytes of it that a SIDE_KERNEL was launched with; of that a processor has `least` teams side by
   side, whose lanes have as few registers: 1: all they want, best of few teams; 0: nvcc weighs the one against the other, best of many that
   wait for memory (told 1 AdamW's lanes had 46 in place of 32: 5 teams in place of 8, which moved 63 % of what a copy does in place of 83). Between
   loops over its lanes that write and read it stands team_sync, or warp_sync, where a warp's own lanes do. Activations are void: elements of them,
   floats or with K_HALF bfloat16s, are read and written by get and put, and WIDE of them, 16 bytes at a multiple of that, by get_wide and put_wide,
   of the device's memory (element.h). */
#ifndef NIIPIPE_PAR_H
#define NIIPIPE_PAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { TEAM = 256, WARP = 32, WARPS = TEAM / WARP, MOST_TEAMS = 1 << 20 };
enum { MOST_ROOM = 99 << 10, PLAIN_ROOM = 48 << 10 }; /* bytes of a team on any device, and those that need not be asked for */

#ifdef K_HALF
enum { WIDE = 8 };
#else
enum { WIDE = 4 };
#endif

#if defined(K_PLAIN)
#define G(name) gpu_##name
#elif defined(K_HALF)
#define G(name) gpu_##name##_bf16
#else
#define G(name) gpu_##name##_f32
#endif

#define PAR_PRAGMA_(x) _Pragma(#x)

#ifdef __CUDACC__

#include <cuda_bf16.h>

#define RESTRICT __restrict__
#define DEVICE static __device__ __forceinline__
#define SUM float /* what a lane sums in: its share of a team's, which to gcc is all of it */
#define DEVICE_CALL static __device__ __noinline__
#define KERNEL(name, PARAMS, ARGS, teams) SIDE_KERNEL(name, PARAMS, ARGS, teams, 0, 0)
#define SIDE_KERNEL(name, PARAMS, ARGS, teams, room, least) \
	static __global__ void __launch_bounds__(TEAM, least) name##_k PARAMS; \
	extern "C" int G(name) PARAMS \
	{ \
		if ((room) > PLAIN_ROOM) \
			cudaFuncSetAttribute(name##_k, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)(room)); \
		if ((teams) > 0) \
			name##_k<<<(unsigned)(teams), TEAM, (size_t)(room), (cudaStream_t)gpu_stream>>> ARGS; \
		return (int)cudaGetLastError(); \
	} \
	static __global__ void __launch_bounds__(TEAM, least) name##_k PARAMS
#define TEAM_FOR(t, n) for (int64_t t = blockIdx.x, once_ = 1; once_; once_ = 0)
#define LANE_FOR(i, lo, hi) for (int64_t i = (lo) + threadIdx.x; i < (hi); i += TEAM)
#define ITEM_FOR(i, n) for (int64_t i = blockIdx.x * (int64_t)TEAM + threadIdx.x; i < (n); i += gridDim.x * (int64_t)TEAM)
#define GROUP_SHIFT(w) (31 - __clz((int)(w)))
#define GROUP_FOR(r, n, w) \
	for (int64_t r = (blockIdx.x * (int64_t)TEAM + threadIdx.x) >> GROUP_SHIFT(w); r < (n); r += gridDim.x * (int64_t)TEAM >> GROUP_SHIFT(w))
#define GROUP_KEEPS(type, name) type name[1]
#define GROUP_AT(i) 0
#define MEMBER_FOR(i, lo, hi, w) for (int64_t i = (lo) + (threadIdx.x & ((w) - 1)); i < (hi); i += (w))
#define FIRST_OF_GROUP(w) ((threadIdx.x & ((w) - 1)) == 0)
#define PARTS(type, name, most) type name[most]
#define PART_FOR(p, i, many, w) \
	_Pragma("unroll") for (int p = 0; p < (many); p++) \
		for (int i = p * (w) + (int)(threadIdx.x & ((w) - 1)), once_ = 1; once_; once_ = 0)
#define EACH(j) _Pragma("unroll") for (int j = 0; j < WIDE; j++)
#define UNROLLED _Pragma("unroll")
#define UNROLLED_BY(n) PAR_PRAGMA_(unroll n)
#define WARP_FOR(w) for (int w = (int)threadIdx.x / WARP, once_ = 1; once_; once_ = 0)
#define WARP_KEEPS(type, name) type name[1]
#define WARP_AT(w) 0
#define TEAM_ROOM(name) extern __shared__ uint4 name[]
#define warp_sync() __syncwarp()
#define TEAM_ARRAY(type, name, n) __shared__ type name[n]
#define team_sync() __syncthreads()
#define FIRST_LANE (threadIdx.x == 0)

extern "C" void *gpu_stream;

template <class T> DEVICE T warp_sum(T v)
{
	for (int o = WARP / 2; o; o >>= 1)
		v += __shfl_xor_sync(~0u, v, o);
	return v;
}

template <class T> DEVICE T group_sum(T v, unsigned w)
{
	const unsigned own = (w < WARP ? (1u << w) - 1 : ~0u) << (threadIdx.x % WARP & ~(w - 1));

	for (unsigned o = w / 2; o; o >>= 1)
		v += __shfl_xor_sync(own, v, o);
	return v;
}

DEVICE float group_most(float v, unsigned w)
{
	const unsigned own = (w < WARP ? (1u << w) - 1 : ~0u) << (threadIdx.x % WARP & ~(w - 1));

	for (unsigned o = w / 2; o; o >>= 1)
		v = fmaxf(v, __shfl_xor_sync(own, v, o));
	return v;
}

template <class T> DEVICE T team_sum(T v)
{
	__shared__ T s[TEAM / WARP];

	v = warp_sum(v);
	__syncthreads();
	if (threadIdx.x % WARP == 0)
		s[threadIdx.x / WARP] = v;
	__syncthreads();
	v = 0;
	for (int k = 0; k < TEAM / WARP; k++)
		v += s[k];
	return v;
}

/* v[k] summed over the lanes, which all know sum[k], n of them at most */
template <int n> DEVICE void team_sums(const float (&v)[n], double (&sum)[n])
{
	__shared__ float room[n * TEAM];
	__shared__ double all[n];

	__syncthreads();
	for (int k = 0; k < n; k++)
		room[k * TEAM + threadIdx.x] = v[k];
	__syncthreads();
	for (int k = threadIdx.x / WARP; k < n; k += WARPS) {
		double own = 0;

		for (int i = 0; i < WARPS; i++)
			own += (double)room[k * TEAM + i * WARP + threadIdx.x % WARP];
		own = warp_sum(own);
		if (threadIdx.x % WARP == 0)
			all[k] = own;
	}
	__syncthreads();
	for (int k = 0; k < n; k++)
		sum[k] = all[k];
}

#else

#include "kernels/gpu/wall.h"

#define RESTRICT restrict
#define SUM double
#define DEVICE static inline __attribute__((unused))
#define DEVICE_CALL static __attribute__((unused))
/* The nested function knows the arguments' types alone, their values come with the call: it needs no frame. */
#define KERNEL(name, PARAMS, ARGS, teams) SIDE_KERNEL(name, PARAMS, ARGS, teams, 0, 0)
#define SIDE_KERNEL(name, PARAMS, ARGS, teams, room, least) \
	static void name##_k PARAMS; \
	int G(name) PARAMS; \
	int G(name) PARAMS \
	{ \
		const struct wall_size wall_size = {(teams), (size_t)(room)}; \
		struct own { WALL_MEMBERS ARGS struct wall_size size; } wall_values = WALL_VALUES ARGS; \
		void run(const void *wall_given) \
		{ \
			const struct own wall_own = *(const struct own *)wall_given; \
			wall_open(#name, __builtin_frame_address(0)); \
			wall_teams_begin(&wall_own.size); \
			name##_k(WALL_TAKES ARGS); \
			wall_close(); \
		} \
		return wall_size.many > 0 ? wall_launch(#name, run, &wall_values, sizeof wall_values) : 0; \
	} \
	static void name##_k PARAMS
#define ITEM_FOR(i, n) PAR_PRAGMA_(omp parallel for schedule(static)) for (int64_t i = 0; i < (int64_t)(n); i++) WALL_TEAM
#define TEAM_FOR(t, n) PAR_PRAGMA_(omp parallel for schedule(static)) for (int64_t t = 0; t < wall_teams(n); t++) WALL_TEAM
#define WALL_TEAM for (int wall_once = wall_team(); wall_once; wall_once = wall_team_ends())
#define LANE_FOR(i, lo, hi) for (int64_t i = (lo); wall_lane(i - (lo), i < (hi), TEAM); i++)
#define GROUP_FOR(r, n, w) ITEM_FOR(r, n)
#define MEMBER_FOR(i, lo, hi, w) for (int64_t i = (lo); wall_lane(i - (lo), i < (hi), w); i++)
#define FIRST_OF_GROUP(w) 1
#define PARTS(type, name, most) type name[(most) * WARP]
#define PART_FOR(p, i, many, w) for (int p = 0, i = 0; p < (many) * (w); i = ++p)
#define GROUP_KEEPS(type, name) type name[WARP]
#define GROUP_AT(i) (i)
#define EACH(j) for (int j = 0; j < WIDE; j++)
#define UNROLLED
#define UNROLLED_BY(n)
#define WARP_FOR(w) for (int w = 0; wall_warp(w, w < WARPS); w++)
#define WARP_KEEPS(type, name) type name[WARPS]
#define WARP_AT(w) (w)
#define TEAM_ROOM(name) quad *const name = wall_room()
#define warp_sync() wall_warp_sync()
#define TEAM_ARRAY(type, name, n) \
	static const char name##_site; \
	type *const name = wall_array(&name##_site, sizeof(type) * (n))
#define team_sync() wall_sync()
#define FIRST_LANE 1
#define group_sum(v, w) ((void)(w), wall_group(), (v))
#define group_most(v, w) ((void)(w), wall_group(), (v))
#define team_sum(v) (wall_sync(), (v))
#define team_sums(v, sum) (wall_sync(), memcpy(sum, v, sizeof(sum))) /* of doubles there */

#endif

#define K_TEXT DEVICE /* kernels/text.h */

/* Teams for n items */
static inline int64_t items(int64_t n)
{
	return (n + TEAM - 1) / TEAM < MOST_TEAMS ? (n + TEAM - 1) / TEAM : MOST_TEAMS;
}

/* a / b: of 64 bits, which a is seldom above 32 of, a GPU divides in a hundred instructions. */
DEVICE int64_t over(int64_t a, uint32_t b)
{
	return (uint64_t)a >> 32 ? a / b : (int64_t)((uint32_t)a / b);
}

DEVICE int within(int at, int size)
{
	return (uint32_t)at < (uint32_t)size;
}

/* n volumes of size[] are cut into blocks of side[], at edges less: the first voxel of block i, w before h before d, and its n, which is returned */
DEVICE int block_first(int i, const int size[3], const int side[3], int at[3])
{
	for (int a = 2; a >= 0; a--) {
		const int many = (size[a] + side[a] - 1) / side[a];

		at[a] = i % many * side[a], i /= many;
	}
	return i;
}

/* Lanes to a row of c elements, WIDE to a lane: as many as have work */
static inline int group_of(int64_t c)
{
	int w = 1;

	while (w < WARP && w * WIDE < c)
		w *= 2;
	return w;
}

/* Elements of part k of such a row */
DEVICE int part_of(int64_t c, int64_t k)
{
	return c - k * WIDE < WIDE ? (int)(c - k * WIDE) : WIDE;
}

/* Can a value of rows of c elements be read WIDE elements at a time? NULL: absent */
static inline int wide_rows(const void *p, int64_t c)
{
	return c % WIDE == 0 && (uintptr_t)p % 16 == 0;
}

#include "kernels/gpu/element.h"
#include "kernels/gpu/power.h"

#endif
