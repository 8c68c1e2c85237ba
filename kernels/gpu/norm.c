/* y = act(norm(x)) + res or act(norm(x) + res), and back (kernels/backend.h). Sums of every chunk in floats of little, then in doubles of those that
   share their statistics. Scratch: parts, then [n][c] of sums, then of what the sums mean for dx. */
#include "kernels/gpu/act.h"
#include "kernels/gpu/columns.h"
#include "kernels/gpu/kernels.h"

/* The n and the neighbouring channels that share their statistics with channel c of n: from (n0, c0) on */
struct share { int64_t ns, channels; };

DEVICE struct share share_of(const struct k_norm *g)
{
	struct share s;

	s.ns = g->norm == K_NORM_BATCH ? g->n : 1;
	s.channels = g->norm == K_NORM_GROUP ? g->c / g->groups : 1;
	return s;
}

/* part [n,chunk][2][c]: sums of x - base and of its square, base being the channel's first of the chunk: so they may be floats. Bytes an element:
   reads x once. */
COLUMN_KERNEL(norm_sums, (struct columns r, const void *x, int64_t xpitch, double *part), (r, x, xpitch, part), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks) {
		COLUMN_ROOM(room);

		LANE_FOR(l, 0, r.lanes) {
			float base[WIDE], a[WIDE], b[WIDE];
			int64_t at[WIDE];

			column_channels(&r, l, at);
			EACH(j)
				base[j] = get(x, column_first(&r, t) * xpitch + at[j]), a[j] = b[j] = 0;
			for (struct spot s = spot_of(&r, t, l); s.left > 0; spot_next(&r, &s)) {
				float v[WIDE];

				spot_get(&r, &s, x, xpitch, v);
				EACH(j) {
					float d = j < s.n ? v[j] - base[j] : 0;

					a[j] += d;
					b[j] += d * d;
				}
			}
			column_keep(&r, t, l, 0, 2, a, room, part);
			column_keep(&r, t, l, 1, 2, b, room, part);
		}
		column_settle(&r, t, 2, room, part);
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
			int64_t chunk = n0 * r.chunks + i / s.channels, c = c0 + i % s.channels;
			double base = (double)get(a.x, column_first(&r, chunk) * g.xpitch + c), m = (double)column_voxels(&r, chunk);
			double d = part[chunk * 2 * r.c + c];

			sum += d + m * base;
			squares += part[(chunk * 2 + 1) * r.c + c] + base * (2 * d + m * base);
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

/* u = (x - mean) scale + shift, of the channels of a lane's elements; slope: of what is not above 0, where the activation has one */
struct lines { float mean[WIDE], scale[WIDE], shift[WIDE], slope[WIDE]; };

DEVICE void lines_of(const struct k_norm *g, const struct columns *r, int64_t n, int64_t l, const float *mean, const float *rstd, const float *gamma,
	const float *beta, const float *alpha, struct lines *p)
{
	const float own = g->act == K_ACT_NONE ? 1 : g->act == K_ACT_RELU ? 0 : g->slope;
	const int norm = g->norm != K_NORM_NONE;
	int64_t at[WIDE];

	column_channels(r, l, at);
	EACH(j) {
		const int64_t c = at[j];

		p->mean[j] = norm ? mean[n * g->c + c] : 0;
		p->scale[j] = (norm ? rstd[n * g->c + c] : 1) * (norm && gamma ? gamma[c] : 1);
		p->shift[j] = norm && beta ? beta[c] : 0;
		p->slope[j] = g->act == K_ACT_PRELU ? alpha[r->whole || g->alphas == 1 ? 0 : c] : own;
		if (FOLDED)
			p->shift[j] -= p->mean[j] * p->scale[j], p->mean[j] = 0;
	}
}

/* Bytes an element: reads x (and res) once, writes y (and y2) once. */
COLUMN_KERNEL(norm_apply, (struct k_norm g, struct columns r, struct k_norm_fwd a), (g, r, a), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			struct lines p;

			lines_of(&g, &r, column_n(&r, t), l, a.mean, a.rstd, a.gamma, a.beta, a.alpha, &p);
			for (struct spot s = spot_of(&r, t, l); s.left > 0; spot_next(&r, &s)) {
				float u[WIDE], add[WIDE] = {0};

				spot_get(&r, &s, a.x, g.xpitch, u);
				if (a.res)
					spot_get(&r, &s, a.res, g.rpitch, add);
				EACH(j)
					u[j] = (u[j] - p.mean[j]) * p.scale[j] + p.shift[j] + (g.after ? add[j] : 0);
				act_values(g.act, u, p.slope);
				EACH(j)
					u[j] += g.after ? 0 : add[j];
				spot_put(&r, &s, a.y, g.ypitch, u);
				if (a.y2)
					spot_put(&r, &s, a.y2, g.y2pitch, u);
			}
		}
}

/* What the backward pass of a lane's elements begins with: dy whole, and d, the gradient of u */
struct begun { float m[WIDE], dy[WIDE], d[WIDE], u[WIDE]; };

DEVICE void begin(const struct k_norm *g, const struct columns *r, const struct k_norm_bwd *a, const struct lines *p, const struct spot *s,
	struct begun *b)
{
	float more[WIDE];

	spot_get(r, s, a->x, g->xpitch, b->m);
	spot_get(r, s, a->dy, g->ypitch, b->dy);
	EACH(j) {
		b->m[j] -= p->mean[j];
		b->u[j] = b->m[j] * p->scale[j] + p->shift[j];
	}
	if (a->res) {
		spot_get(r, s, a->res, g->rpitch, more);
		EACH(j)
			b->u[j] += more[j];
	}
	if (a->dy2) {
		spot_get(r, s, a->dy2, g->y2pitch, more);
		EACH(j)
			b->dy[j] += more[j];
	}
	EACH(j)
		b->d[j] = b->u[j];
	act_derivatives(g->act, b->d, p->slope);
	EACH(j)
		b->d[j] *= b->dy[j];
}

/* part [n,chunk][3][c]: sums of d, of d (x - mean) (bf16: d x), and of dy min(u, 0): beyond the end dy is 0. Bytes an element: reads x and dy (dy2,
   res) once. */
COLUMN_KERNEL(norm_back_sums, (struct k_norm g, struct columns r, struct k_norm_bwd a, double *part), (g, r, a, part), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks) {
		COLUMN_ROOM(room);

		LANE_FOR(l, 0, r.lanes) {
			float sum[3][WIDE] = {{0}};
			struct lines p;

			lines_of(&g, &r, column_n(&r, t), l, a.mean, a.rstd, a.gamma, a.beta, a.alpha, &p);
			for (struct spot s = spot_of(&r, t, l); s.left > 0; spot_next(&r, &s)) {
				struct begun b;

				begin(&g, &r, &a, &p, &s, &b);
				EACH(j) {
					sum[0][j] += b.d[j];
					sum[1][j] += b.d[j] * b.m[j];
					sum[2][j] += b.u[j] > 0 ? 0 : b.dy[j] * b.u[j];
				}
			}
			for (int k = 0; k < 3; k++)
				column_keep(&r, t, l, k, 3, sum[k], room, part);
		}
		column_settle(&r, t, 3, room, part);
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

/* Gradients of the parameters; dalpha of one slope for all: lane 0's work */
KERNEL(norm_back_params, (struct k_norm g, struct k_norm_bwd a, const double *sum), (g, a, sum), items(g.c))
{
	ITEM_FOR(c, g.c) {
		double s[3] = {0, 0, 0};

		for (int64_t n = 0; n < g.n; n++)
			for (int k = 0; k < 3; k++)
				s[k] += sum[(n * g.c + c) * 3 + k];
		if (a.dbeta)
			a.dbeta[c] += (float)s[0];
		if (a.dgamma)
			a.dgamma[c] += (float)s[1];
		if (a.dalpha && g.alphas != 1)
			a.dalpha[c] += (float)s[2];
		if (a.dalpha && g.alphas == 1 && c == 0) {
			double all = 0;

			for (int64_t i = 0; i < g.n * g.c; i++)
				all += sum[i * 3 + 2];
			a.dalpha[0] += (float)all;
		}
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
COLUMN_KERNEL(norm_back_apply, (struct k_norm g, struct columns r, struct k_norm_bwd a, const float *through, int write_res),
	(g, r, a, through, write_res), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			float constant[WIDE], slant[WIDE];
			int64_t at[WIDE];
			struct lines p;

			lines_of(&g, &r, column_n(&r, t), l, a.mean, a.rstd, a.gamma, a.beta, a.alpha, &p);
			column_channels(&r, l, at);
			EACH(j) {
				const int64_t i = column_n(&r, t) * g.c + at[j];

				constant[j] = through ? through[2 * i] : 0, slant[j] = through ? through[2 * i + 1] : 0;
				constant[j] -= FOLDED && through && a.mean ? a.mean[i] * slant[j] : 0;
			}
			for (struct spot s = spot_of(&r, t, l); s.left > 0; spot_next(&r, &s)) {
				struct begun b;

				begin(&g, &r, &a, &p, &s, &b);
				EACH(j)
					b.m[j] = p.scale[j] * b.d[j] - constant[j] - b.m[j] * slant[j];
				EACH(j)
					b.dy[j] = a.res ? b.d[j] : b.dy[j];
				if (write_res)
					spot_add(&r, &s, a.dres, g.dpitch, a.dres_add, b.dy);
				spot_add(&r, &s, a.dx, g.xpitch, a.dx_add, b.m);
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
	return bad ? bad : norm_apply(g, r, *a);
}

int G(norm_bwd)(const struct k_norm *given, const struct k_norm_bwd *a, void *scratch)
{
	struct k_norm g = dense(given);
	struct columns r = columns_of(g.n, g.vox, g.c);
	double *part = (double *)scratch, *sum = part + columns_parts(&r, 3);
	float *through = (float *)(sum + 3 * g.n * g.c);
	int sums = g.norm != K_NORM_NONE || a->dalpha, bad = 0;

	r.whole = one_slope(&g) && columns_wide(&r, a->x, g.xpitch) && columns_wide(&r, a->dy, g.ypitch) && columns_wide(&r, a->dy2, g.y2pitch) &&
		columns_wide(&r, a->res, g.rpitch) && columns_wide(&r, a->dx, g.xpitch) && columns_wide(&r, a->dres, g.dpitch);
	if (sums) {
		bad = norm_back_sums(g, r, *a, part);
		bad = bad ? bad : G(norm_back_fold)(g, r, *a, part, sum);
		bad = bad ? bad : G(norm_back_params)(g, *a, sum);
		bad = bad ? bad : G(norm_back_settle)(g, *a, sum, through);
	}
	return bad ? bad : norm_back_apply(g, r, *a, sums ? through : NULL, a->dres && (a->res || a->dres != a->dy || a->dy2));
}
