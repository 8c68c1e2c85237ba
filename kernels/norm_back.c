/* Backward of norm + activation + residual: one pass for the sums, one for the gradients. See norm.h. */
#include "kernels/norm.h"

struct behind { const elem *x, *dy, *dy2, *res; elem *dx, *dres; int dx_add, dres_add; }; /* res: where it is added before the activation */

/* The gradient of u from that of act(u) */
INLINE vec act_back(const struct rows *r, const int bends, vec u, vec g, vec slope)
{
	return bends ? g * act_derivative(r->act, u, slope) : positive(u, g, g * slope);
}

/* With d = gradient of u: sum d, sum d xhat, and sum of dy min(u, 0) for the slope, over some rows */
INLINE void gradient_columns(int64_t i, const int nv, const int bends, const struct rows *r, int64_t rows, const float *p, struct behind b, float *s1,
	float *s2, float *s3)
{
	const int64_t lanes = up(r->lanes);
	const int n = nv > 0 ? nv : 1;
	vec a1[4], a2[4], a3[4];

	UNROLL for (int j = 0; j < n; j++)
		a1[j] = a2[j] = a3[j] = (vec){0};
	for (int64_t v = 0; v < rows; v++)
		UNROLL for (int j = 0; j < n; j++) {
			const float *q = p + i + j * VL;
			vec m = load_some(b.x + v * r->x + i + j * VL, nv) - load_some(q + MEAN * lanes, nv);
			vec u = m * load_some(q + SCALE * lanes, nv) + load_some(q + SHIFT * lanes, nv);
			vec g = load_some(b.dy + v * r->y + i + j * VL, nv), d;

			if (b.dy2)
				g += load_some(b.dy2 + v * r->y2 + i + j * VL, nv);
			if (b.res)
				u += load_some(b.res + v * r->r + i + j * VL, nv);
			d = act_back(r, bends, u, g, load_some(q + SLOPE * lanes, nv));
			a1[j] += d;
			a2[j] += d * m;
			a3[j] += positive(u, (vec){0}, g * u);
		}
	UNROLL for (int j = 0; j < n; j++)
		store_some(s1 + i + j * VL, a1[j], nv), store_some(s2 + i + j * VL, a2[j], nv), store_some(s3 + i + j * VL, a3[j], nv);
}

static void gradients(const struct rows *r, struct span s, const float *p, struct behind b, double *restrict sum, float *restrict tmp)
{
	const float *rstd = p + RSTD * up(r->lanes);
	float *restrict s1 = tmp, *restrict s2 = tmp + s.lanes, *restrict s3 = tmp + 2 * s.lanes;

	for (int64_t v = 0; v < s.rows; v += RUN) {
		int64_t n = s.rows - v < RUN ? s.rows - v : RUN;

		if (r->bends)
			COLUMNS(gradient_columns, s.lanes, 1, r, n, p, b, s1, s2, s3)
		else
			COLUMNS(gradient_columns, s.lanes, 0, r, n, p, b, s1, s2, s3)
		b.x += n * r->x, b.dy += n * r->y;
		if (b.dy2)
			b.dy2 += n * r->y2;
		if (b.res)
			b.res += n * r->r;
		for (int64_t i = 0; i < s.lanes; i++)
			sum[i] += s1[i], sum[s.lanes + i] += s2[i] * rstd[i], sum[2 * s.lanes + i] += s3[i];
	}
}

static struct behind behind_at(const struct rows *r, const struct k_norm_bwd *a, int64_t vox, int64_t row)
{
	int64_t x = vox * r->xp + row * r->x;
	struct behind b = {.x = (const elem *)a->x + x, .dy = (const elem *)a->dy + vox * r->yp + row * r->y, .dx = (elem *)a->dx + x, .dx_add = a->dx_add,
		.dres_add = a->dres_add};

	if (a->dy2)
		b.dy2 = (const elem *)a->dy2 + vox * r->y2p + row * r->y2;
	if (a->res)
		b.res = (const elem *)a->res + vox * r->rp + row * r->r;
	if (a->dres && (a->res || a->dres != a->dy || a->dy2))
		b.dres = (elem *)a->dres + vox * r->dp + row * r->d;
	else
		b.dres_add = 0;
	return b;
}

static void parameter_gradients(const struct k_norm *g, const struct k_norm_bwd *a, int64_t c, const double sum[SUMS])
{
	if (a->dbeta)
		a->dbeta[c] += (float)sum[0];
	if (a->dgamma)
		a->dgamma[c] += (float)sum[1];
	if (a->dalpha)
		a->dalpha[g->alphas == 1 ? 0 : c] += (float)sum[2];
}

/* gamma d and gamma d xhat, summed over those that share their statistics with (n0, c0), the first */
struct through { double d, dx, count; };

static struct through through_of(const struct k_norm *g, const struct rows *r, const struct k_norm_bwd *a, void *scratch, int64_t n0, int64_t c0)
{
	struct share share = share_of(g);
	struct through t = {0, 0, (double)(share.ns * share.channels * g->vox)};

	for (int64_t n = n0; n < n0 + share.ns; n++)
		for (int64_t c = c0; c < c0 + share.channels; c++) {
			double sum[SUMS], gamma = a->gamma ? (double)a->gamma[c] : 1;

			fold(r, scratch, n, c, sum);
			parameter_gradients(g, a, c, sum);
			t.d += gamma * sum[0], t.dx += gamma * sum[1];
		}
	return t;
}

/* What of the gradient goes through the statistics: dx = rstd (gamma d - mean(gamma d) - xhat mean(gamma d xhat)) */
static void settle(const struct k_norm *g, const struct rows *r, void *scratch, struct through t, int64_t n0, int64_t c0)
{
	struct share share = share_of(g);
	int64_t lanes = up(r->lanes);

	for (int64_t n = n0; has_statistics(g) && n < n0 + share.ns; n++)
		for (int64_t c = c0; c < c0 + share.channels; c++) {
			float *p = params_at(r, scratch, g->n, n);
			double rstd = (double)p[RSTD * lanes + c];

			for (int64_t i = c; i < r->lanes; i += r->c)
				p[MEAN_D * lanes + i] = (float)(rstd * t.d / t.count), p[MEAN_DX * lanes + i] = (float)(rstd * rstd * t.dx / t.count);
		}
}

/* Of all processes together */
static int settle_shared(const struct k_norm *g, const struct rows *r, const struct k_norm_bwd *a, void *scratch, struct err *e)
{
	double *shared = shared_at(r, scratch, g->n);

	for (int64_t c = 0; c < g->c; c++) {
		struct through t = through_of(g, r, a, scratch, 0, c);

		shared[c] = t.d, shared[g->c + c] = t.dx, shared[2 * g->c] = t.count;
	}
	if (g->ranks->add(g->ranks->arg, shared, 2 * g->c + 1, e))
		return -1;
	for (int64_t c = 0; c < g->c; c++)
		settle(g, r, scratch, (struct through){shared[c], shared[g->c + c], shared[2 * g->c]}, 0, c);
	return 0;
}

static int reduce(const struct k_norm *g, const struct rows *r, const struct k_norm_bwd *a, void *scratch, struct err *e)
{
	struct share share = share_of(g);

#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r->chunks; k++) {
			struct span s = span_of(r, k);
			int64_t vox = n * g->vox, row = s.first;
			double *sum = sums_at(r, scratch, n, k);

			memset(sum, 0, sizeof *sum * (size_t)(PARTS * r->lanes));
			gradients(r, s, params_at(r, scratch, g->n, n), behind_at(r, a, vox, row), sum, (float *)(sum + SUMS * r->lanes));
		}
	if (g->ranks)
		return settle_shared(g, r, a, scratch, e);
	for (int64_t n = 0; n < g->n; n += share.ns)
		for (int64_t c = 0; c < g->c; c += share.channels)
			settle(g, r, scratch, through_of(g, r, a, scratch, n, c), n, c);
	return 0;
}

/* dx = SCALE d - MEAN_D - (x - mean) MEAN_DX */
INLINE void propagate_columns(int64_t i, const int nv, const int bends, const struct rows *r, int64_t rows, const float *p, struct behind b)
{
	const int64_t lanes = up(r->lanes);
	const int n = nv > 0 ? nv : 1;

	for (int64_t v = 0; v < rows; v++)
		UNROLL for (int j = 0; j < n; j++) {
			const float *q = p + i + j * VL;
			elem *dx = b.dx + v * r->x + i + j * VL, *dres = b.dres + v * r->d + i + j * VL;
			vec m = load_some(b.x + v * r->x + i + j * VL, nv) - load_some(q + MEAN * lanes, nv);
			vec u = m * load_some(q + SCALE * lanes, nv) + load_some(q + SHIFT * lanes, nv);
			vec g = load_some(b.dy + v * r->y + i + j * VL, nv), t;

			if (b.dy2)
				g += load_some(b.dy2 + v * r->y2 + i + j * VL, nv);
			if (b.res)
				u += load_some(b.res + v * r->r + i + j * VL, nv);
			t = act_back(r, bends, u, g, load_some(q + SLOPE * lanes, nv));
			if (b.res)
				g = t;
			t = load_some(q + SCALE * lanes, nv) * t - load_some(q + MEAN_D * lanes, nv) - m * load_some(q + MEAN_DX * lanes, nv);
			if (b.dx_add)
				t += load_some(dx, nv);
			if (b.dres_add)
				g += load_some(dres, nv);
			if (b.dres)
				store_some(dres, g, nv);
			store_some(dx, t, nv);
		}
}

static void propagate(const struct rows *r, struct span s, const float *p, struct behind b)
{
	const int64_t run = run_of(r);

	for (int64_t v = 0; v < s.rows; v += run) {
		int64_t n = s.rows - v < run ? s.rows - v : run;

		if (r->bends)
			COLUMNS(propagate_columns, s.lanes, 1, r, n, p, b)
		else
			COLUMNS(propagate_columns, s.lanes, 0, r, n, p, b)
		b.x += n * r->x, b.dx += n * r->x, b.dy += n * r->y;
		if (b.dy2)
			b.dy2 += n * r->y2;
		if (b.res)
			b.res += n * r->r;
		if (b.dres)
			b.dres += n * r->d;
	}
}

int K(norm_backward)(const struct k_norm *g, const struct k_norm_bwd *a, void *scratch, struct err *e)
{
	struct rows r;

	rows_of(g, &r);
	memset(params_at(&r, scratch, g->n, 0), 0, sizeof(float) * (size_t)(g->n * PARAMS * up(r.lanes)));
	parameters(g, &r, &(struct given){a->mean, a->rstd, a->gamma, a->beta, a->alpha}, scratch);
	if ((g->norm != K_NORM_NONE || a->dalpha) && reduce(g, &r, a, scratch, e))
		return -1;
#pragma omp parallel for collapse(2) schedule(static)
	for (int64_t n = 0; n < g->n; n++)
		for (int64_t k = 0; k <= r.chunks; k++)
			propagate(&r, span_of(&r, k), params_at(&r, scratch, g->n, n), behind_at(&r, a, n * g->vox, span_of(&r, k).first));
	return 0;
}
