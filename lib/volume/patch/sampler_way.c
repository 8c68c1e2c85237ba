#include "lib/volume/patch/sampler_way.h"

#include <math.h>
#include <string.h>

#include "lib/stream/history.h"
#include "lib/volume/patch/patch.h"

void sampler_forget(struct sampler_index *ix)
{
	locate_free(&ix->voxels);
	locate_free(&ix->annotated);
	weight_free(&ix->weight);
}

/* Count the volume's voxels unless that was done. */
static int look_at(struct locate *l, const struct sampler_visit *v, const struct locate_rule *rule, struct err *e)
{
	return l->before ? 0 : locate_make(l, &v->f, &v->g, rule, e);
}

static int look(struct sampler_visit *v, const struct locate_rule *rule, struct err *e)
{
	return look_at(&v->index->voxels, v, rule, e);
}

/* Box around a voxel as MONAI places it. */
static void around(const int64_t centre[3], struct sampler_visit *v)
{
	for (int a = 0; a < 3; a++)
		v->start[a] = patch_start(centre[a], v->size[a], v->g.size[a]);
}

/* One of the classes that are there, by the ratios of all; -1 where none of them has any. One draw. */
static int draw_class(const struct locate *l, const double *ratio, struct rng *r)
{
	double sum = 0, u = rng_uniform(r);
	int k;

	for (k = 0; k < l->n; k++)
		sum += ratio[l->class[k]];
	u *= sum;
	for (k = l->n - 1; k > 0 && u >= ratio[l->class[k]]; k--)
		u -= ratio[l->class[k]];
	while (k >= 0 && k < l->n && !(ratio[l->class[k]] > 0)) /* rounding led past the last one */
		k++;
	return k < l->n ? k : -1;
}

static int check_pos(const struct sampler_opts *o, const struct frame *f, const struct grid *g, struct err *e)
{
	(void)g;
	if (!frame_find(f, "label") && o->pos > 0)
		return err_set(e, NULL, "no label to find foreground by (--pos 0 takes patches without)");
	return 0;
}

static int choose_pos(const struct sampler_opts *o, struct sampler_visit *v, struct err *e)
{
	const struct locate_rule rule = {.binary = 1, .last = 1, .masked = o->masked, .threshold = o->threshold, .ignores = o->ignores,
		.ignore = o->ignore};
	const double ratio[] = {1 - o->pos, o->pos};
	int64_t centre[3];
	int k;

	if (look(v, &rule, e))
		return -1;
	k = draw_class(&v->index->voxels, ratio, &v->r);
	if (!v->index->voxels.n)
		return err_set(e, NULL, "no voxel to centre a patch on: no foreground, and no image above %g", o->threshold);
	locate_draw(&v->index->voxels, &v->f, &rule, k < 0 ? 0 : k, &v->r, centre);
	around(centre, v);
	return 0;
}

static void describe_mask(const struct sampler_opts *o, json_t *args)
{
	if (o->ignores)
		json_object_set_new(args, "ignore-label", json_integer(o->ignore));
	if (o->masked)
		json_object_set_new(args, "above", json_real(o->threshold));
}

static void describe_pos(const struct sampler_opts *o, json_t *args)
{
	json_object_set_new(args, "pos", json_real(o->pos));
	describe_mask(o, args);
}

static int check_label(const struct sampler_opts *o, const struct frame *f, const struct grid *g, struct err *e)
{
	(void)o;
	(void)g;
	return frame_need(f, "label", e) ? 0 : -1;
}

static int choose_classes(const struct sampler_opts *o, struct sampler_visit *v, struct err *e)
{
	const struct locate_rule rule = {.last = o->classes - 1, .masked = o->masked ? o->classes : 0, .threshold = o->threshold, .ignores = o->ignores,
		.ignore = o->ignore};
	int64_t centre[3];
	int k;

	if (look(v, &rule, e))
		return -1;
	k = draw_class(&v->index->voxels, o->ratio, &v->r);
	if (k < 0)
		return err_set(e, NULL, "no voxel of the classes that --classes gives a share");
	locate_draw(&v->index->voxels, &v->f, &rule, k, &v->r, centre);
	around(centre, v);
	return 0;
}

static void describe_classes(const struct sampler_opts *o, json_t *args)
{
	json_object_set_new(args, "classes", json_reals(o->ratio, o->classes));
	describe_mask(o, args);
}

/* Is patch i to be around foreground? nnU-Net's _oversample_last_XX_percent, rounded half to even as Python does, and _probabilistic_oversampling. */
static int forced(const struct sampler_opts *o, struct sampler_visit *v)
{
	if (!o->batch)
		return rng_uniform(&v->r) < o->oversample;
	return (double)(v->i % o->batch) >= rint((double)o->batch * (1 - o->oversample));
}

/* The number of a label's voxels */
static double voxels_of(const struct locate *l, int k)
{
	return (double)l->before[(k + 1) * (l->size[2] + 1) - 1];
}

/* Of the regions that are there one, and of its labels one by its voxels; -1 where there is none. */
static int draw_region(const struct locate *l, const struct regions *regions, struct rng *r)
{
	double count[LOCATE_CLASSES] = {0};
	uint32_t there = 0;
	int which;

	for (int k = 0; k < l->n; k++)
		there |= regions->of[l->class[k]];
	if (!there)
		return -1;
	for (which = (int)rng_below(r, (uint64_t)__builtin_popcount(there)); which > 0; which--)
		there &= there - 1;
	for (int k = 0; k < l->n; k++)
		count[l->class[k]] = regions->of[l->class[k]] & there & -there ? voxels_of(l, k) : 0;
	return draw_class(l, count, r);
}

/* One of the voxels of foreground, a label or region first: 1, 0 where there is none, -1. */
static int draw_foreground(const struct sampler_opts *o, struct sampler_visit *v, int64_t centre[3], struct err *e)
{
	const struct locate_rule rule = {.first = 1, .last = LOCATE_CLASSES - 1, .strict = 1, .ignores = o->ignores, .ignore = o->ignore};
	const struct locate *l = &v->index->voxels;
	int k;

	if (look(v, &rule, e))
		return -1;
	k = !l->n ? -1 : o->regions ? draw_region(l, o->regions, &v->r) : (int)rng_below(&v->r, (uint64_t)l->n);
	if (k >= 0)
		locate_draw(l, &v->f, &rule, k, &v->r, centre);
	return k >= 0;
}

/* One of the voxels whose label is not to be ignored: as above; nnU-Net's annotated_classes_key */
static int draw_annotated(const struct sampler_opts *o, struct sampler_visit *v, int64_t centre[3], struct err *e)
{
	const struct locate_rule rule = {.binary = 1, .last = 1, .ignores = o->ignores, .ignore = o->ignore};
	struct locate *l = &v->index->annotated;
	double count[2] = {0};

	if (!o->ignores)
		return 0;
	if (look_at(l, v, &rule, e))
		return -1;
	for (int k = 0; k < l->n; k++)
		count[l->class[k]] = voxels_of(l, k);
	if (l->n)
		locate_draw(l, &v->f, &rule, draw_class(l, count, &v->r), &v->r, centre);
	return l->n > 0;
}

static int choose_oversample(const struct sampler_opts *o, struct sampler_visit *v, struct err *e)
{
	int64_t centre[3], lo[3], hi[3];
	int centred = forced(o, v) ? draw_foreground(o, v, centre, e) : draw_annotated(o, v, centre, e);

	if (centred < 0)
		return -1;
	for (int a = 0; a < 3; a++)
		patch_starts(v->size[a], o->final[a], v->g.size[a], &lo[a], &hi[a]);
	for (int a = 0; a < 3; a++)
		if (!centred)
			v->start[a] = lo[a] + (int64_t)rng_below(&v->r, (uint64_t)(hi[a] - lo[a] + 1));
		else
			v->start[a] = centre[a] - v->size[a] / 2 > lo[a] ? centre[a] - v->size[a] / 2 : lo[a];
	return 0;
}

static void describe_oversample(const struct sampler_opts *o, json_t *args)
{
	if (o->ignores)
		json_object_set_new(args, "ignore-label", json_integer(o->ignore));
	json_object_set_new(args, "oversample", json_real(o->oversample));
	if (o->batch)
		json_object_set_new(args, "batch", json_integer(o->batch));
	json_object_set_new(args, "final", json_ints(o->final, 3));
	if (o->regions) {
		json_t *regions = regions_json(o->regions);

		json_object_set_new(args, "regions", regions_argument(regions));
		json_decref(regions);
	}
}

static int check_weight(const struct sampler_opts *o, const struct frame *f, const struct grid *g, struct err *e)
{
	const struct tensor *t = frame_need(f, o->weight, e);

	if (t && !tensor_on_grid(t, g))
		return err_set(e, NULL, "tensor '%.80s' is not on the grid of the image", o->weight);
	return t ? 0 : -1;
}

static int choose_weight(const struct sampler_opts *o, struct sampler_visit *v, struct err *e)
{
	const struct tensor *t = frame_find(&v->f, o->weight);
	int64_t centre[3], lo[3], hi[3];

	for (int a = 0; a < 3; a++)
		patch_centres(v->size[a], v->g.size[a], &lo[a], &hi[a]);
	if (!v->index->weight.before && weight_make(&v->index->weight, t, &v->g, lo, hi, e))
		return err_prefix(e, "%.80s", o->weight);
	weight_draw(&v->index->weight, t, &v->r, centre);
	around(centre, v);
	return 0;
}

static void describe_weight(const struct sampler_opts *o, json_t *args)
{
	json_object_set_new(args, "weight", json_string(o->weight));
}

static void grid_counts(const struct sampler_opts *o, const struct grid *g, int64_t count[3])
{
	for (int a = 0; a < 3; a++)
		count[a] = patch_grid_count(o->size[a], g->size[a], o->overlap);
}

int64_t sampler_grid_count(const struct sampler_opts *o, const struct grid *g)
{
	int64_t count[3];

	grid_counts(o, g, count);
	return count[0] * count[1] * count[2];
}

/* x is the fastest, as in the volume. */
static int choose_grid(const struct sampler_opts *o, struct sampler_visit *v, struct err *e)
{
	int64_t count[3], i = v->i;

	(void)e;
	grid_counts(o, &v->g, count);
	for (int a = 0; a < 3; i /= count[a], a++)
		v->start[a] = patch_grid_start(i % count[a], v->size[a], v->g.size[a], o->overlap);
	return 0;
}

static void describe_grid(const struct sampler_opts *o, json_t *args)
{
	json_object_set_new(args, "grid", json_true());
	json_object_set_new(args, "overlap", json_real(o->overlap));
}

static int choose_whole(const struct sampler_opts *o, struct sampler_visit *v, struct err *e)
{
	(void)o;
	(void)e;
	memset(v->start, 0, sizeof v->start);
	memcpy(v->size, v->g.size, sizeof v->size);
	return 0;
}

static void describe_whole(const struct sampler_opts *o, json_t *args)
{
	(void)o;
	json_object_set_new(args, "whole", json_true());
}

const struct sampler_way *sampler_way(enum sampler_by by)
{
	static const struct sampler_way way[] = {
		[SAMPLER_POS] = {check_pos, choose_pos, describe_pos},
		[SAMPLER_CLASSES] = {check_label, choose_classes, describe_classes},
		[SAMPLER_OVERSAMPLE] = {check_label, choose_oversample, describe_oversample},
		[SAMPLER_WEIGHT] = {check_weight, choose_weight, describe_weight},
		[SAMPLER_GRID] = {NULL, choose_grid, describe_grid},
		[SAMPLER_WHOLE] = {NULL, choose_whole, describe_whole},
	};

	return &way[by];
}
