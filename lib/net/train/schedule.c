#include "lib/net/train/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

/* From a to b as x goes from 0 to 1. */
static double anneal(double a, double b, double x)
{
	return b + (a - b) / 2 * (cos(PI * x) + 1);
}

static double constant(const struct hyper *h, double t, double total)
{
	(void)t, (void)total;
	return h->lr;
}

static double poly(const struct hyper *h, double t, double total)
{
	return h->lr * pow(1 - t / total, h->power);
}

static double cosine(const struct hyper *h, double t, double total)
{
	return anneal(h->lr, h->end_lr, t / total);
}

static double warmup_steps(const struct hyper *h, double total, double otherwise)
{
	double w = h->warmup < 0 ? otherwise : h->warmup;

	return w < 1 ? w * total : w;
}

static double warmup(const struct hyper *h, double t, double total)
{
	double w = fmin(floor(warmup_steps(h, total, 0.1)), total);

	if (t < w)
		return h->lr * t / w;
	return fmax(h->end_lr, h->lr * fmax(0, (1 + cos(PI * (t - w) / fmax(1, total - w))) / 2));
}

/* From a to b and on to c */
static double cycle(const struct hyper *h, double t, double total, double a, double b, double c)
{
	double top = warmup_steps(h, total, 0.3) - 1;

	if (top > 0 && t <= top)
		return anneal(a, b, t / top);
	return anneal(b, c, total - 1 > top ? (t - top) / (total - 1 - top) : 0);
}

static double onecycle(const struct hyper *h, double t, double total)
{
	return cycle(h, t, total, h->lr / 25, h->lr, h->lr / 25e4);
}

double schedule_lr(const struct hyper *h, int64_t t)
{
	static double (*const schedules[])(const struct hyper *, double, double) = {
		[SCHEDULE_CONSTANT] = constant, [SCHEDULE_POLY] = poly, [SCHEDULE_COSINE] = cosine, [SCHEDULE_WARMUP] = warmup, [SCHEDULE_ONECYCLE] = onecycle,
	};

	return schedules[(int)h->schedule](h, floor((double)t / h->epoch_steps), ceil(h->steps / h->epoch_steps));
}

double schedule_momentum(const struct hyper *h, int64_t t, double own)
{
	if (!(h->cycle_momentum > 0))
		return own;
	return cycle(h, floor((double)t / h->epoch_steps), ceil(h->steps / h->epoch_steps), 0.95, 0.85, 0.95);
}
