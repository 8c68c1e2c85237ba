/* y = act(norm(x)) + res or act(norm(x) + res), and back (kernels/backend.h). Sums in doubles: of every lane of every chunk, then of those that share
   their statistics. Scratch: parts, then [n][c] of sums, then of what the sums mean for dx. */
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

/* part [n,chunk][2][lanes]: sums of x and of x^2 */
KERNEL(norm_sums, (struct columns r, const void *x, int64_t xpitch, double *part), (r, x, xpitch, part), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			int64_t v, end = column_span(&r, t, l, &v), c = l % r.c;
			double a = 0, b = 0;

			for (; v < end; v += r.per) {
				double d = (double)get(x, v * xpitch + c);

				a += d;
				b += d * d;
			}
			part[t * 2 * r.lanes + l] = a;
			part[(t * 2 + 1) * r.lanes + l] = b;
		}
}

/* Mean and rstd of a share; a team each. */
KERNEL(norm_settle, (struct k_norm g, struct columns r, struct k_norm_fwd a, const double *part), (g, r, a, part),
	g.n * g.c / (g.norm == K_NORM_BATCH ? g.n : g.norm == K_NORM_GROUP ? g.c / g.groups : 1))
{
	struct share s = share_of(&g);

	TEAM_FOR(t, g.n * g.c / (s.ns * s.channels)) {
		int64_t groups = g.c / s.channels, n0 = t / groups, c0 = t % groups * s.channels, each = s.channels * r.per;
		double sum = 0, squares = 0, count = (double)(s.ns * s.channels * g.vox), mean, var, rstd;

		LANE_FOR(i, 0, s.ns * r.chunks * each) {
			int64_t k = i % each, row = n0 * r.chunks + i / each, l = k / s.channels * r.c + c0 + k % s.channels;

			sum += part[row * 2 * r.lanes + l];
			squares += part[(row * 2 + 1) * r.lanes + l];
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

/* u = (x - mean) scale + shift */
struct line { float mean, scale, shift, slope; };

DEVICE struct line line_of(const struct k_norm *g, int64_t n, int64_t c, const float *mean, const float *rstd, const float *gamma, const float *beta,
	const float *alpha)
{
	int norm = g->norm != K_NORM_NONE;
	struct line p;

	p.mean = norm ? mean[n * g->c + c] : 0;
	p.scale = (norm ? rstd[n * g->c + c] : 1) * (norm && gamma ? gamma[c] : 1);
	p.shift = norm && beta ? beta[c] : 0;
	p.slope = g->act == K_ACT_PRELU ? alpha[g->alphas == 1 ? 0 : c] : g->slope;
	return p;
}

KERNEL(norm_apply, (struct k_norm g, struct columns r, struct k_norm_fwd a), (g, r, a), r.n * r.chunks)
{
	const void *x = a.x, *res = a.res;
	void *y = a.y, *y2 = a.y2;

	TEAM_FOR(t, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			int64_t v, end = column_span(&r, t, l, &v), c = l % r.c;
			struct line p = line_of(&g, t / r.chunks, c, a.mean, a.rstd, a.gamma, a.beta, a.alpha);

			for (; v < end; v += r.per) {
				float u = (get(x, v * g.xpitch + c) - p.mean) * p.scale + p.shift, add = res ? get(res, v * g.rpitch + c) : 0;

				u = g.after ? act_value(g.act, u + add, p.slope) : act_value(g.act, u, p.slope) + add;
				put(y, v * g.ypitch + c, u);
				if (y2)
					put(y2, v * g.y2pitch + c, u);
			}
		}
}

/* What one element of the backward pass begins with: dy whole, and d, the gradient of u */
struct begun { float m, dy, d, u; };

DEVICE struct begun begin(const struct k_norm *g, const struct k_norm_bwd *a, struct line p, int64_t v, int64_t c)
{
	const void *x = a->x, *dy = a->dy, *dy2 = a->dy2, *res = a->res;
	struct begun b;

	b.m = get(x, v * g->xpitch + c) - p.mean;
	b.u = b.m * p.scale + p.shift + (res ? get(res, v * g->rpitch + c) : 0);
	b.dy = get(dy, v * g->ypitch + c) + (dy2 ? get(dy2, v * g->y2pitch + c) : 0);
	b.d = b.dy * act_derivative(g->act, b.u, p.slope);
	return b;
}

/* part [n,chunk][3][lanes]: sums of d, of d (x - mean), and of dy min(u, 0) */
KERNEL(norm_back_sums, (struct k_norm g, struct columns r, struct k_norm_bwd a, double *part), (g, r, a, part), r.n * r.chunks)
{
	TEAM_FOR(t, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			int64_t v, end = column_span(&r, t, l, &v), c = l % r.c;
			struct line p = line_of(&g, t / r.chunks, c, a.mean, a.rstd, a.gamma, a.beta, a.alpha);
			double s[3] = {0, 0, 0};

			for (; v < end; v += r.per) {
				struct begun b = begin(&g, &a, p, v, c);

				s[0] += (double)b.d;
				s[1] += (double)b.d * (double)b.m;
				s[2] += b.u > 0 ? 0 : (double)b.dy * (double)b.u;
			}
			for (int i = 0; i < 3; i++)
				part[(t * 3 + i) * r.lanes + l] = s[i];
		}
}

/* sum [n,c][3]: over the chunks, the second times rstd; a team each. */
KERNEL(norm_back_fold, (struct k_norm g, struct columns r, const float *rstd, const double *part, double *sum), (g, r, rstd, part, sum), g.n * g.c)
{
	TEAM_FOR(t, g.n * g.c) {
		int64_t n = t / g.c, c = t % g.c;

		for (int k = 0; k < 3; k++) {
			double s = 0;

			LANE_FOR(i, 0, r.chunks * r.per)
				s += part[((n * r.chunks + i / r.per) * 3 + k) * r.lanes + i % r.per * r.c + c];
			s = team_sum(s);
			if (FIRST_LANE)
				sum[t * 3 + k] = k == 1 && g.norm != K_NORM_NONE ? s * (double)rstd[t] : s;
		}
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

/* through NULL: nothing goes through. dres is dy itself where `same`: then only dy2 is added to it. */
KERNEL(norm_back_apply, (struct k_norm g, struct columns r, struct k_norm_bwd a, const float *through, int write_res),
	(g, r, a, through, write_res), r.n * r.chunks)
{
	void *dx = a.dx, *dres = a.dres;

	TEAM_FOR(t, r.n * r.chunks)
		LANE_FOR(l, 0, r.lanes) {
			int64_t v, end = column_span(&r, t, l, &v), c = l % r.c, i = t / r.chunks * g.c + c;
			struct line p = line_of(&g, t / r.chunks, c, a.mean, a.rstd, a.gamma, a.beta, a.alpha);
			float constant = through ? through[2 * i] : 0, slant = through ? through[2 * i + 1] : 0;

			for (; v < end; v += r.per) {
				struct begun b = begin(&g, &a, p, v, c);
				float d = p.scale * b.d - constant - b.m * slant, own = a.res ? b.d : b.dy;

				if (a.dx_add)
					d += get(dx, v * g.xpitch + c);
				if (write_res)
					put(dres, v * g.dpitch + c, a.dres_add ? own + get(dres, v * g.dpitch + c) : own);
				put(dx, v * g.xpitch + c, d);
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

	if (g.norm == K_NORM_RUNNING)
		bad = G(norm_running)(g, *a);
	else if (g.norm != K_NORM_NONE && !g.given && !(bad = G(norm_sums)(r, a->x, g.xpitch, part)))
		bad = G(norm_settle)(g, r, *a, part);
	if (!bad && g.norm == K_NORM_INSTANCE && a->running_mean && !g.given)
		bad = G(norm_follow)(g, *a);
	return bad ? bad : G(norm_apply)(g, r, *a);
}

int G(norm_bwd)(const struct k_norm *given, const struct k_norm_bwd *a, void *scratch)
{
	struct k_norm g = dense(given);
	struct columns r = columns_of(g.n, g.vox, g.c);
	double *part = (double *)scratch, *sum = part + columns_parts(&r, 3);
	float *through = (float *)(sum + 3 * g.n * g.c);
	int sums = g.norm != K_NORM_NONE || a->dalpha, bad = 0;

	if (sums) {
		bad = G(norm_back_sums)(g, r, *a, part);
		bad = bad ? bad : G(norm_back_fold)(g, r, a->rstd, part, sum);
		bad = bad ? bad : G(norm_back_params)(g, *a, sum);
		bad = bad ? bad : G(norm_back_settle)(g, *a, sum, through);
	}
	return bad ? bad : G(norm_back_apply)(g, r, *a, sums ? through : NULL, a->dres && (a->res || a->dres != a->dy || a->dy2));
}
