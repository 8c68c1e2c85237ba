/* lib/stream/fold, lib/base/mt19937: against scikit-learn's KFold (tests/golden/fold.txt) and the generator's published numbers. */
#include "tests/unit/tap.h"

#include "lib/base/mt19937.h"
#include "lib/stream/fold.h"

static void twister(void)
{
	struct mt19937 m;
	uint32_t v = 0;

	mt19937_init(&m, 5489);
	for (int i = 0; i < 10000; i++)
		v = mt19937_u32(&m);
	ok(v == 4123659995u, "the 10000th number of the default seed (C++11, 26.5.5)");
	ok(mt19937_interval(&m, 0) == 0, "an interval of one number");
}

/* The ids are added last first, one twice. */
static int deal(struct fold_set *s, int n, int64_t folds, uint32_t seed, struct err *e)
{
	char id[16];

	for (int i = n; i-- > 0;) {
		snprintf(id, sizeof id, "case%05d", i);
		if (fold_add(s, id, e) || (i % 3 == 0 && fold_add(s, id, e)))
			return -1;
	}
	return fold_deal(s, folds, seed, e);
}

int main(void)
{
	FILE *f = fopen("tests/golden/fold.txt", "r");
	unsigned long seed;
	int n, folds;
	struct err e;

	twister();
	ok(f, "tests/golden/fold.txt");
	while (f && fscanf(f, "%d %lu %d", &n, &seed, &folds) == 3) {
		struct fold_set s = {0};
		int good = !deal(&s, n, folds, (uint32_t)seed, &e) && s.n == (size_t)n, k = -1;

		for (int i = 0; i < n; i++) {
			char id[16];

			snprintf(id, sizeof id, "case%05d", i);
			good &= fscanf(f, "%d", &k) == 1 && fold_of(&s, id) == k;
		}
		ok(good, "KFold(%d, shuffle=True, random_state=%lu) of %d", folds, seed, n);
		ok(fold_of(&s, "x") == -1, "no such id");
		fold_free(&s);
	}
	if (f)
		fclose(f);
	return tap_done();
}
