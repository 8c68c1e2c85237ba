#include "lib/volume/stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/names.h"
#include "lib/stream/values.h"
#include "lib/volume/component/component.h"
#include "lib/volume/geometry/geo.h"
#include "lib/volume/intensity/percentile.h"
#include "lib/volume/score/score.h"

static int by_label(const void *a, const void *b)
{
	const struct stats_label *p = a, *q = b;

	return p->label < q->label ? -1 : p->label > q->label;
}

/* The row of a label, or NULL: it is none of those asked for. */
static struct stats_label *row_of(const struct stats_case *c, int64_t label)
{
	const struct stats_label key = {.label = label};

	return c->n ? bsearch(&key, c->l, c->n, sizeof *c->l, by_label) : NULL;
}

/* ---- which labels ---- */

/* Put it among those that there are, which stay sorted. */
static int add(struct stats_case *c, int64_t label, struct err *e)
{
	size_t at = c->n;

	if (row_of(c, label))
		return 0;
	if (c->n == SCORE_LABELS)
		return err_set(e, NULL, "no mask: it has more than %d labels", SCORE_LABELS);
	if (mem_more(&c->l, c->n, sizeof *c->l, "labels", e))
		return -1;
	while (at && c->l[at - 1].label > label)
		at--;
	memmove(c->l + at + 1, c->l + at, (c->n++ - at) * sizeof *c->l);
	c->l[at] = (struct stats_label){.label = label, .lo = {INT32_MAX, INT32_MAX, INT32_MAX}};
	return 0;
}

static int list_labels(struct stats_case *c, const struct components *found, const struct stats_options *o, struct err *e)
{
	int r = 0;

	if (o->all)
		return add(c, 1, e);
	for (int i = 0; i < o->labels->n && !r; i++)
		r = add(c, o->labels->v[i], e);
	for (uint32_t i = 0; i < found->n && !o->labels->n && !r; i++)
		r = add(c, found->c[i].value, e);
	for (int64_t label = 1; label <= NAMES_MOST && !o->labels->n && !r; label++)
		r = names_of(c->names, label) ? add(c, label, e) : 0;
	return r;
}

/* ---- where they are ---- */

static void count(const struct components *found, struct stats_label *const *row)
{
	const int64_t *size = found->size;

	for (uint32_t i = 0; i < found->n; i++)
		for (int a = 0; row[i] && a < 3; a++) {
			row[i]->lo[a] = found->c[i].lo[a] < row[i]->lo[a] ? found->c[i].lo[a] : row[i]->lo[a];
			row[i]->hi[a] = found->c[i].hi[a] > row[i]->hi[a] ? found->c[i].hi[a] : row[i]->hi[a];
			row[i]->border |= found->c[i].lo[a] == 0 || found->c[i].hi[a] == size[a];
		}
	for (int64_t yz = 0; yz < size[1] * size[2]; yz++)
		for (int64_t k = found->row[yz]; k < found->row[yz + 1]; k++) {
			const struct component_run *run = &found->run[k];
			struct stats_label *l = row[run->of];
			double n = run->x1 - run->x0;

			if (!l)
				continue;
			l->voxels += run->x1 - run->x0;
			l->centroid[0] += n * (run->x0 + run->x1 - 1) / 2; /* sums of halves: exact */
			l->centroid[1] += n * (double)(yz % size[1]);
			l->centroid[2] += n * (double)(yz / size[1]);
		}
}

static void locate(struct stats_case *c, const double affine[16])
{
	const double voxel_ml = geo_voxel_ml(affine);

	for (size_t i = 0; i < c->n; i++) {
		struct stats_label *l = &c->l[i];
		double at[3];

		for (int a = 0; a < 3; a++)
			at[a] = l->voxels ? l->centroid[a] / (double)l->voxels : NAN;
		for (int a = 0; a < 3; a++)
			l->centroid[a] = affine[4 * a] * at[0] + affine[4 * a + 1] * at[1] + affine[4 * a + 2] * at[2] + affine[4 * a + 3];
		if (!l->voxels)
			memset(l->lo, 0, sizeof l->lo);
		l->ml = voxel_ml * (double)l->voxels;
	}
}

/* ---- which values ---- */

/* The voxels' values, label behind label: value[first[i]] on is what label i has. */
static void gather(const struct components *found, struct stats_label *const *row, const struct stats_case *c, const struct tensor *image,
                   int64_t channel, float *value, const int64_t *first, int64_t *filled)
{
	const int64_t *size = found->size, whole = channel * size[0] * size[1] * size[2];

	memcpy(filled, first, c->n * sizeof *filled);
	for (int64_t yz = 0; yz < size[1] * size[2]; yz++)
		for (int64_t k = found->row[yz]; k < found->row[yz + 1]; k++) {
			const struct component_run *run = &found->run[k];
			int64_t n = run->x1 - run->x0;

			if (!row[run->of])
				continue;
			tensor_load_f32(image, whole + yz * size[0] + run->x0, n, value + filled[row[run->of] - c->l]);
			filled[row[run->of] - c->l] += n;
		}
}

static int describe(struct stats_label *l, float *value, struct err *e)
{
	static const double q[] = {5, 50, 95};
	const struct tensor t = {.dtype = DT_F32, .rank = 1, .shape = {l->voxels}, .data = value};
	double n = (double)l->voxels, sum = 0, squares = 0, p[3];

	for (int64_t i = 0; i < l->voxels; i++)
		sum += value[i];
	l->nan = isnan(sum);
	if (!l->voxels || l->nan)
		return 0;
	l->v[STATS_MEAN] = sum / n;
	l->v[STATS_MIN] = l->v[STATS_MAX] = value[0];
	for (int64_t i = 0; i < l->voxels; i++) {
		double d = value[i] - l->v[STATS_MEAN];

		squares += d * d;
		l->v[STATS_MIN] = value[i] < l->v[STATS_MIN] ? value[i] : l->v[STATS_MIN];
		l->v[STATS_MAX] = value[i] > l->v[STATS_MAX] ? value[i] : l->v[STATS_MAX];
	}
	l->v[STATS_SD] = sqrt(squares / n);
	if (percentile_of(&t, 0, l->voxels, NULL, q, 3, p, e))
		return -1;
	l->v[STATS_P05] = p[0];
	l->v[STATS_MEDIAN] = p[1];
	l->v[STATS_P95] = p[2];
	return 0;
}

static int values(const struct components *found, struct stats_label *const *row, struct stats_case *c, const struct tensor *image, int64_t channel,
                  struct err *e)
{
	int64_t *first = mem_zero(2 * c->n + 1, sizeof *first, "labels", e);
	float *value = NULL;
	int r = first ? 0 : -1;

	for (size_t i = 0; i < c->n && !r; i++)
		first[i + 1] = first[i] + c->l[i].voxels;
	if (!r)
		value = mem_new((size_t)first[c->n] + 1, sizeof *value, "values", e);
	if (value)
		gather(found, row, c, image, channel, value, first, first + c->n + 1);
	else
		r = -1;
	for (size_t i = 0; i < c->n && !r; i++)
		r = describe(&c->l[i], value + first[i], e);
	free(first);
	free(value);
	return r;
}

static int fill(struct stats_case *c, const struct components *found, const struct tensor *image, int64_t channel, const double affine[16],
                const struct stats_options *o, struct err *e)
{
	struct stats_label **row;
	int r;

	if (list_labels(c, found, o, e))
		return -1;
	row = mem_new((size_t)found->n + 1, sizeof *row, "components", e);
	if (!row)
		return -1;
	for (uint32_t i = 0; i < found->n; i++)
		row[i] = row_of(c, o->all ? 1 : found->c[i].value);
	for (size_t i = 0; i < c->n; i++)
		for (int k = 0; k < STATS_VALUES; k++)
			c->l[i].v[k] = NAN;
	count(found, row);
	r = image ? values(found, row, c, image, channel, e) : 0;
	locate(c, affine);
	free(row);
	return r;
}

int stats_mask(const struct tensor *mask, const struct tensor *image, int64_t channel, const double affine[16], const json_t *names,
               const struct stats_options *o, struct stats_case *c, struct err *e)
{
	struct components found = {0};
	struct grid g = {.size = {1, 1, 1}};
	int64_t channels = image && image->rank > 3 ? image->shape[0] : 1;
	int r;

	memset(c, 0, sizeof *c);
	memcpy(g.affine, affine, sizeof g.affine);
	if (geo_check_solid(&g, e))
		return err_set(e, NULL, "the affine is singular: no volumes in mL");
	if (image && channel >= channels)
		return err_set(e, NULL, "'%s' has no channel %lld: it has %lld", image->name, (long long)channel, (long long)channels);
	c->names = json_incref((json_t *)names);
	c->image = image != NULL;
	r = component_find(mask, 6, o->all ? COMPONENT_UNION : COMPONENT_VALUE, &found, e) || fill(c, &found, image, channel, affine, o, e);
	component_free(&found);
	if (r) {
		stats_free(c);
		return -1;
	}
	return 0;
}

void stats_free(struct stats_case *c)
{
	free(c->id);
	free(c->l);
	json_decref(c->names);
	memset(c, 0, sizeof *c);
}
