#include "lib/net/planner/planner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/net/arch/topology.h"
#include "lib/stream/history.h"

enum { TRIES = 100000, BATCH = 2, BATCH_FLAT = 12 }; /* least batch, and those of the references */

static const double ANISOTROPY = 3, LOWRES = 0.25, COARSER = 1.03;

static const struct kind {
	const char *class, *plans;
	int residual;
	double memory, reference[2]; /* GB, and the feature maps that fill them, of three dimensions and of two */
	double covered;           /* share of the data set that a batch may be */
} KINDS[] = {
	[PLANNER_NNUNET] = {"ExperimentPlanner", "nnUNetPlans", 0, 8, {560e6, 85e6}, 0.05},
	[PLANNER_RESENC] = {"ResEncUNetPlanner", "nnUNetResEncUNetPlans", 1, 8, {680e6, 135e6}, 0.05},
	[PLANNER_RESENC_M] = {"nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans", 1, 8, {680e6, 135e6}, 1},
	[PLANNER_RESENC_L] = {"nnUNetPlannerResEncL", "nnUNetResEncUNetLPlans", 1, 24, {2100e6, 380e6}, 1},
	[PLANNER_RESENC_XL] = {"nnUNetPlannerResEncXL", "nnUNetResEncUNetXLPlans", 1, 40, {3600e6, 560e6}, 1},
};

/* -- the data set -- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* numpy.percentile's default, to the last bit; sorts v. */
static double percentile(double *v, int64_t n, double share)
{
	double place = share * (double)(n - 1), part = place - floor(place), lo, hi;

	qsort(v, (size_t)n, sizeof *v, by_value);
	lo = v[(int64_t)place];
	hi = v[(int64_t)place + 1 < n ? (int64_t)place + 1 : n - 1];
	return part >= 0.5 ? hi - (hi - lo) * (1 - part) : lo + (hi - lo) * part;
}

/* For each axis the percentile of what `of` says of the cases; v: scratch. */
typedef double value_of(const struct fingerprint_case *c, int axis, const double *target);

static double each(const struct fingerprint *p, value_of *of, int axis, const double *target, double share, double *v)
{
	for (int64_t i = 0; i < p->n; i++)
		v[i] = of(&p->c[i], axis, target);
	return percentile(v, p->n, share);
}

static double spacing_of(const struct fingerprint_case *c, int axis, const double *target)
{
	(void)target;
	return c->spacing[axis];
}

static double shape_of(const struct fingerprint_case *c, int axis, const double *target)
{
	(void)target;
	return (double)c->shape[axis];
}

static double resampled(const struct fingerprint_case *c, int axis, const double *target)
{
	return rint(c->spacing[axis] / target[axis] * (double)c->shape[axis]);
}

static int coarsest(const double s[3])
{
	return s[1] > s[0] ? (s[2] > s[1] ? 2 : 1) : s[2] > s[0] ? 2 : 0;
}

static void target_spacing(const struct planner *o, const struct fingerprint *p, double target[3], double *scratch)
{
	double size[3], others = 0, least = INFINITY;
	int worst;

	for (int a = 0; a < 3; a++) {
		target[a] = o->spacing[0] > 0 ? o->spacing[a] : each(p, spacing_of, a, NULL, 0.5, scratch);
		size[a] = each(p, shape_of, a, NULL, 0.5, scratch);
	}
	worst = coarsest(target);
	for (int a = 0; a < 3; a++)
		if (a != worst) {
			others = fmax(others, target[a]);
			least = fmin(least, size[a]);
		}
	if (o->spacing[0] > 0 || !(target[worst] > ANISOTROPY * others && size[worst] * ANISOTROPY < least))
		return;
	target[worst] = each(p, spacing_of, worst, NULL, 0.1, scratch);
	if (target[worst] < others)
		target[worst] = others + 1e-5;
}

/* -- a configuration -- */

struct setup {
	const struct planner *o;
	const struct kind *kind;
	const struct fingerprint *p;
	double memory;
	int order[3];                                /* transpose_forward */
	double spacing[3], median[3];                /* target spacing, median shape after resampling; all transposed */
	double near[3], original[3];                 /* as the data are: median spacing, shape */
};

struct config { int flat; double spacing[3], median[3]; struct topology t; double batch; }; /* flat: see topology.h */

static double voxels(const double s[3])
{
	return s[0] * s[1] * s[2];
}

/* The axis that is longest against the volumes'; of equal ones the last. */
static int longest(const struct topology *t, const double median[3])
{
	int worst = t->flat;

	for (int a = worst + 1; a < 3; a++)
		if (t->patch[a] / median[a] >= t->patch[worst] / median[worst])
			worst = a;
	return worst;
}

static void shrink(struct config *c)
{
	int a = longest(&c->t, c->median);
	double smaller[3], patch[3];
	struct topology next;

	memcpy(smaller, c->t.patch, sizeof smaller);
	memcpy(patch, c->t.patch, sizeof patch);
	smaller[a] -= c->t.divide[a];
	topology_make(&next, c->flat, c->spacing, smaller);
	patch[a] -= next.divide[a];
	topology_make(&c->t, c->flat, c->spacing, patch);
}

/* One of the volumes' proportions, certainly too large, but no larger than they are. */
static void first_patch(const struct config *c, double patch[3])
{
	const double edge = c->flat ? 2048. * 2048 : 256. * 256 * 256;
	double inverse[3] = {1, 1, 1};

	patch[0] = 1;
	for (int a = c->flat; a < 3; a++)
		inverse[a] = 1 / c->spacing[a];
	for (int a = c->flat; a < 3; a++)
		patch[a] = fmin(rint(inverse[a] * pow(edge / voxels(inverse), 1.0 / (3 - c->flat))), c->median[a]);
}

static int configure(const struct setup *s, struct config *c, double cases, struct err *e)
{
	const double reference = s->kind->reference[c->flat] * (s->memory / s->kind->memory), full = c->flat ? BATCH_FLAT : BATCH;
	const double held = s->kind->residual ? 1 : BATCH / full; /* what it takes in the end is the least batch's */
	double patch[3], features;
	int tries = 0;

	first_patch(c, patch);
	topology_make(&c->t, c->flat, c->spacing, patch);
	while ((features = topology_features(&c->t, s->kind->residual, s->o->classes)) * held > reference && c->t.stages > 1 && tries++ < TRIES)
		shrink(c);
	if (tries && (c->t.stages < 2 || tries >= TRIES))
		return err_set(e, NULL, "no patch is small enough for %g GB", s->memory);
	if (c->t.stages < 2)
		return err_set(e, NULL, "volumes of %gx%gx%g voxels (z,y,x; the median, at the target spacing) are too small for a network", c->median[0],
		               c->median[1], c->median[2]);
	c->batch = fmin(rint(reference / features * full), rint(cases * s->kind->covered / voxels(c->t.patch)));
	c->batch = fmax(c->batch, BATCH);
	return 0;
}

/* 1: there is a lowres configuration; 0; -1. */
static int lowres(const struct setup *s, const struct config *full, struct config *low, struct err *e)
{
	double whole = voxels(full->median), median = whole, patch = voxels(full->t.patch);
	int made = 0;

	*low = *full;
	while (patch / median < LOWRES) {
		double *sp = low->spacing, most = fmax(sp[0], fmax(sp[1], sp[2])), ratio[3];
		int apart = most / sp[0] > 2 || most / sp[1] > 2 || most / sp[2] > 2;

		for (int a = 0; a < 3; a++)
			sp[a] *= !apart || most / sp[a] > 2 ? COARSER : 1;
		for (int a = 0; a < 3; a++) {
			ratio[a] = full->spacing[a] / sp[a] * full->median[a];
			low->median[a] = rint(ratio[a]);
		}
		median = voxels(ratio);
		if (configure(s, low, median * (double)s->p->n, e))
			return -1;
		patch = voxels(low->t.patch);
		made = 1;
	}
	return made && whole / median >= 2;
}

/* -- JSON -- */

/* Of two dimensions without the first */
static json_t *sizes(const int v[][3], int n, int flat)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++) {
		json_t *one = json_array();

		for (int a = flat; a < 3; a++)
			json_array_append_new(one, json_integer(v[i][a]));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *per_stage(int n, int of(int stage, int kind), int kind)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_integer(of(i, kind)));
	return list;
}

static int decoder_of(int stage, int residual)
{
	(void)stage;
	return residual ? 1 : 2;
}

static json_t *architecture(const struct topology *t, int residual)
{
	const char *conv = t->flat ? "torch.nn.modules.conv.Conv2d" : "torch.nn.modules.conv.Conv3d";
	const char *norm = t->flat ? "torch.nn.modules.instancenorm.InstanceNorm2d" : "torch.nn.modules.instancenorm.InstanceNorm3d";
	json_t *args = json_pack("{s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:b, s:s, s:{s:f, s:b}, s:n, s:n, s:s, s:{s:b}}", "n_stages", t->stages,
		"features_per_stage", per_stage(t->stages, topology_channels, t->flat), "conv_op", conv, "kernel_sizes",
		sizes(t->kernel, t->stages, t->flat), "strides", sizes(t->stride, t->stages, t->flat),
		residual ? "n_blocks_per_stage" : "n_conv_per_stage", per_stage(t->stages, topology_blocks, residual), "n_conv_per_stage_decoder",
		per_stage(t->stages - 1, decoder_of, residual), "conv_bias", 1, "norm_op", norm, "norm_op_kwargs", "eps", 1e-5, "affine", 1, "dropout_op",
		"dropout_op_kwargs", "nonlin", "torch.nn.LeakyReLU", "nonlin_kwargs", "inplace", 1);

	return json_pack("{s:s, s:o, s:[s, s, s, s]}", "network_class_name",
		residual ? "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet" :
	                 "dynamic_network_architectures.architectures.unet.PlainConvUNet", "arch_kwargs", args, "_kw_requires_import", "conv_op", "norm_op",
	                 "dropout_op", "nonlin");
}

/* NAME, NAME_kwargs */
static void resampling(json_t *o, const char *name, int seg, int order)
{
	char key[64];

	json_object_set_new(o, name, json_string("resample_data_or_seg_to_shape"));
	snprintf(key, sizeof key, "%s_kwargs", name);
	json_object_set_new(o, key, json_pack("{s:b, s:i, s:i, s:n}", "is_seg", seg, "order", order, "order_z", 0, "force_separate_z"));
}

static json_t *config_json(const struct setup *s, const struct config *c, const char *name, int batch_dice)
{
	json_t *masks, *schemes = planner_schemes(s->o, s->p, &masks), *patch = json_array(), *o;
	char id[80];

	for (int a = c->flat; a < 3; a++)
		json_array_append_new(patch, json_integer((json_int_t)c->t.patch[a]));
	snprintf(id, sizeof id, "%s_%s", strcmp(name, "3d_lowres") ? "nnUNetPlans" : s->kind->plans, name);
	o = json_pack("{s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "data_identifier", id, "preprocessor_name",
		"DefaultPreprocessor", "batch_size", (json_int_t)c->batch, "patch_size", patch, "median_image_size_in_voxels",
		json_reals(c->median + c->flat, 3 - c->flat), "spacing", json_reals(c->spacing + c->flat, 3 - c->flat), "normalization_schemes", schemes,
		"use_mask_for_norm", masks, "architecture", architecture(&c->t, s->kind->residual), "batch_dice", batch_dice);
	resampling(o, "resampling_fn_data", 0, 3);
	resampling(o, "resampling_fn_seg", 1, 1);
	resampling(o, "resampling_fn_probabilities", 0, 1);
	return o;
}

static json_t *whole(const double v[3])
{
	return json_pack("[I, I, I]", (json_int_t)rint(v[0]), (json_int_t)rint(v[1]), (json_int_t)rint(v[2]));
}

static json_t *plans_json(const struct setup *s, json_t *configurations)
{
	json_t *fingerprint = fingerprint_json(s->p), *cases = json_array(), *o;
	json_t *stats = json_object_get(fingerprint, "foreground_intensity_properties_per_channel");
	int back[3];

	for (int a = 0; a < 3; a++)
		back[s->order[a]] = a;
	for (int64_t i = 0; i < s->p->n; i++)
		if (s->p->c[i].id)
			json_array_append_new(cases, json_string(s->p->c[i].id));
	o = json_pack("{s:s, s:s, s:o, s:o, s:s, s:[i, i, i], s:[i, i, i], s:o, s:s, s:s, s:O, s:{s:s, s:I, s:i, s:o}}", "dataset_name",
		s->o->name, "plans_name", s->kind->plans, "original_median_spacing_after_transp", json_reals(s->near, 3),
		"original_median_shape_after_transp", whole(s->original),
		"image_reader_writer", "SimpleITKIO", "transpose_forward", s->order[0], s->order[1], s->order[2], "transpose_backward", back[0], back[1],
		back[2], "configurations", configurations, "experiment_planner_used", s->kind->class, "label_manager", "LabelManager",
		"foreground_intensity_properties_per_channel", stats, "niipipe", "version", NIIPIPE_VERSION, "classes", (json_int_t)s->o->classes, "channels",
		s->p->channels, "cases", cases);
	json_decref(fingerprint);
	return o;
}

/* -- all of it -- */

static void set_up(struct setup *s, double *scratch)
{
	double target[3];
	int n = 1;

	target_spacing(s->o, s->p, target, scratch);
	s->order[0] = coarsest(target);
	for (int a = 0; a < 3; a++)
		if (a != s->order[0])
			s->order[n++] = a;
	for (int k = 0; k < 3; k++) {
		int a = s->order[k];

		s->spacing[k] = target[a];
		s->median[k] = each(s->p, resampled, a, target, 0.5, scratch);
		s->near[k] = each(s->p, spacing_of, a, NULL, 0.5, scratch);
		s->original[k] = each(s->p, shape_of, a, NULL, 0.5, scratch);
	}
}

static struct config config_of(const struct setup *s, int flat)
{
	struct config c = {.flat = flat};

	memcpy(c.spacing, s->spacing, sizeof c.spacing);
	memcpy(c.median, s->median, sizeof c.median);
	return c;
}

/* All three of three dimensions, or the first of them. */
static int plan_volumes(const struct setup *s, json_t *all, struct err *e)
{
	struct config full = config_of(s, 0), low;
	json_t *l;
	int lower;

	if (configure(s, &full, voxels(full.median) * (double)s->p->n, e) || (lower = lowres(s, &full, &low, e)) < 0)
		return -1;
	json_object_set_new(all, "3d_fullres", config_json(s, &full, "3d_fullres", lower));
	if (!lower)
		return 0;
	l = config_json(s, &low, "3d_lowres", 0);
	json_object_set_new(l, "next_stage", json_string("3d_cascade_fullres"));
	json_object_set_new(all, "3d_lowres", l);
	json_object_set_new(all, "3d_cascade_fullres", json_pack("{s:s, s:s}", "inherits_from", "3d_fullres", "previous_stage", "3d_lowres"));
	return 0;
}

static int plan_slices(const struct setup *s, json_t *all, struct err *e)
{
	struct config flat = config_of(s, 1);

	if (configure(s, &flat, voxels(flat.median) * (double)s->p->n, e))
		return -1;
	json_object_set_new(all, "2d", config_json(s, &flat, "2d", 1));
	return 0;
}

json_t *planner_plan(const struct planner *o, const struct fingerprint *p, struct err *e)
{
	const struct kind *kind = &KINDS[o->kind];
	struct setup s = {.o = o, .kind = kind, .p = p, .memory = o->memory > 0 ? o->memory : kind->memory};
	double *scratch = mem_new((size_t)p->n, sizeof *scratch, "cases", e);
	json_t *all = json_object();
	struct err none;
	int bad;

	if (o->schemes > 1 && o->schemes != p->channels)
		bad = err_set(e, NULL, "%d schemes of normalization for %d channel%s", o->schemes, p->channels, p->channels == 1 ? "" : "s");
	else
		bad = scratch ? 0 : -1;
	if (!bad)
		set_up(&s, scratch);
	free(scratch);
	if (!bad && s.median[0] == 1) /* slices alone */
		bad = plan_slices(&s, all, e);
	else if (!bad && !(bad = plan_volumes(&s, all, e)))
		plan_slices(&s, all, &none);
	if (!bad)
		return plans_json(&s, all);
	json_decref(all);
	return NULL;
}
