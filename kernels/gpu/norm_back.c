/* The gradients of y = act(norm(x)) + res or act(norm(x) + res) (kernels/backend.h), summed as norm.c does. Scratch: parts, then [n][c] of sums,
   then of what the sums mean for dx. */
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/norm.h"

/* What the backward pass reads of a spot; and what it begins with: dy whole, and d, the gradient of u */
struct taken { struct piece x, dy, res, dy2; };
struct begun { float m[WIDE], dy[WIDE], d[WIDE], u[WIDE]; };

DEVICE struct taken norm_take(const struct k_norm *g, const struct columns *r, const struct k_norm_bwd *a, const struct spot *s, int k)
{
	struct taken e;

	e.x = spot_take(r, s, k, a->x, g->xpitch), e.dy = spot_take(r, s, k, a->dy, g->ypitch);
	e.res = a->res ? spot_take(r, s, k, a->res, g->rpitch) : piece_none();
	e.dy2 = a->dy2 ? spot_take(r, s, k, a->dy2, g->y2pitch) : piece_none();
	return e;
}

DEVICE struct taken norm_ahead(const struct k_norm *g, const struct columns *r, const struct k_norm_bwd *a, const struct spot *s, int k)
{
	struct taken e;

	e.x = spot_ahead(r, s, k, a->x, g->xpitch), e.dy = spot_ahead(r, s, k, a->dy, g->ypitch);
	e.res = a->res ? spot_ahead(r, s, k, a->res, g->rpitch) : piece_none();
	e.dy2 = a->dy2 ? spot_ahead(r, s, k, a->dy2, g->y2pitch) : piece_none();
	return e;
}

DEVICE void begin(const struct k_norm *g, const struct k_norm_bwd *a, enum act_shape shape, const struct lines *p, const struct taken *e,
	struct begun *b)
{
	float more[WIDE];

	piece_open(e->x, b->m);
	piece_open(e->dy, b->dy);
	EACH(j) {
		b->m[j] -= p->mean[j];
		b->u[j] = b->m[j] * p->scale[j] + p->shift[j];
	}
	if (a->res) {
		piece_open(e->res, more);
		EACH(j)
			b->u[j] += more[j];
	}
	if (a->dy2) {
		piece_open(e->dy2, more);
		EACH(j)
			b->dy[j] += more[j];
	}
	EACH(j)
		b->d[j] = b->u[j];
	act_derivatives(shape, g->act, b->d, p->slope);
	EACH(j)
		b->d[j] *= b->dy[j];
}

DEVICE void back_add(const struct k_norm *g, const struct k_norm_bwd *a, enum act_shape shape, const struct lines *p, const struct taken *e,
	int slopes, float sum[NORM_SUMS][WIDE])
{
	struct begun b;

	begin(g, a, shape, p, e, &b);
	EACH(j) {
		sum[0][j] += b.d[j];
		sum[1][j] += b.d[j] * b.m[j];
		sum[2][j] += b.u[j] > 0 || !slopes ? 0 : b.dy[j] * b.u[j];
	}
}

/* part [n][3][c][chunk]: sums of d, of d (x - mean) (bf16: d x), and, where there are slopes, of dy min(u, 0): beyond the end dy is 0. Bytes an
   element: reads x and dy (dy2, res) once. Of as many teams side by side that a lane has registers for all the reads of AMONG: with fewer ptxas puts
   the second's behind the first's arithmetic. */
#define SUMS_PARAMS (struct k_norm g, struct columns r, struct k_norm_bwd a, double *part, int slopes, enum act_shape shape)
#define SUMS_ARGS (g, r, a, part, slopes, shape)
NORM_KERNEL(norm_back_sums, 3, !a.res && !a.dy2 && !slopes, (a.res = NULL, a.dy2 = NULL, slopes = 0), SUMS_PARAMS, SUMS_ARGS, r.n * r.chunks)
{
	const int own = slopes ? NORM_SUMS : NORM_SUMS - 1;

	TEAM_FOR(t, r.n * r.chunks) {
		COLUMN_ROOM(room);

		LANE_FOR(l, 0, r.lanes) {
			const struct given given = {a.mean, a.rstd, a.gamma, a.beta, a.alpha};
			struct spot s = spot_of(&r, t, l);
			float sum[NORM_SUMS][WIDE] = {{0}};
			struct lines p;

			lines_of(&g, &r, column_n(&r, t), l, &given, &p);
			SPOTS_FULL(s, &r, AMONG) {
				struct taken e[AMONG];

				UNROLLED for (int k = 0; k < AMONG; k++)
					e[k] = norm_ahead(&g, &r, &a, &s, k);
				UNROLLED for (int k = 0; k < AMONG; k++)
					back_add(&g, &a, shape, &p, &e[k], slopes, sum);
			}
			SPOTS_REST(s, &r) {
				const struct taken e = norm_take(&g, &r, &a, &s, 0);

				back_add(&g, &a, shape, &p, &e, slopes, sum);
			}
			for (int k = 0; k < own; k++)
				column_keep(&r, t, l, k, NORM_SUMS, sum[k], room, part);
		}
		column_settle(&r, t, own, NORM_SUMS, room, part);
	}
}

COLUMN_CASE(norm_back_sums, slopes, (r.whole = 1, shape = ACT_LINES, a.res = NULL, a.dy2 = NULL, slopes = 1), 2, SUMS_PARAMS, SUMS_ARGS,
	r.n * r.chunks)

/* Gradients of the parameters of channel c, of its sums over all n: of d, of d (x - mean) rstd, of dy min(u, 0) */
DEVICE void params_add(const struct k_norm *g, const struct k_norm_bwd *a, int64_t c, const double s[3])
{
	if (a->dbeta)
		a->dbeta[c] += (float)s[0];
	if (a->dgamma)
		a->dgamma[c] += (float)s[1];
	if (a->dalpha && g->alphas != 1)
		a->dalpha[c] += (float)s[2];
}

/* through [n,c][2]: dx = scale d - through[0] - (x - mean) through[1]: what of the gradient goes through mean and rstd. d, dx: the first two sums,
   times gamma, over those that share their statistics with i */
DEVICE void through_put(const struct k_norm *g, const struct share *s, const struct k_norm_bwd *a, int64_t i, double d, double dx, float *through)
{
	const double count = (double)(s->ns * s->channels * g->vox), rstd = norm_statistics(g) ? (double)a->rstd[i] : 0;

	through[2 * i] = (float)(rstd * d / count);
	through[2 * i + 1] = (float)(rstd * rstd * dx / count);
}

/* sum [n,c][3]: over the chunks, the second times rstd; a team each. What follows from them at once follows here: starting another kernel takes
   longer. alone: they share their statistics with no others. */
SIDE_KERNEL(norm_back_fold, (struct k_norm g, struct columns r, struct k_norm_bwd a, const double *part, double *sum, float *through, int alone),
	(g, r, a, part, sum, through, alone), g.n * g.c, 0, 1)
{
	const struct share own = {1, 1};

	TEAM_FOR(t, g.n * g.c) {
		const int64_t n = t / g.c, c = t % g.c;
		double s[3];

		s[2] = 0;
		column_total(&r, part, n, c, a.dalpha ? NORM_SUMS : NORM_SUMS - 1, NORM_SUMS, s);
		if (g.norm != K_NORM_NONE)
			s[1] = (s[1] - (FOLDED ? (double)a.mean[t] * s[0] : 0)) * (double)a.rstd[t];
		if (FIRST_LANE) {
			const double gamma = a.gamma ? (double)a.gamma[c] : 1;

			for (int k = 0; k < 3; k++)
				sum[t * 3 + k] = s[k];
			if (alone)
				through_put(&g, &own, &a, t, gamma * s[0], gamma * s[1], through);
			if (g.n == 1)
				params_add(&g, &a, c, s);
		}
	}
}

/* Gradients of the parameters, of several n, and dalpha of one slope for all: a team's work */
SIDE_KERNEL(norm_back_params, (struct k_norm g, struct k_norm_bwd a, const double *sum), (g, a, sum), 1, 0, 1)
{
	TEAM_FOR(t, 1) {
		double all = 0;

		LANE_FOR(c, t, g.c) {
			double s[3] = {0, 0, 0};

			for (int64_t n = 0; n < g.n; n++)
				for (int k = 0; k < 3; k++)
					s[k] += sum[(n * g.c + c) * 3 + k];
			all += s[2];
			if (g.n > 1)
				params_add(&g, &a, c, s);
		}
		all = team_sum(all);
		if (a.dalpha && g.alphas == 1 && FIRST_LANE)
			a.dalpha[0] += (float)all;
	}
}

/* through, of those that share their statistics with others */
KERNEL(norm_back_settle, (struct k_norm g, struct k_norm_bwd a, const double *sum, float *through), (g, a, sum, through), items(g.n * g.c))
{
	const struct share s = share_of(&g);

	ITEM_FOR(i, g.n * g.c) {
		const int64_t n0 = s.ns > 1 ? 0 : i / g.c, c0 = i % g.c / s.channels * s.channels;
		double d = 0, dx = 0;

		for (int64_t n = n0; n < n0 + s.ns; n++)
			for (int64_t c = c0; c < c0 + s.channels; c++) {
				const double gamma = a.gamma ? (double)a.gamma[c] : 1;

				d += gamma * sum[(n * g.c + c) * 3];
				dx += gamma * sum[(n * g.c + c) * 3 + 1];
			}
		through_put(&g, &s, &a, i, d, dx, through);
	}
}

/* through NULL: nothing goes through. dres is dy itself where `same`: then only dy2 is added to it. Bytes an element: reads x and dy (dy2, res) once,
   writes dx (and dres; with the sums' pass 5 accesses in all). */
NORM_KERNEL(norm_back_apply, 4, !a.res && !a.dy2 && !write_res && !a.dx_add, (a.res = NULL, a.dy2 = NULL, write_res = 0, a.dx_add = 0),
	(struct k_norm g, struct columns r, struct k_norm_bwd a, const float *through, int write_res, enum act_shape shape),
	(g, r, a, through, write_res, shape), r.n * r.chunks)
{
	TEAM_FOR(i, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			const int64_t t = again(&r, i);
			const struct given given = {a.mean, a.rstd, a.gamma, a.beta, a.alpha};
			float constant[WIDE], slant[WIDE];
			int at[WIDE];
			struct lines p;

			lines_of(&g, &r, column_n(&r, t), l, &given, &p);
			column_channels(&r, l, at);
			EACH(j) {
				const int64_t c = column_n(&r, t) * g.c + at[j];

				constant[j] = through ? through[2 * c] : 0, slant[j] = through ? through[2 * c + 1] : 0;
				constant[j] -= FOLDED && through && a.mean ? a.mean[c] * slant[j] : 0;
			}
			SPOTS_FOR(s, &r, t, l, AMONG) {
				struct taken e[AMONG];

				SPOTS_EACH(k, &r, AMONG)
					e[k] = norm_take(&g, &r, &a, &s, k);
				SPOTS_THERE(k, &r, &s, AMONG) {
					const struct spot own = spot_at(&r, &s, k);
					struct begun b;

					begin(&g, &a, shape, &p, &e[k], &b);
					EACH(j)
						b.m[j] = p.scale[j] * b.d[j] - constant[j] - b.m[j] * slant[j];
					EACH(j)
						b.dy[j] = a.res ? b.d[j] : b.dy[j];
					if (write_res)
						spot_add(&r, &own, a.dres, g.dpitch, a.dres_add, b.dy);
					spot_add(&r, &own, a.dx, g.xpitch, a.dx_add, b.m);
				}
			}
		}
}

int G(norm_bwd)(const struct k_norm *given, const struct k_norm_bwd *a, void *scratch)
{
	struct k_norm g = dense(given);
	struct columns r = columns_of(g.n, g.vox, g.c);
	double *part = (double *)scratch, *sum = part + columns_parts(&r, 3);
	float *through = (float *)(sum + 3 * g.n * g.c);
	const int alone = g.norm == K_NORM_BATCH ? g.n == 1 : g.norm == K_NORM_GROUP ? g.groups == g.c : 1;
	const int sums = g.norm != K_NORM_NONE || a->dalpha, params = g.n > 1 && (a->dbeta || a->dgamma || a->dalpha);
	int bad = 0;
	const enum act_shape shape = act_shape_of(g.act);

	r.whole = one_slope(&g) && columns_wide(&r, a->x, g.xpitch) && columns_wide(&r, a->dy, g.ypitch) && columns_wide(&r, a->dy2, g.y2pitch) &&
		columns_wide(&r, a->res, g.rpitch) && columns_wide(&r, a->dx, g.xpitch) && columns_wide(&r, a->dres, g.dpitch);
	if (sums) {
		if (r.whole && shape == ACT_LINES && a->dalpha && !a->res && !a->dy2)
			bad = G(norm_back_sums_slopes)(g, r, *a, part, 1, shape);
		else
			bad = norm_back_sums(g, r, *a, part, a->dalpha != NULL, shape);
		bad = bad ? bad : G(norm_back_fold)(g, r, *a, part, sum, through, alone);
		if (!bad && (params || (a->dalpha && g.alphas == 1)))
			bad = G(norm_back_params)(g, *a, sum);
		if (!bad && !alone)
			bad = G(norm_back_settle)(g, *a, sum, through);
	}
	return bad ? bad : norm_back_apply(g, r, *a, sums ? through : NULL, a->dres && (a->res || a->dres != a->dy || a->dy2), shape);
}
