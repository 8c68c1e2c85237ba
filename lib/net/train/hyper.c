#include "lib/net/train/hyper.h"

#include <stddef.h>
#include <string.h>

#include "kernels/backend.h"
#include "lib/base/option.h"
#include "lib/net/run/device.h"
#include "lib/stream/regions.h"

#define AT(field) offsetof(struct hyper, field)
#define BIT(x) (1u << (x))
#define ALL (~0u)
#define DICES (BIT(LOSS_DICECE) | BIT(LOSS_DICE) | BIT(LOSS_DICEFOCAL))
#define OVERLAPS (DICES | BIT(LOSS_TVERSKY) | BIT(LOSS_GDICE) | BIT(LOSS_GDICEFOCAL))
#define FOCALS (BIT(LOSS_FOCAL) | BIT(LOSS_DICEFOCAL) | BIT(LOSS_GDICEFOCAL))
#define PAIRS (BIT(LOSS_DICECE) | BIT(LOSS_DICEFOCAL) | BIT(LOSS_GDICEFOCAL) | BIT(LOSS_NNUNET))
#define ADAMS (BIT(K_ADAMW) | BIT(K_ADAM))
#define FALLING (ALL & ~BIT(SCHEDULE_CONSTANT))

/* Its name in checkpoints and, where that is another, of the option; the default; which choices of `of` give it a meaning. */
static const struct entry { const char *name, *option; size_t at; double value; size_t of; unsigned where; } entries[] = {
	{"loss", NULL, AT(loss), LOSS_DICECE, AT(loss), ALL},
	{"squared", "no-squared", AT(squared), 1, AT(loss), DICES},
	{"background", "no-background", AT(background), 1, AT(loss), OVERLAPS | FOCALS},
	{"jaccard", NULL, AT(jaccard), 0, AT(loss), DICES},
	{"batch-dice", NULL, AT(batch_dice), 0, AT(loss), OVERLAPS | BIT(LOSS_NNUNET)},
	{"smooth-nr", NULL, AT(smooth_nr), 1e-5, AT(loss), OVERLAPS | BIT(LOSS_NNUNET)},
	{"smooth-dr", NULL, AT(smooth_dr), 1e-5, AT(loss), OVERLAPS | BIT(LOSS_NNUNET)},
	{"lambda-dice", NULL, AT(lambda_dice), 1, AT(loss), PAIRS},
	{"lambda-ce", NULL, AT(lambda_ce), 1, AT(loss), PAIRS},
	{"label-smoothing", NULL, AT(smoothing), 0, AT(loss), BIT(LOSS_DICECE) | BIT(LOSS_CE) | BIT(LOSS_NNUNET)},
	{"gamma", NULL, AT(gamma), 2, AT(loss), FOCALS},
	{"focal-alpha", NULL, AT(focal_alpha), -1, AT(loss), FOCALS},
	{"focal-softmax", NULL, AT(focal_softmax), 0, AT(loss), FOCALS},
	{"ignore-label", NULL, AT(ignore), -1, AT(loss), ALL},
	{"tversky-alpha", NULL, AT(alpha), 0.5, AT(loss), BIT(LOSS_TVERSKY)},
	{"tversky-beta", NULL, AT(beta), 0.5, AT(loss), BIT(LOSS_TVERSKY)},
	{"volume-weight", NULL, AT(volume), 2, AT(loss), BIT(LOSS_GDICE) | BIT(LOSS_GDICEFOCAL)},
	{"optimizer", NULL, AT(optimizer), K_ADAMW, AT(optimizer), ALL},
	{"lr", NULL, AT(lr), 3e-4, AT(optimizer), ALL},
	{"decay", NULL, AT(decay), 1e-5, AT(optimizer), ALL},
	{"no-decay", NULL, AT(no_decay), 0, AT(optimizer), ALL},
	{"beta1", NULL, AT(beta1), 0.9, AT(optimizer), ADAMS},
	{"beta2", NULL, AT(beta2), 0.999, AT(optimizer), ADAMS},
	{"eps", NULL, AT(eps), 1e-8, AT(optimizer), ADAMS},
	{"momentum", NULL, AT(momentum), 0.9, AT(optimizer), BIT(K_SGD)},
	{"nesterov", NULL, AT(nesterov), 0, AT(optimizer), BIT(K_SGD)},
	{"clip", NULL, AT(clip), 0, AT(optimizer), ALL},
	{"accumulate", NULL, AT(accumulate), 1, AT(optimizer), ALL},
	{"ema", NULL, AT(ema), 0, AT(optimizer), ALL},
	{"schedule", NULL, AT(schedule), SCHEDULE_CONSTANT, AT(schedule), ALL},
	{"steps", NULL, AT(steps), 0, AT(schedule), ALL},
	{"epoch-steps", NULL, AT(epoch_steps), 1, AT(schedule), FALLING},
	{"power", NULL, AT(power), 0.9, AT(schedule), BIT(SCHEDULE_POLY)},
	{"warmup", NULL, AT(warmup), -1, AT(schedule), BIT(SCHEDULE_WARMUP) | BIT(SCHEDULE_ONECYCLE)},
	{"end-lr", NULL, AT(end_lr), 0, AT(schedule), BIT(SCHEDULE_COSINE) | BIT(SCHEDULE_WARMUP)},
	{"cycle-momentum", NULL, AT(cycle_momentum), 0, AT(schedule), BIT(SCHEDULE_ONECYCLE)},
	{"batch", NULL, AT(batch), 1, AT(loss), ALL},
	{"seed", NULL, AT(seed), 0, AT(loss), ALL},
	{"precision", NULL, AT(precision), K_AUTO, AT(loss), ALL},
};
enum { ENTRIES = sizeof entries / sizeof *entries };

/* nnU-Net: nnunetv2/training/nnUNetTrainer/nnUNetTrainer.py. SwinUNETR: MONAI's research-contributions/SwinUNETR/BTCV/main.py. */
static const struct { int recipe; size_t at; double value; } recipes[] = {
	{RECIPE_NNUNET, AT(loss), LOSS_NNUNET}, {RECIPE_NNUNET, AT(optimizer), K_SGD}, {RECIPE_NNUNET, AT(lr), 0.01}, {RECIPE_NNUNET, AT(decay), 3e-5},
	{RECIPE_NNUNET, AT(momentum), 0.99}, {RECIPE_NNUNET, AT(nesterov), 1}, {RECIPE_NNUNET, AT(clip), 12},
	{RECIPE_NNUNET, AT(schedule), SCHEDULE_POLY}, {RECIPE_NNUNET, AT(epoch_steps), 250},
	{RECIPE_SWINUNETR, AT(squared), 0}, {RECIPE_SWINUNETR, AT(lr), 1e-4}, {RECIPE_SWINUNETR, AT(schedule), SCHEDULE_WARMUP},
	{RECIPE_SWINUNETR, AT(warmup), 0.01},
};

static double *at(struct hyper *h, size_t offset)
{
	return (double *)((char *)h + offset);
}

void hyper_unset(struct hyper *h)
{
	memset(h, 0, sizeof *h);
	for (int i = 0; i < ENTRIES; i++)
		*at(h, entries[i].at) = -1;
}

static double recipe_value(int recipe, const struct entry *n)
{
	for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
		if (recipes[i].recipe == recipe && recipes[i].at == n->at)
			return recipes[i].value;
	return n->value;
}

static void settle_weight(struct hyper *h, const json_t *was)
{
	if (h->weight.n || json_array_size(was) > ARG_LIST)
		return;
	h->weight.n = (int)json_array_size(was);
	for (int i = 0; i < h->weight.n; i++)
		h->weight.v[i] = json_number_value(json_array_get(was, (size_t)i));
}

static json_t *weight_json(const struct hyper *h)
{
	json_t *a = json_array();

	for (int i = 0; i < h->weight.n; i++)
		json_array_append_new(a, json_real(h->weight.v[i]));
	return a;
}

static int without_meaning(struct hyper *h, const struct entry *n, struct err *e)
{
	const char *words = n->of == AT(loss) ? HYPER_LOSSES : n->of == AT(optimizer) ? HYPER_OPTIMIZERS : HYPER_SCHEDULES;
	const char *option = n->of == AT(loss) ? "loss" : n->of == AT(optimizer) ? "optimizer" : "schedule";
	json_t *name = option_word(words, (int)*at(h, n->of));

	err_set(e, NULL, "--%s has no meaning with --%s %s", n->option ? n->option : n->name, option, json_string_value(name));
	json_decref(name);
	return -1;
}

int hyper_settle(struct hyper *h, int recipe, json_t **options, struct err *e)
{
	json_t *old = *options;
	int given[ENTRIES], bad = 0;

	*options = json_object();
	for (int i = 0; i < ENTRIES; i++) {
		const struct entry *n = &entries[i];
		const json_t *was = json_object_get(old, n->name);
		double *v = at(h, n->at);

		given[i] = *v >= 0;
		if (!given[i])
			*v = json_is_number(was) ? json_number_value(was) : recipe_value(old ? -1 : recipe, n);
		json_object_set_new(*options, n->name, json_real(*v));
	}
	for (int i = 0; i < ENTRIES && !bad; i++)
		if (given[i] && !(entries[i].where >> (int)*at(h, entries[i].of) & 1))
			bad = without_meaning(h, &entries[i], e);
	settle_weight(h, json_object_get(old, "class-weights"));
	if (h->weight.n)
		json_object_set_new(*options, "class-weights", weight_json(h));
	json_decref(old);
	return bad;
}

json_t *hyper_args(const json_t *options)
{
	static const struct { size_t at; const char *words; } choices[] = {
		{AT(loss), HYPER_LOSSES}, {AT(optimizer), HYPER_OPTIMIZERS}, {AT(schedule), HYPER_SCHEDULES}, {AT(volume), HYPER_VOLUMES},
		{AT(precision), DEVICE_PRECISIONS},
	};
	static const size_t flags[] = {AT(squared), AT(background), AT(jaccard), AT(batch_dice), AT(focal_softmax), AT(no_decay), AT(nesterov)};
	const json_t *weight = json_object_get(options, "class-weights"), *regions = json_object_get(options, "regions");
	json_t *o = json_object();

	for (int i = 0; i < ENTRIES; i++) {
		const struct entry *n = &entries[i];
		const json_t *is = json_object_get(options, n->name);
		json_t *v = json_copy((json_t *)is);

		if (!is || json_number_value(is) == n->value) {
			json_decref(v);
			continue;
		}
		for (size_t k = 0; k < sizeof choices / sizeof *choices; k++)
			if (choices[k].at == n->at) {
				json_decref(v);
				v = option_word(choices[k].words, (int)json_number_value(is));
			}
		for (size_t k = 0; k < sizeof flags / sizeof *flags; k++)
			if (flags[k] == n->at) {
				json_decref(v);
				v = json_true();
			}
		json_object_set_new(o, n->option ? n->option : n->name, v);
	}
	if (weight)
		json_object_set(o, "class-weights", (json_t *)weight);
	if (regions)
		json_object_set_new(o, "regions", regions_argument(regions));
	return o;
}

void hyper_steps(struct hyper *h, int64_t steps, json_t *options)
{
	h->steps = (double)steps;
	json_object_set_new(options, "steps", json_real(h->steps));
}

void hyper_precision(struct hyper *h, int precision, json_t *options)
{
	h->precision = precision;
	json_object_set_new(options, "precision", json_real(h->precision));
}
