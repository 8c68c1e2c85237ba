/* y = act(norm(x)) + res or act(norm(x) + res): one pass for the statistics, one for the rest. See norm.h. */
#include "kernels/norm.h"

size_t K(norm_scratch)(const struct k_norm *g)
{
	struct rows r;

	rows_of(g, &r);
	return sizeof(float) * (size_t)(up(g->n * (r.chunks + 1) * PARTS * r.lanes * 2) + g->n * PARAMS * up(r.lanes) + 2 * (2 * g->c + 1));
}

/* Sums of x - mean and its square over some rows */
INLINE void moments_columns(int64_t i, const int nv, const elem *x, int64_t step, int64_t rows, const float *mean, float *s1, float *s2)
{
	const int n = nv > 0 ? nv : 1;
	vec a[4], b[4], m[4];

	UNROLL for (int j = 0; j < n; j++)
		a[j] = b[j] = (vec){0}, m[j] = load_some(mean + i + j * VL, nv);
	for (x += i; rows > 0; rows--, x += step)
		UNROLL for (int j = 0; j < n; j++) {
			vec d = load_some(x + j * VL, nv) - m[j];

			a[j] += d;
			b[j] += d * d;
		}
	UNROLL for (int j = 0; j < n; j++)
		store_some(s1 + i + j * VL, a[j], nv), store_some(s2 + i + j * VL, b[j], nv);
}

/* sum x, sum x^2 a lane */
static void moments(const elem *x, int64_t step, int64_t rows, int64_t lanes, double *restrict sum, float *restrict tmp)
{
	float *restrict s1 = tmp, *restrict s2 = tmp + lanes, *restrict mean = tmp + 2 * lanes;
	double *restrict sq = sum + lanes;

	for (int64_t i = 0; i < lanes; i++)
		mean[i] = widen(x[i]);
	for (int64_t v = 0; v < rows; v += RUN) {
		int64_t n = rows - v < RUN ? rows - v : RUN;

		COLUMNS(moments_columns, lanes, x + v * step, step, n, mean, s1, s2)
		for (int64_t i = 0; i < lanes; i++) {
			double m = mean[i];

			sum[i] += s1[i] + m * (double)n;
			sq[i] += s2[i] + m * (2 * (double)s1[i] + m * (double)n);
			mean[i] += s1[i] / (float)n;
		}
	}
}

static float follow(float running, double momentum, double now)
{
	return (float)((1 - momentum) * (double)running + momentum * now);
}

/* sum x and sum x^2 of those that share statistics with (n0, c0), the first; of how many */
struct moments { double sum, squares, count; };

static struct moments moments_of(const struct k_norm *g, const struct rows *r, void *scratch, int64_t n0, int64_t c0)
{
	struct share share = share_of(g);
	struct moments m = {0, 0, (double)(share.ns * share.channels * g->vox)};

	for (int64_t n = n0; n < n0 + share.ns; n++)
		for (int64_t c = c0; c < c0 + share.channels; c++) {
			double sum[SUMS];

			fold(r, scratch, n, c, sum);
			m.sum += sum[0], m.squares += sum[1];
		}
	return m;
}

/* Their mean and variance */
static void settle(const struct k_norm *g, const struct k_norm_fwd *a, struct moments m, int64_t n0, int64_t c0)
{
	struct share share = share_of(g);
	double count = m.count, mean = m.sum / count, var = m.squares;

	var = var / count - mean * mean;
	var = var > 0 ? var : 0;
	for (int64_t n = n0; n < n0 + share.ns; n++)
		for (int64_t c = c0; c < c0 + share.channels; c++) {
			a->mean[n * g->c + c] = (float)mean;
			a->rstd[n * g->c + c] = (float)(1 / sqrt(var + (double)g->eps));
		}
	if (g->norm != K_NORM_BATCH || !a->running_mean)
		return;
	a->running_mean[c0] = follow(a->running_mean[c0], (double)g->momentum, mean);
	a->running_var[c0] = follow(a->running_var[c0], (double)g->momentum, count > 1 ? var * count / (count - 1) : var);
}

/* The running statistics of instances: what those of all n are on average */
static void follow_instances(const struct k_norm *g, const struct rows *r, const struct k_norm_fwd *a, void *scratch)
{
	for (int64_t c = 0; c < g->c; c++) {
		double mean = 0, var = 0;

		for (int64_t n = 0; n < g->n; n++) {
			struct moments m = moments_of(g, r, scratch, n, c);
			double own = m.sum / m.count, squares = m.squares - m.sum * own;

			mean += own / (double)g->n;
			var += (squares > 0 ? squares : 0) / (m.count > 1 ? m.count - 1 : 1) / (double)g->n;
		}
		a->running_mean[c] = follow(a->running_mean[c], (double)g->momentum, mean);
		a->running_var[c] = follow(a->running_var[c], (double)g->momentum, var);
	}
}

/* Of all processes together */
static int settle_shared(const struct k_norm *g, const struct rows *r, const struct k_norm_fwd *a, void *scratch, struct err *e)
{
	double *shared = shared_at(r, scratch, g->n);

	for (int64_t c = 0; c < g->c; c++) {
		struct moments m = moments_of(g, r, scratch, 0, c);

		shared[c] = m.sum, shared[g->c + c] = m.squares, shared[2 * g->c] = m.count;
	}
	if (g->ranks->add(g->ranks->arg, shared, 2 * g->c + 1, e))
		return -1;
	for (int64_t c = 0; c < g->c; c++)
		settle(g, a, (struct moments){shared[c], shared[g->c + c], shared[2 * g->c]}, 0, c);
	return 0;
}

static int statistics(const struct k_norm *g, const struct rows *r, const struct k_norm_fwd *a, void *scratch, struct err *e)
{
	struct share share = share_of(g);

#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r->chunks; k++) {
			struct span s = span_of(r, k);
			double *sum = sums_at(r, scratch, n, k);

			memset(sum, 0, sizeof *sum * (size_t)(PARTS * r->lanes));
			if (s.rows)
				moments((const elem *)a->x + n * g->vox * r->xp + s.first * r->x, r->x, s.rows, s.lanes, sum, (float *)(sum + SUMS * r->lanes));
		}
	if (g->ranks)
		return settle_shared(g, r, a, scratch, e);
	for (int64_t n = 0; n < g->n; n += share.ns)
		for (int64_t c = 0; c < g->c; c += share.channels)
			settle(g, a, moments_of(g, r, scratch, n, c), n, c);
	if (g->norm == K_NORM_INSTANCE && a->running_mean)
		follow_instances(g, r, a, scratch);
	return 0;
}

/* Given statistics */
static void running(const struct k_norm *g, const struct k_norm_fwd *a)
{
	for (int64_t i = 0; i < g->n * g->c; i++) {
		a->mean[i] = a->running_mean[i % g->c];
		a->rstd[i] = (float)(1 / sqrt((double)a->running_var[i % g->c] + (double)g->eps));
	}
}

struct applied { const elem *x, *res; elem *y, *y2; int after; };

INLINE void apply_columns(int64_t i, const int nv, const int bends, const struct rows *r, int64_t rows, const float *p, struct applied a)
{
	const int64_t lanes = up(r->lanes);
	const int n = nv > 0 ? nv : 1;
	vec mean[4], scale[4], shift[4], slope[4];

	UNROLL for (int j = 0; j < n; j++) {
		const float *q = p + i + j * VL;

		mean[j] = load_some(q + MEAN * lanes, nv), scale[j] = load_some(q + SCALE * lanes, nv);
		shift[j] = load_some(q + SHIFT * lanes, nv), slope[j] = load_some(q + SLOPE * lanes, nv);
	}
	for (int64_t v = 0; v < rows; v++)
		UNROLL for (int j = 0; j < n; j++) {
			vec u = (load_some(a.x + v * r->x + i + j * VL, nv) - mean[j]) * scale[j] + shift[j];

			if (a.after)
				u += load_some(a.res + v * r->r + i + j * VL, nv);
			u = bends ? act_value(r->act, u, slope[j]) : positive(u, u, slope[j] * u);
			if (a.res && !a.after)
				u += load_some(a.res + v * r->r + i + j * VL, nv);
			store_some(a.y + v * r->y + i + j * VL, u, nv);
			if (a.y2)
				store_some(a.y2 + v * r->y2 + i + j * VL, u, nv);
		}
}

static void apply(const struct rows *r, struct span s, const float *p, struct applied a)
{
	const int64_t run = run_of(r);

	for (int64_t v = 0; v < s.rows; v += run) {
		int64_t n = s.rows - v < run ? s.rows - v : run;

		if (r->bends)
			COLUMNS(apply_columns, s.lanes, 1, r, n, p, a)
		else
			COLUMNS(apply_columns, s.lanes, 0, r, n, p, a)
		a.x += n * r->x, a.y += n * r->y;
		if (a.res)
			a.res += n * r->r;
		if (a.y2)
			a.y2 += n * r->y2;
	}
}

static struct applied applied_at(const struct rows *r, const struct k_norm *g, const struct k_norm_fwd *a, int64_t vox, int64_t row)
{
	struct applied at = {.x = (const elem *)a->x + vox * r->xp + row * r->x, .y = (elem *)a->y + vox * r->yp + row * r->y, .after = g->after && a->res};

	if (a->res)
		at.res = (const elem *)a->res + vox * r->rp + row * r->r;
	if (a->y2)
		at.y2 = (elem *)a->y2 + vox * r->y2p + row * r->y2;
	return at;
}

int K(norm_forward)(const struct k_norm *g, const struct k_norm_fwd *a, void *scratch, struct err *e)
{
	struct rows r;

	rows_of(g, &r);
	if (!g->given && has_statistics(g) && statistics(g, &r, a, scratch, e))
		return -1;
	if (!g->given && g->norm == K_NORM_RUNNING)
		running(g, a);
	parameters(g, &r, &(struct given){a->mean, a->rstd, a->gamma, a->beta, a->alpha}, scratch);
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r.chunks; k++) {
			struct span s = span_of(&r, k);

			apply(&r, s, params_at(&r, scratch, g->n, n), applied_at(&r, g, a, n * g->vox, s.first));
		}
	return 0;
}
