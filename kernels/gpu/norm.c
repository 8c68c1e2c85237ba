/* y = act(norm(x)) + res or act(norm(x) + res) (kernels/backend.h). Sums of every chunk in floats of little, then in doubles of those that share
   their statistics. Scratch: parts. */
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/norm.h"

DEVICE void sums_add(struct piece e, int n, const float base[WIDE], float a[WIDE], float b[WIDE])
{
	float v[WIDE];

	piece_open(e, v);
	EACH(j) {
		float d = j < n ? v[j] - base[j] : 0;

		a[j] += d;
		b[j] += d * d;
	}
}

/* part [n][3][c][chunk]: sums of x - base and of its square, base being the channel's first of the chunk, so that they may be floats; and base. Bytes
   an element: reads x once. */
COLUMN_KERNEL(norm_sums, (struct columns r, const void *x, int64_t xpitch, double *part), (r, x, xpitch, part), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks) {
		COLUMN_ROOM(room);

		LANE_FOR(l, 0, r.lanes) {
			struct spot s = spot_of(&r, t, l);
			float base[WIDE], a[WIDE], b[WIDE];
			int at[WIDE];

			column_channels(&r, l, at);
			if (r.whole && (uint32_t)r.c % WIDE == 0)
				get_wide(x, column_first(&r, t) * xpitch + at[0], base);
			else
				EACH(j)
					base[j] = get(x, column_first(&r, t) * xpitch + at[j]);
			EACH(j)
				a[j] = b[j] = 0;
			SPOTS_FULL(s, &r, ALONE) {
				struct piece e[ALONE];

				UNROLLED for (int k = 0; k < ALONE; k++)
					e[k] = spot_ahead(&r, &s, k, x, xpitch);
				UNROLLED for (int k = 0; k < ALONE; k++)
					sums_add(e[k], WIDE, base, a, b);
			}
			SPOTS_REST(s, &r)
				sums_add(spot_take(&r, &s, 0, x, xpitch), r.whole ? WIDE : s.n, base, a, b);
			column_keep(&r, t, l, 0, NORM_SUMS, a, room, part);
			column_keep(&r, t, l, 1, NORM_SUMS, b, room, part);
			if (l * WIDE < r.c)
				EACH(j)
					if (l * WIDE + j < r.c)
						part[column_part(&r, t, 2, NORM_SUMS, l * WIDE + j)] = (double)base[j];
		}
		column_settle(&r, t, 2, NORM_SUMS, room, part);
	}
}

/* Mean and rstd of a share; a team each. */
SIDE_KERNEL(norm_settle, (struct k_norm g, struct columns r, struct k_norm_fwd a, const double *part), (g, r, a, part),
	g.n * g.c / (g.norm == K_NORM_BATCH ? g.n : g.norm == K_NORM_GROUP ? g.c / g.groups : 1), 0, 1)
{
	struct share s = share_of(&g);

	TEAM_FOR(t, g.n * g.c / (s.ns * s.channels)) {
		int64_t groups = g.c / s.channels, n0 = t / groups, c0 = t % groups * s.channels;
		const int64_t each = r.chunk * r.per; /* voxels of a chunk but the last */
		const int parts = (int)(s.ns * r.chunks * s.channels);
		double sum = 0, squares = 0, count = (double)(s.ns * s.channels * g.vox), mean, var, rstd;

		LANE_FOR(l, 0, TEAM)
			for (int first = (int)l; first < parts; first += COLUMN_AHEAD * TEAM) {
				double v[COLUMN_AHEAD][NORM_SUMS], m[COLUMN_AHEAD];

				UNROLLED for (int i = 0; i < COLUMN_AHEAD; i++) {
					const int there = first + i * TEAM < parts;
					const uint32_t at = (uint32_t)(there ? first + i * TEAM : first), shared = at / (uint32_t)r.chunks;
					const uint32_t n = shared / (uint32_t)s.channels, c = shared - n * (uint32_t)s.channels;
					const int64_t chunk = at - shared * (uint32_t)r.chunks, left = r.vox - chunk * each;

					UNROLLED for (int k = 0; k < NORM_SUMS; k++)
						v[i][k] = part[(((n0 + n) * NORM_SUMS + k) * r.c + c0 + c) * r.chunks + chunk];
					m[i] = there ? (int)(left < each ? left : each) : 0;
				}
				UNROLLED for (int i = 0; i < COLUMN_AHEAD; i++) {
					const double d = m[i] > 0 ? v[i][0] : 0, more = m[i] > 0 ? v[i][1] : 0, base = v[i][2];

					sum += d + m[i] * base;
					squares += more + base * (2 * d + m[i] * base);
				}
			}
		sum = team_sum(sum), squares = team_sum(squares);
		mean = sum / count;
		var = squares / count - mean * mean;
		var = var > 0 ? var : 0;
		rstd = 1 / sqrt(var + (double)g.eps);
		LANE_FOR(i, 0, s.ns * s.channels) {
			const int64_t of = (uint32_t)i / (uint32_t)s.channels, at = (n0 + of) * g.c + c0 + i - of * s.channels;

			a.mean[at] = (float)mean;
			a.rstd[at] = (float)rstd;
		}
		if (g.norm == K_NORM_BATCH && a.running_mean && FIRST_LANE) {
			double m = (double)g.momentum;

			a.running_mean[c0] = (float)((1 - m) * (double)a.running_mean[c0] + m * mean);
			a.running_var[c0] = (float)((1 - m) * (double)a.running_var[c0] + m * (count > 1 ? var * count / (count - 1) : var));
		}
	}
}

/* The running statistics of instances: what those of all n are on average */
KERNEL(norm_follow, (struct k_norm g, struct k_norm_fwd a), (g, a), items(g.c))
{
	ITEM_FOR(c, g.c) {
		double mean = 0, var = 0, m = (double)g.momentum, more = g.vox > 1 ? (double)g.vox / (double)(g.vox - 1) : 1;

		for (int64_t i = c; i < g.n * g.c; i += g.c) {
			double rstd = (double)a.rstd[i], own = 1 / (rstd * rstd) - (double)g.eps;

			mean += (double)a.mean[i] / (double)g.n;
			var += (own > 0 ? own : 0) * more / (double)g.n;
		}
		a.running_mean[c] = (float)((1 - m) * (double)a.running_mean[c] + m * mean);
		a.running_var[c] = (float)((1 - m) * (double)a.running_var[c] + m * var);
	}
}

KERNEL(norm_running, (struct k_norm g, struct k_norm_fwd a), (g, a), items(g.n * g.c))
{
	ITEM_FOR(i, g.n * g.c) {
		a.mean[i] = a.running_mean[i % g.c];
		a.rstd[i] = (float)(1 / sqrt((double)a.running_var[i % g.c] + (double)g.eps));
	}
}

/* y of spot s, of x and add */
DEVICE void norm_put(const struct k_norm *g, const struct columns *r, const struct k_norm_fwd *a, enum act_shape shape, const struct lines *p,
	const struct spot *s, struct piece x, struct piece add)
{
	float u[WIDE], more[WIDE];

	piece_open(x, u);
	EACH(j)
		u[j] = (u[j] - p->mean[j]) * p->scale[j] + p->shift[j];
	piece_open(add, more);
	if (g->after)
		EACH(j)
			u[j] += more[j];
	act_values(shape, g->act, u, p->slope);
	if (a->res && !g->after)
		EACH(j)
			u[j] += more[j];
	spot_put(r, s, a->y, g->ypitch, u);
	if (a->y2)
		spot_put(r, s, a->y2, g->y2pitch, u);
}

/* Bytes an element: reads x (and res) once, writes y (and y2) once. */
NORM_KERNEL(norm_apply, 4, !a.res && !a.y2, (a.res = NULL, a.y2 = NULL),
	(struct k_norm g, struct columns r, struct k_norm_fwd a, enum act_shape shape), (g, r, a, shape), r.n * r.chunks)
{
	TEAM_FOR(i, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			const int64_t t = again(&r, i);
			const struct given given = {a.mean, a.rstd, a.gamma, a.beta, a.alpha};
			struct lines p;

			lines_of(&g, &r, column_n(&r, t), l, &given, &p);
			SPOTS_FOR(s, &r, t, l, ALONE) {
				struct piece x[ALONE], add[ALONE];

				SPOTS_EACH(k, &r, ALONE) {
					x[k] = spot_take_last(&r, &s, k, a.x, g.xpitch);
					add[k] = a.res ? spot_take(&r, &s, k, a.res, g.rpitch) : piece_none();
				}
				SPOTS_THERE(k, &r, &s, ALONE) {
					const struct spot at = spot_at(&r, &s, k);

					norm_put(&g, &r, &a, shape, &p, &at, x[k], add[k]);
				}
			}
		}
}

size_t G(norm_bytes)(const struct k_norm *g)
{
	struct columns r = columns_of(g->n, g->vox, g->c);

	return sizeof(double) * (size_t)(columns_parts(&r, 3) + 4 * g->n * g->c);
}

int G(norm_fwd)(const struct k_norm *given, const struct k_norm_fwd *a, void *scratch)
{
	struct k_norm g = dense(given);
	struct columns r = columns_of(g.n, g.vox, g.c);
	double *part = (double *)scratch;
	int bad = 0;

	r.whole = one_slope(&g) && columns_wide(&r, a->x, g.xpitch) && columns_wide(&r, a->res, g.rpitch) && columns_wide(&r, a->y, g.ypitch) &&
		columns_wide(&r, a->y2, g.y2pitch);
	if (g.norm == K_NORM_RUNNING)
		bad = G(norm_running)(g, *a);
	else if (g.norm != K_NORM_NONE && !g.given && !(bad = norm_sums(r, a->x, g.xpitch, part)))
		bad = G(norm_settle)(g, r, *a, part);
	if (!bad && g.norm == K_NORM_INSTANCE && a->running_mean && !g.given)
		bad = G(norm_follow)(g, *a);
	return bad ? bad : norm_apply(g, r, *a, act_shape_of(g.act));
}
