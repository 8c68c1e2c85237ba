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
     ROW_FOR(r, n)          every warp its rows, n rows in all: of rows(n) teams
     LINE_FOR(i, lo, hi)    the lanes of a warp share [lo, hi)
   team_sum, warp_sum: over the lanes, known to all of them; every lane must come by. Activations are void: elements of them, floats
   or with K_HALF bfloat16s, are read and written by get and put. */
#ifndef NIIPIPE_PAR_H
#define NIIPIPE_PAR_H

#include <math.h>
#include <stdint.h>

enum { TEAM = 256, WARP = 32, MOST_TEAMS = 1 << 20 };

#if defined(K_PLAIN)
#define G(name) gpu_##name
#elif defined(K_HALF)
#define G(name) gpu_##name##_bf16
#else
#define G(name) gpu_##name##_f32
#endif

#ifdef __CUDACC__

#define RESTRICT __restrict__
#define DEVICE static __device__ __forceinline__
#define KERNEL(name, PARAMS, ARGS, teams) \
	static __global__ void __launch_bounds__(TEAM) name##_k PARAMS; \
	extern "C" int G(name) PARAMS \
	{ \
		if ((teams) > 0) \
			name##_k<<<(unsigned)(teams), TEAM, 0, (cudaStream_t)gpu_stream>>> ARGS; \
		return (int)cudaGetLastError(); \
	} \
	static __global__ void __launch_bounds__(TEAM) name##_k PARAMS
#define TEAM_FOR(t, n) for (int64_t t = blockIdx.x, once_ = 1; once_; once_ = 0)
#define LANE_FOR(i, lo, hi) for (int64_t i = (lo) + threadIdx.x; i < (hi); i += TEAM)
#define ITEM_FOR(i, n) for (int64_t i = blockIdx.x * (int64_t)TEAM + threadIdx.x; i < (n); i += gridDim.x * (int64_t)TEAM)
#define ROW_FOR(r, n) for (int64_t r = (blockIdx.x * (int64_t)TEAM + threadIdx.x) / WARP; r < (n); r += gridDim.x * (int64_t)(TEAM / WARP))
#define LINE_FOR(i, lo, hi) for (int64_t i = (lo) + threadIdx.x % WARP; i < (hi); i += WARP)
#define FIRST_LANE (threadIdx.x == 0)
#define FIRST_OF_WARP (threadIdx.x % WARP == 0)

extern "C" void *gpu_stream;

template <class T> DEVICE T warp_sum(T v)
{
	for (int o = WARP / 2; o; o >>= 1)
		v += __shfl_xor_sync(~0u, v, o);
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

#else

#include "kernels/gpu/wall.h"

#define RESTRICT restrict
#define DEVICE static inline __attribute__((unused))
/* The nested function knows the arguments' types alone, their values come with the call: it needs no frame. */
#define KERNEL(name, PARAMS, ARGS, teams) \
	static void name##_k PARAMS; \
	int G(name) PARAMS; \
	int G(name) PARAMS \
	{ \
		struct own { WALL_MEMBERS ARGS } wall_values = WALL_VALUES ARGS; \
		void run(const void *wall_given) \
		{ \
			const struct own wall_own = *(const struct own *)wall_given; \
			wall_open(#name); \
			name##_k(WALL_TAKES ARGS); \
			wall_close(); \
		} \
		return wall_launch(#name, run, &wall_values, sizeof wall_values); \
	} \
	static void name##_k PARAMS
#define PAR_PRAGMA_(x) _Pragma(#x)
#define TEAM_FOR(t, n) PAR_PRAGMA_(omp parallel for schedule(static)) for (int64_t t = 0; t < (int64_t)(n); t++)
#define LANE_FOR(i, lo, hi) for (int64_t i = (lo); i < (hi); i++)
#define ITEM_FOR(i, n) TEAM_FOR(i, n)
#define ROW_FOR(r, n) TEAM_FOR(r, n)
#define LINE_FOR(i, lo, hi) LANE_FOR(i, lo, hi)
#define FIRST_LANE 1
#define FIRST_OF_WARP 1
#define warp_sum(v) (v)
#define team_sum(v) (v)

#endif

#define K_TEXT DEVICE /* kernels/text.h */

/* Teams for n items, or for n rows: of a warp each */
#ifdef __CUDACC__
static inline int64_t items(int64_t n)
{
	return (n + TEAM - 1) / TEAM < MOST_TEAMS ? (n + TEAM - 1) / TEAM : MOST_TEAMS;
}

static inline int64_t rows(int64_t n)
{
	return items(n < INT64_MAX / WARP ? n * WARP : n);
}
#endif

#ifdef K_HALF
DEVICE float get(const void *p, int64_t i)
{
	union { uint32_t u; float f; } b;

	b.u = (uint32_t)((const uint16_t *)p)[i] << 16;
	return b.f;
}

/* To the nearest, ties to even; what is not a number stays so. */
DEVICE void put(void *p, int64_t i, float v)
{
	union { uint32_t u; float f; } b;

	b.f = v;
	((uint16_t *)p)[i] = (uint16_t)(v != v ? b.u >> 16 | 64 : (b.u + 0x7fff + (b.u >> 16 & 1)) >> 16);
}
#else
DEVICE float get(const void *p, int64_t i)
{
	return ((const float *)p)[i];
}

DEVICE void put(void *p, int64_t i, float v)
{
	((float *)p)[i] = v;
}
#endif

#endif
