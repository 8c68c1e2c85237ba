/* Parameters, fp32 whatever the activations are: optimizer steps, averages, norms; and labels. */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"

/* factor: of the verdict, else the scale; not a number: nothing is done. */
DEVICE float factor_of(const struct k_verdict *v, float scale)
{
	return v ? v->factor : scale;
}

struct adam { float keep, l2, scale, b1, beta2, b2, eps, step, root; };
struct sgd { float lr, decay, momentum, scale, ahead, own; };

KERNEL(adam, (struct adam a, const struct k_verdict *verdict, float *w, const float *g, float *m, float *v, int64_t n),
	(a, verdict, w, g, m, v, n), items(n))
{
	const float scale = factor_of(verdict, a.scale);

	ITEM_FOR(i, scale == scale ? n : 0) {
		float p = w[i] * a.keep, d = g[i] * scale + a.l2 * w[i];

		m[i] += a.b1 * (d - m[i]);
		v[i] = v[i] * a.beta2 + a.b2 * d * d;
		w[i] = p - a.step * m[i] / (sqrtf(v[i]) / a.root + a.eps);
	}
}

KERNEL(sgd, (struct sgd a, const struct k_verdict *verdict, float *w, const float *g, float *m, int64_t n), (a, verdict, w, g, m, n), items(n))
{
	const float scale = factor_of(verdict, a.scale);

	ITEM_FOR(i, scale == scale ? n : 0) {
		float d = g[i] * scale + a.decay * w[i];

		m[i] = m[i] * a.momentum + d;
		w[i] -= a.lr * (a.ahead * d + a.own * m[i]);
	}
}

/* Scalars are doubles rounded once, as torch does it. */
int gpu_optimize(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n)
{
	if (a->kind == K_SGD) {
		struct sgd s;

		s.lr = (float)a->lr, s.decay = (float)a->decay, s.momentum = (float)a->momentum, s.scale = a->scale;
		s.ahead = a->nesterov ? 1 : 0, s.own = a->nesterov ? s.momentum : 1;
		return gpu_sgd(s, a->verdict, w, g, m, n);
	}
	struct adam s;

	s.keep = a->kind == K_ADAMW ? (float)(1 - a->lr * a->decay) : 1, s.l2 = a->kind == K_ADAM ? (float)a->decay : 0, s.scale = a->scale;
	s.b1 = (float)(1 - a->beta1), s.beta2 = (float)a->beta2, s.b2 = (float)(1 - a->beta2), s.eps = (float)a->eps;
	s.step = (float)(a->lr / (1 - pow(a->beta1, (double)a->step))), s.root = (float)sqrt(1 - pow(a->beta2, (double)a->step));
	return gpu_adam(s, a->verdict, w, g, m, v, n);
}

KERNEL(lerp, (float *y, const float *x, float part, int64_t n), (y, x, part, n), items(n))
{
	ITEM_FOR(i, n)
		y[i] += part * (x[i] - y[i]);
}

/* part [teams]: sums of squares of pieces of GPU_SQUARES; the host adds them. */
KERNEL(squares, (const float *x, int64_t n, double *part), (x, n, part), (n + 65535) / GPU_SQUARES)
{
	TEAM_FOR(t, (n + 65535) / GPU_SQUARES) {
		double sum = 0;

		LANE_FOR(i, t * GPU_SQUARES, t * GPU_SQUARES + GPU_SQUARES < n ? t * GPU_SQUARES + GPU_SQUARES : n)
			sum += (double)x[i] * (double)x[i];
		sum = team_sum(sum);
		if (FIRST_LANE)
			part[t] = sum;
	}
}

DEVICE int is_finite(double v)
{
	return v - v == 0;
}

/* Parts in their order, by one lane: there are a thousand of them in a large network. */
KERNEL(judge, (const double *part, int64_t parts, double scale, double clip, const double *loss, int64_t losses, struct k_verdict *v),
	(part, parts, scale, clip, loss, losses, v), items(1))
{
	ITEM_FOR(i, 1) {
		double squares = 0, norm;
		int stop = v[i].stopped;

		for (int64_t p = 0; p < parts; p++)
			squares += part[p];
		for (int64_t l = 0; l < losses; l++)
			stop |= !is_finite(loss[l * K_LOSS_RESULTS + K_LOSS_TOTAL]);
		norm = sqrt(squares) * scale;
		stop |= !is_finite(norm);
		clip = clip > 0 ? clip / (norm + 1e-6) : 1;
		v[i].squares = squares;
		v[i].factor = stop ? NAN : (float)(clip < 1 ? scale * clip : scale);
		v[i].stopped = stop;
	}
}

KERNEL(number, (uint64_t *to, uint64_t first, uint64_t step, int64_t n), (to, first, step, n), items(n))
{
	ITEM_FOR(i, n)
		to[i] = first + (uint64_t)i * step;
}

KERNEL(put_few, (struct gpu_few from, float *to, int64_t n), (from, to, n), items(n))
{
	ITEM_FOR(i, n)
		to[i] = from.v[i];
}

/* w[o][o][taps / 2] += 1 */
KERNEL(identity, (float *w, int64_t oc, int64_t taps), (w, oc, taps), items(oc))
{
	ITEM_FOR(o, oc)
		w[(o * oc + o) * taps + taps / 2] += 1;
}

/* to [n,small]: label [n, small * factor] at the voxel nearest to the middle; n and d together: large planes are a whole number of small ones */
KERNEL(label_down, (uint8_t *to, const uint8_t *label, int64_t planes, int64_t h, int64_t w, int fd, int fh, int fw), (to, label, planes, h, w,
	fd, fh, fw),
	items(planes * h * w))
{
	ITEM_FOR(i, planes * h * w) {
		int64_t d = i / w / h * fd + fd / 2, y = i / w % h * fh + fh / 2, x = i % w * fw + fw / 2;

		to[i] = label[(d * h * fh + y) * w * fw + x];
	}
}
