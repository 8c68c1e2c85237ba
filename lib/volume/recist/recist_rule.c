#include <math.h>

#include "lib/volume/recist/recist.h"

static const double LESION = 10, NODE = 15, GONE = 10, THICK = 5; /* mm */
static const double ROUNDING = 1e-9;

int recist_is_measurable(const struct recist_lesion *l, double slice_mm)
{
	double least = slice_mm > THICK + ROUNDING ? 2 * slice_mm : LESION;

	return l->node ? l->line.chord >= NODE - ROUNDING : l->line.longest >= least - ROUNDING;
}

double recist_size(const struct recist_lesion *l)
{
	return l->node ? l->line.chord : l->line.longest;
}

static size_t count(const struct recist_lesion *l, size_t n, int64_t label)
{
	size_t targets = 0;

	for (size_t i = 0; i < n; i++)
		targets += l[i].target && l[i].label == label;
	return targets;
}

void recist_choose(struct recist_lesion *l, size_t n, const struct recist_rule *rule)
{
	for (int chosen = 0; chosen < rule->targets; chosen++) {
		size_t best = n;

		for (size_t i = 0; i < n; i++)
			if (!l[i].target && l[i].measurable && (best == n || recist_size(&l[i]) > recist_size(&l[best])) &&
			    count(l, n, l[i].label) < (size_t)rule->organ)
				best = i;
		if (best == n)
			return;
		l[best].target = 1;
	}
}

void recist_follow(struct recist_lesion *l, size_t n, const int64_t *was, size_t of)
{
	for (size_t k = 0; k < of; k++) {
		size_t best = n;

		for (size_t i = 0; i < n; i++)
			if (!l[i].target && l[i].label == was[k] && (best == n || recist_size(&l[i]) > recist_size(&l[best])))
				best = i;
		if (best < n)
			l[best].target = 1;
	}
}

double recist_sum(const struct recist_lesion *l, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += l[i].target ? recist_size(&l[i]) : 0;
	return sum;
}

const char *recist_name(enum recist_response r)
{
	static const char *const names[] = {"CR", "PR", "SD", "PD", "NE"};

	return names[r];
}

enum recist_response recist_respond(const struct recist_lesion *l, size_t n, double baseline, double nadir)
{
	double sum = recist_sum(l, n), slack = 1e-6 * baseline; /* tables have six digits */
	int left = 0;

	if (!(baseline > 0))
		return RECIST_NE;
	for (size_t i = 0; i < n; i++)
		left |= !l[i].node || l[i].line.chord >= GONE - ROUNDING;
	if (!left)
		return RECIST_CR;
	nadir = fmin(nadir, baseline);
	if (sum >= 1.2 * nadir - slack && sum - nadir >= 5 - slack)
		return RECIST_PD;
	return sum <= .7 * baseline + slack ? RECIST_PR : RECIST_SD;
}
