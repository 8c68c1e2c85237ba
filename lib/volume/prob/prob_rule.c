/* Scores -> labels, a few voxels at a time: class c of voxel i is p[c * pitch + i]. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/volume/prob/prob.h"

enum { ROOM = 16384, BLOCK = 512 }; /* floats and voxels that lie on the stack */

struct prob_rule prob_rule_make(int dice, int n, const double *threshold, int64_t class)
{
	struct prob_rule r = {.kind = dice ? PROB_DICE : n ? PROB_THRESHOLD : PROB_ARGMAX, .n = n, .class = class};

	memcpy(r.threshold, threshold, (size_t)n * sizeof *threshold);
	return r;
}

float prob_cut(enum prob_kind kind)
{
	return kind == PROB_LOGITS ? FLT_MIN : nextafterf(0.5f, 1);
}

static int check_regions(const struct prob_rule *r, int64_t k, struct err *e)
{
	const int threshold = r->kind == PROB_THRESHOLD;

	if (k != r->regions->n)
		return err_set(e, NULL, "%lld classes, and %d regions", (long long)k, r->regions->n);
	if (threshold && r->n > 1 && r->n != k)
		return err_set(e, NULL, "%d thresholds for %lld regions (expected one, or one for each)", r->n, (long long)k);
	return threshold && r->n == 1 && r->class != 1 ? err_set(e, NULL, "--class has no meaning with regions: a threshold is that of all or of each") : 0;
}

int prob_rule_check(const struct prob_rule *r, int64_t k, enum prob_kind kind, struct err *e)
{
	if (r->kind == PROB_ARGMAX && k > 1 && !r->regions)
		return 0;
	if (kind == PROB_UNKNOWN)
		return err_set(e, NULL, "no metadata prob says whether the scores are probabilities or logits");
	if (r->regions)
		return check_regions(r, k, e);
	if (r->kind != PROB_THRESHOLD)
		return 0;
	if (r->n > 1 && r->n != k - 1)
		return err_set(e, NULL, "%d thresholds for %lld classes (expected one, or one for each class but the first)", r->n, (long long)k);
	if (r->n == 1 && (k == 1 ? r->class != 1 : r->class >= k))
		return err_set(e, NULL, "no class %lld among %lld", (long long)r->class, (long long)k);
	return 0;
}

static int argmax(const float *p, int64_t k, int64_t pitch, int64_t n, uint8_t *pred)
{
	float best[BLOCK];
	int bad = 0;

	for (int64_t i = 0; i < n; i++) {
		best[i] = p[i];
		pred[i] = 0;
		bad |= !(p[i] - p[i] == 0);
	}
	for (int64_t c = 1; c < k; c++) {
		const float *v = p + c * pitch;

		for (int64_t i = 0; i < n; i++) {
			pred[i] = v[i] > best[i] ? (uint8_t)c : pred[i];
			best[i] = v[i] > best[i] ? v[i] : best[i];
			bad |= !(v[i] - v[i] == 0);
		}
	}
	return bad;
}

int64_t prob_ask(const struct prob_choice *how, int64_t i)
{
	return how->regions ? how->regions->order[i] : i;
}

int prob_raise(const struct prob_choice *how, const float *v, int64_t which, float *best, uint8_t *pred, int64_t n)
{
	const int64_t class = prob_ask(how, which);
	const uint8_t label = how->regions ? how->regions->label[class] : (uint8_t)class;
	int bad = 0;

	for (int64_t i = 0; i < n && how->regions; i++) {
		pred[i] = v[i] >= how->cut ? label : which ? pred[i] : 0;
		bad |= !(v[i] - v[i] == 0);
	}
	for (int64_t i = 0; i < n && !how->regions; i++) {
		int more = !which || v[i] > best[i];

		pred[i] = more ? label : pred[i];
		best[i] = more ? v[i] : best[i];
		bad |= !(v[i] - v[i] == 0);
	}
	return bad;
}

/* Of regions the label of the last one that reaches its cut: of all or of each */
static int in_order(const struct regions *r, const float *cut, int one, const float *p, int64_t pitch, int64_t n, uint8_t *pred)
{
	int bad = 0;

	for (int i = 0; i < r->n; i++)
		bad |= prob_raise(&(struct prob_choice){r, cut[one ? 0 : r->order[i]]}, p + r->order[i] * pitch, i, NULL, pred, n);
	return bad;
}

/* How many classes there are with the background, which regions and a single class have not */
static int64_t with_background(const struct prob_rule *r, int64_t k)
{
	return k > 1 && !r->regions ? k : k + 1;
}

/* Probabilities q[c * n + i] of the scores, with the background; of regions that has none, and q[0..n) is 0. Returns 1 where one is not finite. */
static int soften(const struct prob_rule *r, enum prob_kind kind, const float *p, int64_t k, int64_t pitch, int64_t n, float *q)
{
	const int each = k == 1 || r->regions;
	float most[BLOCK], sum[BLOCK];
	int bad = 0;

	for (int64_t c = 0; c < k; c++)
		for (int64_t i = 0; i < n; i++) {
			float v = p[c * pitch + i];

			bad |= !(v - v == 0);
			q[(c + each) * n + i] = v;
			most[i] = c && most[i] > v ? most[i] : v;
			sum[i] = 0;
		}
	for (int64_t i = 0; i < n * k && each && kind == PROB_LOGITS; i++)
		q[n + i] = 1 / (1 + expf(-q[n + i]));
	for (int64_t i = 0; i < n && each; i++)
		q[i] = r->regions ? 0 : 1 - q[n + i];
	if (each || kind != PROB_LOGITS)
		return bad;
	for (int64_t c = 0; c < k; c++)
		for (int64_t i = 0; i < n; i++)
			sum[i] += q[c * n + i] = expf(q[c * n + i] - most[i]);
	for (int64_t c = 0; c < k; c++)
		for (int64_t i = 0; i < n; i++)
			q[c * n + i] /= sum[i];
	return bad;
}

/* Of probabilities, the best of the classes at or above their thresholds. */
static void threshold(const struct prob_rule *r, const float *q, int64_t k, int64_t n, uint8_t *pred)
{
	float cut[REGIONS_MOST];

	memset(pred, 0, (size_t)n);
	if (r->regions) {
		for (int c = 0; c < r->regions->n; c++)
			cut[c] = (float)r->threshold[r->n > 1 ? c : 0];
		(void)in_order(r->regions, cut, 0, q + n, n, n, pred);
		return;
	}
	if (r->n == 1) {
		for (int64_t i = 0; i < n; i++)
			pred[i] = q[r->class * n + i] >= (float)r->threshold[0] ? (uint8_t)r->class : 0;
		return;
	}
	for (int64_t i = 0; i < n; i++) {
		float best = -1;

		for (int64_t c = 1; c < k; c++)
			if (q[c * n + i] >= (float)r->threshold[c - 1] && q[c * n + i] > best) {
				best = q[c * n + i];
				pred[i] = (uint8_t)c;
			}
	}
}

static int64_t block(int64_t k)
{
	return k > ROOM / BLOCK ? ROOM / k : BLOCK; /* regions and their background are no more than ROOM / BLOCK */
}

int prob_rule_soften(const struct prob_rule *r, float *p, int64_t k, int64_t pitch, int64_t n)
{
	const int64_t some = block(k);
	float q[ROOM];
	int bad = 0;

	for (int64_t i = 0; i < n; i += some) {
		const int64_t m = n - i < some ? n - i : some;

		bad |= soften(r, PROB_LOGITS, p + i, k, pitch, m, q);
		for (int64_t c = 0; c < k; c++)
			memcpy(p + c * pitch + i, q + (k == 1 || r->regions ? c + 1 : c) * m, (size_t)m * sizeof *p);
	}
	return bad;
}

int prob_rule_labels(const struct prob_rule *r, enum prob_kind kind, const float *p, int64_t k, int64_t pitch, int64_t n, uint8_t *pred)
{
	const int64_t some = block(k);
	const float cut = prob_cut(kind);
	float q[ROOM];
	int bad = 0;

	for (int64_t i = 0; i < n; i += some) {
		int64_t m = n - i < some ? n - i : some;

		if (r->kind == PROB_ARGMAX && (k > 1 || r->regions)) {
			bad |= r->regions ? in_order(r->regions, &cut, 1, p + i, pitch, m, pred + i) : argmax(p + i, k, pitch, m, pred + i);
			continue;
		}
		bad |= soften(r, kind, p + i, k, pitch, m, q);
		if (r->kind == PROB_ARGMAX)
			argmax(q, 2, m, m, pred + i);
		else
			threshold(r, q, k, m, pred + i);
	}
	return bad;
}

/* -- the Dice rule --------------------------------------------------------------- */
/* Of one class: p > cut is its set; `size` the denominator of its expected Dice; most: its highest probability. */
struct set { double cut, size, sum, inside, most; int64_t count; };

/* What a slice adds: sum of all p, of those above the cut, and how many these are. */
static void measure(const float *q, int64_t k, int64_t n, const struct set *now, struct set *add)
{
	for (int64_t c = 1; c < k; c++)
		for (int64_t i = 0; i < n; i++) {
			double p = (double)q[c * n + i];

			add[c].sum += p;
			add[c].inside += p > now[c].cut ? p : 0;
			add[c].count += p > now[c].cut;
			add[c].most = p > add[c].most ? p : add[c].most;
		}
}

/* The sums of all slices with the present cuts, added up in their order, whatever the threads. The first slice that is not finite, or INT64_MAX. */
static int64_t measure_all(const struct prob_rule *r, const float *p, int64_t k, enum prob_kind kind, int64_t nz, int64_t n, const struct set *now,
                           struct set *sum)
{
	const int64_t some = block(k), classes = with_background(r, k);
	int64_t worst = INT64_MAX;

#pragma omp parallel for ordered schedule(static, 1) reduction(min:worst)
	for (int64_t z = 0; z < nz; z++) {
		struct set add[PROB_CLASSES] = {0};
		float q[ROOM];

		for (int64_t i = 0; i < n; i += some) {
			int64_t m = n - i < some ? n - i : some;

			if (soften(r, kind, p + z * n + i, k, nz * n, m, q))
				worst = z < worst ? z : worst;
			measure(q, classes, m, now, add);
		}
#pragma omp ordered
		for (int64_t c = 1; c < classes; c++) {
			sum[c].sum += add[c].sum;
			sum[c].inside += add[c].inside;
			sum[c].count += add[c].count;
			sum[c].most = add[c].most > sum[c].most ? add[c].most : sum[c].most;
		}
	}
	return worst;
}

/* Dinkelbach's iteration for the highest ratio 2 inside / (count + sum + 1): the next cut is half the ratio that the present one gives. It rises
   from the second on and ends where it no longer does: sets are finite, so after few steps and exactly. */
static int64_t find_sets(const struct prob_rule *r, const float *p, int64_t k, enum prob_kind kind, int64_t nz, int64_t n, struct set *sets)
{
	const int64_t classes = with_background(r, k);
	int moved = 1;

	for (int64_t c = 1; c < classes; c++)
		sets[c] = (struct set){.cut = 0.5};
	for (int step = 0; moved; step++) {
		struct set sum[PROB_CLASSES] = {0};
		int64_t worst = measure_all(r, p, k, kind, nz, n, sets, sum);

		if (worst < INT64_MAX)
			return worst;
		moved = 0;
		for (int64_t c = 1; c < classes; c++) {
			double size = (double)sum[c].count + sum[c].sum + 1, cut = sum[c].inside / size;

			if (sum[c].most <= 0.5) {
				sets[c].cut = 1;
				sets[c].size = size;
			} else if (!step || cut > sets[c].cut) {
				sets[c].cut = cut;
				sets[c].size = size;
				moved = 1;
			}
		}
	}
	return -1;
}

/* Of the classes whose set a voxel is in, the one whose expected Dice gains most by it: 2 (p - cut) / size, to first order. */
static void choose(const struct set *sets, const float *q, int64_t k, int64_t n, uint8_t *pred)
{
	for (int64_t i = 0; i < n; i++) {
		double best = 0;

		pred[i] = 0;
		for (int64_t c = 1; c < k; c++) {
			double gain = ((double)q[c * n + i] - sets[c].cut) / sets[c].size;

			if (gain > best) {
				best = gain;
				pred[i] = (uint8_t)c;
			}
		}
	}
}

/* Of the regions whose set it is in, the last */
static void choose_region(const struct regions *r, const struct set *sets, const float *q, int64_t n, uint8_t *pred)
{
	memset(pred, 0, (size_t)n);
	for (int j = 0; j < r->n; j++) {
		const int c = r->order[j];

		for (int64_t i = 0; i < n; i++)
			pred[i] = (double)q[(c + 1) * n + i] > sets[c + 1].cut ? r->label[c] : pred[i];
	}
}

int64_t prob_rule_dice(const struct prob_rule *r, const float *p, int64_t k, enum prob_kind kind, int64_t nz, int64_t n, uint8_t *pred)
{
	const int64_t some = block(k), classes = with_background(r, k);
	struct set sets[PROB_CLASSES];
	int64_t worst = find_sets(r, p, k, kind, nz, n, sets);

	if (worst >= 0)
		return worst;
#pragma omp parallel for schedule(static)
	for (int64_t z = 0; z < nz; z++) {
		float q[ROOM];

		for (int64_t i = 0; i < n; i += some) {
			int64_t m = n - i < some ? n - i : some;

			(void)soften(r, kind, p + z * n + i, k, nz * n, m, q);
			if (r->regions)
				choose_region(r->regions, sets, q, m, pred + z * n + i);
			else
				choose(sets, q, classes, m, pred + z * n + i);
		}
	}
	return -1;
}
