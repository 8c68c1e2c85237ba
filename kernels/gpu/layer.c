/* Layer normalisation: a warp to a voxel, its lanes to the channels (kernels/backend.h). */
#include "kernels/gpu/columns.h"
#include "kernels/gpu/kernels.h"

KERNEL(layer, (struct k_layer g, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd),
	(g, x, gamma, beta, y, mean, rstd), rows(g.vox))
{
	ROW_FOR(v, g.vox) {
		float m = 0, s = 0;

		LINE_FOR(i, 0, g.c)
			m += get(x, v * g.c + i);
		m = warp_sum(m) / (float)g.c;
		LINE_FOR(i, 0, g.c) {
			float d = get(x, v * g.c + i) - m;

			s += d * d;
		}
		s = 1 / sqrtf(warp_sum(s) / (float)g.c + g.eps);
		LINE_FOR(i, 0, g.c)
			put(y, v * g.c + i, (get(x, v * g.c + i) - m) * s * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0));
		if (mean && FIRST_OF_WARP)
			mean[v] = m;
		if (rstd && FIRST_OF_WARP)
			rstd[v] = s;
	}
}

/* With u = (x - mean) rstd, t = gamma dy: dx = rstd (t - mean(t) - u mean(t u)) */
KERNEL(layer_back, (struct k_layer g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx, int add),
	(g, dy, x, gamma, mean, rstd, dx, add), rows(g.vox))
{
	ROW_FOR(v, g.vox) {
		float m = mean[v], s = rstd[v], t = 0, tu = 0;

		LINE_FOR(i, 0, g.c) {
			float w = get(dy, v * g.c + i) * (gamma ? gamma[i] : 1);

			t += w;
			tu += w * (get(x, v * g.c + i) - m) * s;
		}
		t = warp_sum(t) / (float)g.c, tu = warp_sum(tu) / (float)g.c;
		LINE_FOR(i, 0, g.c) {
			float w = get(dy, v * g.c + i) * (gamma ? gamma[i] : 1), u = (get(x, v * g.c + i) - m) * s, d = (w - t - u * tu) * s;
			int64_t to = v * g.c + i;

			put(dx, to, add ? get(dx, to) + d : d);
		}
	}
}

/* part [chunk][2][lanes]: sums of dy u and of dy, or with x NULL of dy alone */
KERNEL(column_sums, (struct columns r, const void *dy, int64_t pitch, const void *x, const float *mean, const float *rstd, double *part),
	(r, dy, pitch, x, mean, rstd, part), r.chunks)
{
	TEAM_FOR(t, r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			int64_t v, end = column_span(&r, t, l, &v), c = l % r.c;
			double a = 0, b = 0;

			for (; v < end; v += r.per) {
				float d = get(dy, v * pitch + c);

				a += x ? (double)(d * (get(x, v * r.c + c) - mean[v]) * rstd[v]) : 0;
				b += (double)d;
			}
			part[t * 2 * r.lanes + l] = a;
			part[(t * 2 + 1) * r.lanes + l] = b;
		}
}

/* The parts' sums added to first and second (NULL: not wanted); a team each channel. */
KERNEL(column_fold, (struct columns r, const double *part, float *first, float *second), (r, part, first, second), r.c)
{
	TEAM_FOR(c, r.c) {
		double a = 0, b = 0;

		LANE_FOR(i, 0, r.chunks * r.per) {
			int64_t at = i / r.per * 2 * r.lanes + i % r.per * r.c + c;

			a += part[at];
			b += part[at + r.lanes];
		}
		a = team_sum(a), b = team_sum(b);
		if (first && FIRST_LANE)
			first[c] += (float)a;
		if (second && FIRST_LANE)
			second[c] += (float)b;
	}
}

size_t G(column_bytes)(int64_t vox, int64_t c)
{
	struct columns r = columns_of(1, vox, c);

	return sizeof(double) * (size_t)columns_parts(&r, 2);
}

/* out[c] += the sum of x[v][c] over v */
int G(column_sum)(const void *x, int64_t pitch, int64_t vox, int64_t c, float *out, void *scratch)
{
	struct columns r = columns_of(1, vox, c);
	int bad = G(column_sums)(r, x, pitch, NULL, NULL, NULL, (double *)scratch);

	return bad ? bad : G(column_fold)(r, (double *)scratch, NULL, out);
}

int G(layer_bwd)(const struct k_layer *g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx, int add,
	float *dgamma, float *dbeta, void *scratch)
{
	struct columns r = columns_of(1, g->vox, g->c);
	int bad = G(column_sums)(r, dy, g->c, x, mean, rstd, (double *)scratch); /* before dx, which may be dy */

	bad = bad ? bad : G(column_fold)(r, (double *)scratch, dgamma, dbeta);
	return bad ? bad : G(layer_back)(*g, dy, x, gamma, mean, rstd, dx, add);
}
