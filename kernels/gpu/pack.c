/* Weights between PyTorch's layout [a][b][taps] of fp32 and cuDNN's [a][taps][b], of fewer than 2^32; biases. */
#include "kernels/gpu/columns.h"
#include "kernels/gpu/kernels.h"

KERNEL(pack, (const float *w, void *to, int64_t a, int64_t b, int64_t taps), (w, to, a, b, taps), items(a * b * taps))
{
	const uint32_t rest = (uint32_t)b, step = (uint32_t)taps;

	ITEM_FOR(i, a * b * taps) {
		const uint32_t k = (uint32_t)i / rest, own = (uint32_t)i - k * rest, tap = k % step;

		put(to, i, w[((int64_t)(k / step) * b + own) * taps + tap]);
	}
}

/* dw += */
KERNEL(unpack, (const float *from, float *dw, int64_t a, int64_t b, int64_t taps), (from, dw, a, b, taps), items(a * b * taps))
{
	const uint32_t rest = (uint32_t)b, step = (uint32_t)taps;

	ITEM_FOR(i, a * b * taps) {
		const uint32_t k = (uint32_t)i / step, tap = (uint32_t)i - k * step, own = k % rest;

		dw[i] += from[((int64_t)(k / rest) * taps + tap) * b + own];
	}
}

COLUMN_KERNEL(add_bias_spots, (struct columns r, void *y, int64_t pitch, const float *bias), (r, y, pitch, bias), r.chunks)
{
	TEAM_FOR(t, r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			int at[WIDE];
			float own[WIDE];

			column_channels(&r, l, at);
			EACH(j)
				own[j] = bias[at[j]];
			SPOTS_FOR(s, &r, t, l, 1) {
				float v[WIDE];

				spot_get(&r, &s, y, pitch, v);
				EACH(j)
					v[j] += own[j];
				spot_put(&r, &s, y, pitch, v);
			}
		}
}

int G(add_bias)(void *y, int64_t pitch, const float *bias, int64_t vox, int64_t c)
{
	return add_bias_spots(columns_map(vox, c, NULL, c, y, pitch), y, pitch, bias);
}
