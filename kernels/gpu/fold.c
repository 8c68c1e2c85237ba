/* Gradients of weights that teams have parts of: dw [a][b][taps] += the sum of part [parts][a][taps][b]. A team has WARP weights, each of its warps
   every WARPSth part of them. */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"

enum { AHEAD = 8 }; /* parts that a lane reads before it adds */

SIDE_KERNEL(fold, (int64_t parts, int64_t a, int64_t taps, int64_t b, const float *RESTRICT part, float *RESTRICT dw), (parts, a, taps, b, part, dw),
	(a * taps * b + WARP - 1) / WARP, 0, 1)
{
	const int64_t all = a * taps * b;

	TEAM_FOR(t, (all + WARP - 1) / WARP) {
		TEAM_ARRAY(float, sums, TEAM);

		LANE_FOR(l, 0, TEAM) {
			const int64_t i = t * WARP + l % WARP;
			float sum = 0;

			UNROLLED_BY(1) for (int64_t p = l / WARP; p < (i < all ? parts : 0); p += AHEAD * WARPS) {
				float v[AHEAD];

				UNROLLED for (int k = 0; k < AHEAD; k++)
					v[k] = part[(p + k * WARPS < parts ? p + k * WARPS : p) * all + i];
				UNROLLED for (int k = 0; k < AHEAD; k++)
					sum += p + k * WARPS < parts ? v[k] : 0;
			}
			sums[l] = sum;
		}
		team_sync();
		LANE_FOR(i, t * WARP, (t + 1) * WARP < all ? (t + 1) * WARP : all) {
			const int64_t c = i % b, own = i / b / taps, tap = i / b - own * taps;
			float sum = 0;

			UNROLLED for (int w = 0; w < WARPS; w++)
				sum += sums[w * WARP + i - t * WARP];
			dw[(own * b + c) * taps + tap] += sum;
		}
	}
}
