/* Parameters, fp32 whatever the activations are: optimizer steps, averages, norms; and labels. */
#include "kernels/gpu/kernels.h"
#define K_PLAIN
#include "kernels/gpu/par.h"

/* factor: of the verdict, else the scale; not a number: nothing is done. */
DEVICE float factor_of(const struct k_verdict *v, float scale)
{
	return v ? v->factor : scale;
}

/* Which of a pace's numbers is what */
enum { KEEP, L2, SCALE, B1, BETA2, B2, EPS, STEP, ROOT, AVERAGE };
enum { LR = KEEP, DECAY = L2, MOMENTUM = B1, AHEAD = BETA2, OWN = B2 };

/* Where WIDE floats can be read at once from each of these; and the lanes that n of them take */
DEVICE int all_wide(const void *a, const void *b, const void *c, const void *d)
{
	return ((uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)d) % 16 == 0;
}

DEVICE int64_t wides(int64_t n)
{
	return (n + WIDE - 1) / WIDE;
}

/* WIDE to a lane: all of them are read before the first is written. */
KERNEL(adam, (struct k_pace own, const struct k_pace *given, const struct k_verdict *verdict, float *w, const float *g, float *m, float *v,
	int64_t n), (own, given, verdict, w, g, m, v, n), items((n + WIDE - 1) / WIDE))
{
	const struct k_pace p = given ? *given : own;
	const float *a = p.number, scale = factor_of(verdict, a[SCALE]);
	const int whole = all_wide(w, g, m, v);

	ITEM_FOR(i, scale == scale ? wides(n) : 0) {
		const int some = part_of(n, i);
		float weight[WIDE], grad[WIDE], mean[WIDE], square[WIDE];

		get_some(w, i * WIDE, some, whole, weight), get_some(g, i * WIDE, some, whole, grad);
		get_some(m, i * WIDE, some, whole, mean), get_some(v, i * WIDE, some, whole, square);
		EACH(j) {
			float kept = rounded(weight[j], a[KEEP]), d = grad[j] * scale + a[L2] * weight[j];

			mean[j] += a[B1] * (d - mean[j]);
			square[j] = square[j] * a[BETA2] + a[B2] * d * d;
			weight[j] = kept - a[STEP] * mean[j] / (sqrtf(square[j]) / a[ROOT] + a[EPS]);
		}
		put_some(m, i * WIDE, some, whole, mean), put_some(v, i * WIDE, some, whole, square);
		put_some(w, i * WIDE, some, whole, weight);
	}
}

KERNEL(sgd, (struct k_pace own, const struct k_pace *given, const struct k_verdict *verdict, float *w, const float *g, float *m, int64_t n),
	(own, given, verdict, w, g, m, n), items((n + WIDE - 1) / WIDE))
{
	const struct k_pace p = given ? *given : own;
	const float *a = p.number, scale = factor_of(verdict, a[SCALE]);
	const int whole = all_wide(w, g, m, m);

	ITEM_FOR(i, scale == scale ? wides(n) : 0) {
		const int some = part_of(n, i);
		float weight[WIDE], grad[WIDE], mean[WIDE];

		get_some(w, i * WIDE, some, whole, weight), get_some(g, i * WIDE, some, whole, grad), get_some(m, i * WIDE, some, whole, mean);
		EACH(j) {
			float d = grad[j] * scale + a[DECAY] * weight[j];

			mean[j] = mean[j] * a[MOMENTUM] + d;
			weight[j] -= a[LR] * (a[AHEAD] * d + a[OWN] * mean[j]);
		}
		put_some(m, i * WIDE, some, whole, mean), put_some(w, i * WIDE, some, whole, weight);
	}
}

/* Scalars are doubles rounded once, as torch does it. */
static struct k_pace pace_of(const struct k_optim *a)
{
	struct k_pace p = {{0}};
	float *n = p.number;

	n[SCALE] = a->scale;
	if (a->kind == K_SGD) {
		n[LR] = (float)a->lr, n[DECAY] = (float)a->decay, n[MOMENTUM] = (float)a->momentum;
		n[AHEAD] = a->nesterov ? 1 : 0, n[OWN] = a->nesterov ? n[MOMENTUM] : 1;
		return p;
	}
	n[KEEP] = a->kind == K_ADAMW ? (float)(1 - a->lr * a->decay) : 1, n[L2] = a->kind == K_ADAM ? (float)a->decay : 0;
	n[B1] = (float)(1 - a->beta1), n[BETA2] = (float)a->beta2, n[B2] = (float)(1 - a->beta2), n[EPS] = (float)a->eps;
	n[STEP] = (float)(a->lr / (1 - pow(a->beta1, (double)a->step))), n[ROOT] = (float)sqrt(1 - pow(a->beta2, (double)a->step));
	return p;
}

KERNEL(put_pace, (struct k_pace from, struct k_pace *to), (from, to), items(1))
{
	ITEM_FOR(i, 1)
		to[i] = from;
}

int gpu_pace(const struct k_optim *a, double t, struct k_pace *to)
{
	struct k_pace p = pace_of(a);

	p.number[AVERAGE] = (float)t;
	return gpu_put_pace(p, to);
}

int gpu_optimize(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n)
{
	const struct k_pace own = pace_of(a);

	return a->kind == K_SGD ? gpu_sgd(own, a->pace, a->verdict, w, g, m, n) : gpu_adam(own, a->pace, a->verdict, w, g, m, v, n);
}

KERNEL(lerp, (float *y, const float *x, float part, int64_t n), (y, x, part, n), items((n + WIDE - 1) / WIDE))
{
	const int whole = all_wide(y, x, x, x);

	ITEM_FOR(i, wides(n)) {
		const int some = part_of(n, i);
		float from[WIDE], to[WIDE];

		get_some(x, i * WIDE, some, whole, from), get_some(y, i * WIDE, some, whole, to);
		EACH(j)
			to[j] += part * (from[j] - to[j]);
		put_some(y, i * WIDE, some, whole, to);
	}
}

KERNEL(average, (float *y, const float *x, int64_t n, const struct k_pace *pace, const struct k_verdict *verdict), (y, x, n, pace, verdict),
	items((n + WIDE - 1) / WIDE))
{
	const float t = pace->number[AVERAGE];
	const int whole = all_wide(y, x, x, x);

	ITEM_FOR(i, verdict->factor == verdict->factor ? wides(n) : 0) {
		const int some = part_of(n, i);
		float from[WIDE], to[WIDE];

		get_some(x, i * WIDE, some, whole, from), get_some(y, i * WIDE, some, whole, to);
		EACH(j)
			to[j] = t == 1 ? from[j] : to[j] + t * (from[j] - to[j]);
		put_some(y, i * WIDE, some, whole, to);
	}
}

/* part [teams]: sums of squares of pieces of GPU_SQUARES; the host adds them. */
KERNEL(squares, (const float *x, int64_t n, double *part), (x, n, part), (n + 65535) / GPU_SQUARES)
{
	TEAM_FOR(t, (n + 65535) / GPU_SQUARES) {
		const int64_t first = t * GPU_SQUARES, most = n - first < GPU_SQUARES ? n - first : GPU_SQUARES;
		const int whole = all_wide(x, x, x, x);
		double sum = 0;

		UNROLLED_BY(4) LANE_FOR(i, 0, wides(most)) {
			float v[WIDE];

			get_some(x + first, i * WIDE, part_of(most, i), whole, v);
			EACH(j)
				sum += (double)v[j] * (double)v[j];
		}
		sum = team_sum(sum);
		if (FIRST_LANE)
			part[t] = sum;
	}
}

DEVICE int is_finite(double v)
{
	return v - v == 0;
}

/* One team: there are a thousand parts in a large network. */
SIDE_KERNEL(judge, (const double *part, int64_t parts, double scale, double clip, const double *loss, int64_t losses, struct k_verdict *v),
	(part, parts, scale, clip, loss, losses, v), 1, 0, 1)
{
	TEAM_FOR(i, 1) {
		double squares = 0, norm, by;
		int stop = v[i].stopped;

		LANE_FOR(p, 0, parts)
			squares += part[p];
		squares = team_sum(squares);
		for (int64_t l = 0; l < losses; l++)
			stop |= !is_finite(loss[l * K_LOSS_RESULTS + K_LOSS_TOTAL]);
		norm = sqrt(squares) * scale;
		stop |= !is_finite(norm);
		by = clip > 0 ? clip / (norm + 1e-6) : 1;
		if (FIRST_LANE) {
			v[i].squares = squares;
			v[i].factor = stop ? NAN : (float)(by < 1 ? scale * by : scale);
			v[i].stopped = stop;
		}
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
