#include "lib/volume/patch/locate.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/values.h"

enum { PIECE = 1024, AHEAD = 16 }; /* voxels looked at together; slices fetched before they are */

/* Beside the classes: what is above the last one, what belongs to none; all of them together. */
enum { BEYOND = -2, NONE = -1, CODES = LOCATE_CLASSES + 2 };

/* What is read of a volume. */
struct source {
	const struct tensor *label, *image; /* NULL: label 0 everywhere; no voxel masked */
	const struct locate_rule *rule;
	int64_t slice, voxels; /* of the grid */
};

static struct source source(const struct frame *f, const int64_t size[3], const struct locate_rule *r)
{
	int64_t slice = size[0] * size[1];

	return (struct source){frame_find(f, "label"), r->masked ? frame_find(f, "image") : NULL, r, slice, slice * size[2]};
}

/* A class's voxels that no channel of the image lifts above the threshold become none's. As MONAI compares: in the image's precision. */
static void mask(const struct source *s, int64_t first, int n, int16_t *class)
{
	float v[PIECE], threshold = (float)s->rule->threshold;
	char above[PIECE] = {0};

	for (int64_t at = first; at < tensor_count(s->image); at += s->voxels) {
		tensor_load_f32(s->image, at, n, v);
		for (int i = 0; i < n; i++)
			above[i] |= v[i] > threshold;
	}
	for (int i = 0; i < n; i++)
		if (!above[i] && class[i] < s->rule->masked)
			class[i] = NONE;
}

/* The classes of n voxels. Labels as float32: 0 to 255 are exact, larger ones stay larger. */
static void classify(const struct source *s, int64_t first, int n, int16_t *class)
{
	const struct locate_rule *r = s->rule;
	float v[PIECE] = {0}, lo = (float)r->first, hi = (float)r->last;

	if (s->label)
		tensor_load_f32(s->label, first, n, v);
	for (int i = 0; i < n; i++)
		class[i] = r->binary ? v[i] != 0 : v[i] > hi ? BEYOND : v[i] < lo ? NONE : (int16_t)v[i];
	for (int i = 0; i < n && r->ignores; i++)
		class[i] = v[i] == (float)r->ignore ? NONE : class[i];
	if (s->image)
		mask(s, first, n, class);
}

static int piece(int64_t left)
{
	return left < PIECE ? (int)left : PIECE;
}

static void fetch_slice(const struct source *s, int64_t z)
{
	int64_t at = z * s->slice;

	if (at >= s->voxels)
		return;
	if (s->label)
		tensor_fetch(s->label, at, s->slice);
	for (; s->image && at < tensor_count(s->image); at += s->voxels)
		tensor_fetch(s->image, at, s->slice);
}

/* Add the voxels of slice z to the counts of their classes. */
static void count_slice(const struct source *s, int64_t z, int64_t count[CODES])
{
	int16_t class[PIECE];
	int n;

	for (int64_t i = 0; i < s->slice; i += n) {
		n = piece(s->slice - i);
		classify(s, z * s->slice + i, n, class);
		if (!memcmp(class, class + 1, (size_t)(n - 1) * sizeof *class)) { /* nearly all pieces are background alone */
			count[class[0] - BEYOND] += n;
			continue;
		}
		for (int k = 0; k < n; k++)
			count[class[k] - BEYOND]++;
	}
}

static int beyond(const struct source *s, const int64_t size[3], int64_t z, struct err *e)
{
	int64_t i = z * s->slice;

	while (tensor_value(s->label, i) <= s->rule->last)
		i++;
	return err_set(e, NULL, "label %.0f at voxel %lld,%lld,%lld (expected at most %d)", tensor_value(s->label, i), (long long)(i % size[0]),
	               (long long)(i / size[0] % size[1]), (long long)(i / s->slice), s->rule->last);
}

/* Keep the classes that are there, of counts[slice][code]. */
static int gather(struct locate *l, const int64_t (*count)[CODES], struct err *e)
{
	int64_t slices = l->size[2], all[CODES] = {0};

	for (int64_t z = 0; z < slices; z++)
		for (int c = -BEYOND; c < CODES; c++)
			all[c] += count[z][c];
	for (int c = -BEYOND; c < CODES; c++)
		if (all[c])
			l->class[l->n++] = (uint8_t)(c + BEYOND);
	l->before = mem_zero((size_t)l->n * ((size_t)slices + 1), sizeof *l->before, "counts of classes", e);
	if (!l->before)
		return -1;
	for (int k = 0; k < l->n; k++) {
		int64_t *before = l->before + k * (slices + 1);

		for (int64_t z = 0; z < slices; z++)
			before[z + 1] = before[z] + count[z][l->class[k] - BEYOND];
	}
	return 0;
}

int locate_make(struct locate *l, const struct frame *f, const struct grid *g, const struct locate_rule *r, struct err *e)
{
	struct source s = source(f, g->size, r);
	int64_t (*count)[CODES];
	int bad = 0;

	memset(l, 0, sizeof *l);
	if (s.label && !frame_labels(f, "label", e))
		return -1;
	memcpy(l->size, g->size, sizeof l->size);
	count = mem_zero((size_t)g->size[2], sizeof *count, "counts of classes", e);
	if (!count)
		return -1;
	for (int64_t z = 0; z < AHEAD; z++)
		fetch_slice(&s, z);
	for (int64_t z = 0; z < g->size[2] && !bad; z++) {
		fetch_slice(&s, z + AHEAD);
		count_slice(&s, z, count[z]);
		if (r->strict && count[z][0])
			bad = beyond(&s, g->size, z, e);
	}
	if (!bad)
		bad = gather(l, (const int64_t (*)[CODES])count, e);
	free(count);
	return bad;
}

void locate_free(struct locate *l)
{
	free(l->before);
	memset(l, 0, sizeof *l);
}

/* The slice that the j-th voxel lies in; *j becomes its number there. */
static int64_t find_slice(const int64_t *before, int64_t slices, int64_t *j)
{
	int64_t lo = 0, hi = slices;

	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (before[mid] <= *j)
			lo = mid;
		else
			hi = mid;
	}
	*j -= before[lo];
	return lo;
}

/* The j-th voxel of a class in slice z. */
static int64_t find_voxel(const struct source *s, int64_t z, int class, int64_t j)
{
	int16_t is[PIECE];
	int64_t i = z * s->slice;

	for (int n;; i += n) {
		int have = 0;

		n = piece((z + 1) * s->slice - i);
		classify(s, i, n, is);
		for (int k = 0; k < n; k++)
			have += is[k] == class;
		if (j < have)
			break;
		j -= have;
	}
	for (int k = 0;; k++, i++)
		if (is[k] == class && j-- == 0)
			return i;
}

void locate_draw(const struct locate *l, const struct frame *f, const struct locate_rule *r, int k, struct rng *rng, int64_t at[3])
{
	const struct source s = source(f, l->size, r);
	const int64_t *before = l->before + k * (l->size[2] + 1);
	int64_t j = (int64_t)rng_below(rng, (uint64_t)before[l->size[2]]), z = find_slice(before, l->size[2], &j);
	int64_t i;

	fetch_slice(&s, z);
	i = find_voxel(&s, z, l->class[k], j);
	at[0] = i % l->size[0];
	at[1] = i / l->size[0] % l->size[1];
	at[2] = z;
}
