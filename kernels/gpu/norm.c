/* y = act(norm(x)) + res or act(norm(x) + res), and back (kernels/backend.h). Sums of every chunk in floats of little, then in doubles of those that
   share their statistics. Scratch: parts, then [n][c] of sums, then of what the sums mean for dx. */
#include "kernels/gpu/act.h"
#include "kernels/gpu/columns.h"
#include "kernels/gpu/kernels.h"

/* Of every channel of every chunk; and how many pieces of values are read at once, where one value is read and where several are */
enum { NORM_SUMS = 3, ALONE = 4, AMONG = 2 };

/* The n and the neighbouring channels that share their statistics with channel c of n: from (n0, c0) on */
struct share { int64_t ns, channels; };

DEVICE struct share share_of(const struct k_norm *g)
{
	struct share s;

	s.ns = g->norm == K_NORM_BATCH ? g->n : 1;
	s.channels = g->norm == K_NORM_GROUP ? g->c / g->groups : 1;
	return s;
}

/* part [n,chunk][3][c]: sums of x - base and of its square, base being the channel's first of the chunk, so that they may be floats; and base. Bytes
   an element: reads x once. */
COLUMN_KERNEL(norm_sums, (struct columns r, const void *x, int64_t xpitch, double *part), (r, x, xpitch, part), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks) {
		COLUMN_ROOM(room);

		LANE_FOR(l, 0, r.lanes) {
			float base[WIDE], a[WIDE], b[WIDE];
			int at[WIDE];

			column_channels(&r, l, at);
			EACH(j)
				base[j] = get(x, column_first(&r, t) * xpitch + at[j]), a[j] = b[j] = 0;
			SPOTS_FOR(s, &r, t, l, ALONE) {
				struct piece e[ALONE];

				SPOTS_EACH(k, &r, ALONE)
					e[k] = spot_take(&r, &s, k, x, xpitch);
				SPOTS_THERE(k, &r, &s, ALONE) {
					float v[WIDE];

					piece_open(e[k], v);
					EACH(j) {
						float d = r.whole || j < s.n ? v[j] - base[j] : 0;

						a[j] += d;
						b[j] += d * d;
					}
				}
			}
			column_keep(&r, t, l, 0, NORM_SUMS, a, room, part);
			column_keep(&r, t, l, 1, NORM_SUMS, b, room, part);
			EACH(j)
				if (l * WIDE + j < r.c)
					part[(t * NORM_SUMS + 2) * r.c + l * WIDE + j] = (double)base[j];
		}
		column_settle(&r, t, 2, NORM_SUMS, room, part);
	}
}

/* Mean and rstd of a share; a team each. */
KERNEL(norm_settle, (struct k_norm g, struct columns r, struct k_norm_fwd a, const double *part), (g, r, a, part),
	g.n * g.c / (g.norm == K_NORM_BATCH ? g.n : g.norm == K_NORM_GROUP ? g.c / g.groups : 1))
{
	struct share s = share_of(&g);

	TEAM_FOR(t, g.n * g.c / (s.ns * s.channels)) {
		int64_t groups = g.c / s.channels, n0 = t / groups, c0 = t % groups * s.channels;
		double sum = 0, squares = 0, count = (double)(s.ns * s.channels * g.vox), mean, var, rstd;

		LANE_FOR(i, 0, s.ns * r.chunks * s.channels) {
			int64_t of = over(i, (uint32_t)s.channels), chunk = n0 * r.chunks + of, c = c0 + i - of * s.channels;
			const double *p = part + chunk * NORM_SUMS * r.c + c;
			double d = p[0], base = p[2 * r.c], m = (double)column_voxels(&r, chunk);

			sum += d + m * base;
			squares += p[r.c] + base * (2 * d + m * base);
		}
		sum = team_sum(sum), squares = team_sum(squares);
		mean = sum / count;
		var = squares / count - mean * mean;
		var = var > 0 ? var : 0;
		rstd = 1 / sqrt(var + (double)g.eps);
		LANE_FOR(i, 0, s.ns * s.channels) {
			a.mean[(n0 + i / s.channels) * g.c + c0 + i % s.channels] = (float)mean;
			a.rstd[(n0 + i / s.channels) * g.c + c0 + i % s.channels] = (float)rstd;
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

/* bf16 has no bits that x - mean would save: there it is x scale + shift, and lanes keep what they need of the mean in shift alone. */
#ifdef K_HALF
enum { FOLDED = 1 };
#else
enum { FOLDED = 0 };
#endif

/* Of every channel; mean and rstd of every n; gamma, beta: may be NULL */
struct given { const float *mean, *rstd, *gamma, *beta, *alpha; };

/* u = (x - mean) scale + shift, of the channels of a lane's elements; slope: of what is not above 0, where the activation has one */
struct lines { float mean[WIDE], scale[WIDE], shift[WIDE], slope[WIDE]; };

DEVICE void floats_at(const float *p, const int at[WIDE], float absent, float v[WIDE])
{
	EACH(j)
		v[j] = absent;
	if (p)
		EACH(j)
			v[j] = p[at[j]];
}

DEVICE void lines_of(const struct k_norm *g, const struct columns *r, int64_t n, int64_t l, const struct given *a, struct lines *p)
{
	const int norm = g->norm != K_NORM_NONE;
	float gamma[WIDE];
	int at[WIDE];

	column_channels(r, l, at);
	floats_at(norm ? a->mean + n * g->c : NULL, at, 0, p->mean);
	floats_at(norm ? a->rstd + n * g->c : NULL, at, 1, p->scale);
	floats_at(norm ? a->gamma : NULL, at, 1, gamma);
	floats_at(norm ? a->beta : NULL, at, 0, p->shift);
	EACH(j)
		p->slope[j] = g->act == K_ACT_NONE ? 1 : g->act == K_ACT_RELU ? 0 : g->slope;
	if (g->act == K_ACT_PRELU)
		EACH(j)
			p->slope[j] = a->alpha[r->whole || g->alphas == 1 ? 0 : at[j]];
	EACH(j) {
		p->scale[j] *= gamma[j];
		if (FOLDED)
			p->shift[j] -= p->mean[j] * p->scale[j], p->mean[j] = 0;
	}
}

/* A kernel of (.., struct columns r, .., enum act_shape shape): of neighbours that lie side by side for each shape, which is a constant to it; those
   of lines and of GELU also without what most norms have not: where `bare`, which BARE makes so */
#define NORM_KERNEL(name, bare, BARE, PARAMS, ARGS, teams) \
	DEVICE void name##_text PARAMS; \
	COLUMN_CASE(name, lines, (r.whole = 1, shape = ACT_LINES), 2, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, gelu, (r.whole = 1, shape = ACT_GELU), 2, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, bare_lines, (r.whole = 1, shape = ACT_LINES, BARE), 3, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, bare_gelu, (r.whole = 1, shape = ACT_GELU, BARE), 3, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, curve, (r.whole = 1, shape = ACT_CURVE), 1, PARAMS, ARGS, teams) \
	COLUMN_CASE(name, apart, r.whole = 0, 1, PARAMS, ARGS, teams) \
	static int name PARAMS \
	{ \
		if (!r.whole) \
			return G(name##_apart) ARGS; \
		if (shape == ACT_LINES) \
			return (bare) ? G(name##_bare_lines) ARGS : G(name##_lines) ARGS; \
		if (shape == ACT_GELU) \
			return (bare) ? G(name##_bare_gelu) ARGS : G(name##_gelu) ARGS; \
		return G(name##_curve) ARGS; \
	} \
	DEVICE void name##_text PARAMS

/* Chunk t of a pass after the sums' one: from the last on, which the cache still has */
DEVICE int64_t again(const struct columns *r, int64_t t)
{
	return r->n * r->chunks - 1 - t;
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
NORM_KERNEL(norm_apply, !a.res && !a.y2, (a.res = NULL, a.y2 = NULL), (struct k_norm g, struct columns r, struct k_norm_fwd a, enum act_shape shape),
	(g, r, a, shape), r.n * r.chunks)
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
					x[k] = spot_take(&r, &s, k, a.x, g.xpitch);
					add[k] = a.res ? spot_take(&r, &s, k, a.res, g.rpitch) : piece_none();
				}
				SPOTS_THERE(k, &r, &s, ALONE) {
					const struct spot at = spot_at(&r, &s, k);

					norm_put(&g, &r, &a, shape, &p, &at, x[k], add[k]);
				}
			}
		}
}

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

/* part [n,chunk][3][c]: sums of d, of d (x - mean) (bf16: d x), and of dy min(u, 0): beyond the end dy is 0. Bytes an element: reads x and dy (dy2,
   res) once. */
NORM_KERNEL(norm_back_sums, !a.res && !a.dy2, (a.res = NULL, a.dy2 = NULL),
	(struct k_norm g, struct columns r, struct k_norm_bwd a, double *part, enum act_shape shape), (g, r, a, part, shape), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks) {
		COLUMN_ROOM(room);

		LANE_FOR(l, 0, r.lanes) {
			const struct given given = {a.mean, a.rstd, a.gamma, a.beta, a.alpha};
			float sum[NORM_SUMS][WIDE] = {{0}};
			struct lines p;

			lines_of(&g, &r, column_n(&r, t), l, &given, &p);
			SPOTS_FOR(s, &r, t, l, AMONG) {
				struct taken e[AMONG];

				SPOTS_EACH(k, &r, AMONG)
					e[k] = norm_take(&g, &r, &a, &s, k);
				SPOTS_THERE(k, &r, &s, AMONG) {
					struct begun b;

					begin(&g, &a, shape, &p, &e[k], &b);
					EACH(j) {
						sum[0][j] += b.d[j];
						sum[1][j] += b.d[j] * b.m[j];
						sum[2][j] += b.u[j] > 0 ? 0 : b.dy[j] * b.u[j];
					}
				}
			}
			for (int k = 0; k < NORM_SUMS; k++)
				column_keep(&r, t, l, k, NORM_SUMS, sum[k], room, part);
		}
		column_settle(&r, t, NORM_SUMS, NORM_SUMS, room, part);
	}
}

/* sum [n,c][3]: over the chunks, the second times rstd; a team each. */
KERNEL(norm_back_fold, (struct k_norm g, struct columns r, struct k_norm_bwd a, const double *part, double *sum), (g, r, a, part, sum), g.n * g.c)
{
	TEAM_FOR(t, g.n * g.c) {
		int64_t n = t / g.c, c = t % g.c;
		double s[3] = {0, 0, 0};

		LANE_FOR(i, 0, r.chunks)
			for (int k = 0; k < 3; k++)
				s[k] += part[((n * r.chunks + i) * 3 + k) * r.c + c];
		for (int k = 0; k < 3; k++)
			s[k] = team_sum(s[k]);
		if (g.norm != K_NORM_NONE)
			s[1] = (s[1] - (FOLDED ? (double)a.mean[t] * s[0] : 0)) * (double)a.rstd[t];
		for (int k = 0; k < 3; k++)
			if (FIRST_LANE)
				sum[t * 3 + k] = s[k];
	}
}

/* Gradients of the parameters; a team's work, for dalpha of one slope for all */
KERNEL(norm_back_params, (struct k_norm g, struct k_norm_bwd a, const double *sum), (g, a, sum), 1)
{
	TEAM_FOR(t, 1) {
		double all = 0;

		LANE_FOR(c, t, g.c) {
			double s[3] = {0, 0, 0};

			for (int64_t n = 0; n < g.n; n++)
				for (int k = 0; k < 3; k++)
					s[k] += sum[(n * g.c + c) * 3 + k];
			all += s[2];
			if (a.dbeta)
				a.dbeta[c] += (float)s[0];
			if (a.dgamma)
				a.dgamma[c] += (float)s[1];
			if (a.dalpha && g.alphas != 1)
				a.dalpha[c] += (float)s[2];
		}
		all = team_sum(all);
		if (a.dalpha && g.alphas == 1 && FIRST_LANE)
			a.dalpha[0] += (float)all;
	}
}

/* through [n,c][2]: dx = scale d - through[0] - (x - mean) through[1]: what of the gradient goes through mean and rstd */
KERNEL(norm_back_settle, (struct k_norm g, struct k_norm_bwd a, const double *sum, float *through), (g, a, sum, through), items(g.n * g.c))
{
	struct share s = share_of(&g);
	int statistics = g.norm != K_NORM_NONE && g.norm != K_NORM_RUNNING;

	ITEM_FOR(i, g.n * g.c) {
		int64_t n0 = s.ns > 1 ? 0 : i / g.c, c0 = i % g.c / s.channels * s.channels;
		double d = 0, dx = 0, count = (double)(s.ns * s.channels * g.vox), rstd = statistics ? (double)a.rstd[i] : 0;

		for (int64_t n = n0; statistics && n < n0 + s.ns; n++)
			for (int64_t c = c0; c < c0 + s.channels; c++) {
				double gamma = a.gamma ? (double)a.gamma[c] : 1;

				d += gamma * sum[(n * g.c + c) * 3];
				dx += gamma * sum[(n * g.c + c) * 3 + 1];
			}
		through[2 * i] = (float)(rstd * d / count);
		through[2 * i + 1] = (float)(rstd * rstd * dx / count);
	}
}

/* through NULL: nothing goes through. dres is dy itself where `same`: then only dy2 is added to it. Bytes an element: reads x and dy (dy2, res) once,
   writes dx (and dres; with the sums' pass 5 accesses in all). */
NORM_KERNEL(norm_back_apply, !a.res && !a.dy2 && !write_res && !a.dx_add, (a.res = NULL, a.dy2 = NULL, write_res = 0, a.dx_add = 0),
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

static struct k_norm dense(const struct k_norm *g)
{
	struct k_norm d = *g;

	d.xpitch = g->xpitch ? g->xpitch : g->c, d.ypitch = g->ypitch ? g->ypitch : g->c, d.rpitch = g->rpitch ? g->rpitch : g->c;
	d.dpitch = g->dpitch ? g->dpitch : g->c, d.y2pitch = g->y2pitch ? g->y2pitch : g->c;
	return d;
}

static int one_slope(const struct k_norm *g)
{
	return g->act != K_ACT_PRELU || g->alphas == 1;
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

int G(norm_bwd)(const struct k_norm *given, const struct k_norm_bwd *a, void *scratch)
{
	struct k_norm g = dense(given);
	struct columns r = columns_of(g.n, g.vox, g.c);
	double *part = (double *)scratch, *sum = part + columns_parts(&r, 3);
	float *through = (float *)(sum + 3 * g.n * g.c);
	int sums = g.norm != K_NORM_NONE || a->dalpha, bad = 0;
	const enum act_shape shape = act_shape_of(g.act);

	r.whole = one_slope(&g) && columns_wide(&r, a->x, g.xpitch) && columns_wide(&r, a->dy, g.ypitch) && columns_wide(&r, a->dy2, g.y2pitch) &&
		columns_wide(&r, a->res, g.rpitch) && columns_wide(&r, a->dx, g.xpitch) && columns_wide(&r, a->dres, g.dpitch);
	if (sums) {
		bad = norm_back_sums(g, r, *a, part, shape);
		bad = bad ? bad : G(norm_back_fold)(g, r, *a, part, sum);
		bad = bad ? bad : G(norm_back_params)(g, *a, sum);
		bad = bad ? bad : G(norm_back_settle)(g, *a, sum, through);
	}
	return bad ? bad : norm_back_apply(g, r, *a, sums ? through : NULL, a->dres && (a->res || a->dres != a->dy || a->dy2), shape);
}
