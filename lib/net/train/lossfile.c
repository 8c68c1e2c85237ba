#include "lib/net/train/lossfile.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/arch/arch.h"
#include "lib/net/arch/archfile.h"

#define AT(field) offsetof(struct hyper, field)
#define BIT(x) (1u << (x))
#define DICES (BIT(LOSS_DICECE) | BIT(LOSS_DICE) | BIT(LOSS_DICEFOCAL))
#define GDICES (BIT(LOSS_GDICE) | BIT(LOSS_GDICEFOCAL))
#define OVERLAPS (DICES | GDICES | BIT(LOSS_TVERSKY))
#define FOCALS (BIT(LOSS_FOCAL) | BIT(LOSS_DICEFOCAL) | BIT(LOSS_GDICEFOCAL))
#define ENTROPIES (BIT(LOSS_CE) | BIT(LOSS_BCE))
#define MONAI (OVERLAPS | FOCALS)
#define ALL (MONAI | ENTROPIES)

static const struct { const char *target; enum hyper_loss loss; } targets[] = {
	{"DiceLoss", LOSS_DICE}, {"DiceCELoss", LOSS_DICECE}, {"DiceFocalLoss", LOSS_DICEFOCAL}, {"FocalLoss", LOSS_FOCAL}, {"TverskyLoss", LOSS_TVERSKY},
	{"GeneralizedDiceLoss", LOSS_GDICE}, {"GeneralizedDiceFocalLoss", LOSS_GDICEFOCAL}, {"CrossEntropyLoss", LOSS_CE},
	{"BCEWithLogitsLoss", LOSS_BCE},
};

/* How a key is read: a flag; a number; one from 0 to 1 or null; how volumes weigh (all of which have a default); a label or what is none; weights of
   the classes; of the activation; what has but one value here: true or false, null, false, "mean" */
enum how { FLAG, REAL, SHARE, VOLUME, LABEL, WEIGHT, ACTIVATION, EITHER, NONE, OFF, MEAN };

/* The losses that have it; the field, and the peer's default */
static const struct key { const char *key; unsigned of; enum how how; size_t at; double value; } keys[] = {
	{"include_background", MONAI, FLAG, AT(background), 1},
	{"squared_pred", DICES, FLAG, AT(squared), 0},
	{"jaccard", DICES, FLAG, AT(jaccard), 0},
	{"batch", OVERLAPS, FLAG, AT(batch_dice), 0},
	{"smooth_nr", OVERLAPS, REAL, AT(smooth_nr), 1e-5},
	{"smooth_dr", OVERLAPS, REAL, AT(smooth_dr), 1e-5},
	{"lambda_dice", BIT(LOSS_DICECE) | BIT(LOSS_DICEFOCAL), REAL, AT(lambda_dice), 1},
	{"lambda_gdl", BIT(LOSS_GDICEFOCAL), REAL, AT(lambda_dice), 1},
	{"lambda_ce", BIT(LOSS_DICECE), REAL, AT(lambda_ce), 1},
	{"lambda_focal", BIT(LOSS_DICEFOCAL) | BIT(LOSS_GDICEFOCAL), REAL, AT(lambda_ce), 1},
	{"label_smoothing", BIT(LOSS_DICECE) | BIT(LOSS_CE), SHARE, AT(smoothing), 0},
	{"gamma", FOCALS, REAL, AT(gamma), 2},
	{"alpha", BIT(LOSS_FOCAL) | BIT(LOSS_DICEFOCAL), SHARE, AT(focal_alpha), -1},
	{"use_softmax", BIT(LOSS_FOCAL), FLAG, AT(focal_softmax), 0},
	{"alpha", BIT(LOSS_TVERSKY), REAL, AT(alpha), 0.5},
	{"beta", BIT(LOSS_TVERSKY), REAL, AT(beta), 0.5},
	{"w_type", GDICES, VOLUME, AT(volume), 2},
	{"ignore_index", BIT(LOSS_DICE) | BIT(LOSS_FOCAL) | BIT(LOSS_TVERSKY) | BIT(LOSS_GDICE) | BIT(LOSS_CE), LABEL, AT(ignore), -1},
	{"weight", DICES | FOCALS | BIT(LOSS_CE), WEIGHT, AT(weight), 0},
	{"pos_weight", BIT(LOSS_BCE), WEIGHT, AT(weight), 0},
	{"softmax", OVERLAPS, ACTIVATION, 0, 0},
	{"sigmoid", OVERLAPS, ACTIVATION, 0, 0},
	{"to_onehot_y", MONAI, EITHER, 0, 0},
	{"other_act", OVERLAPS, NONE, 0, 0},
	{"soft_label", BIT(LOSS_DICE) | BIT(LOSS_TVERSKY) | BIT(LOSS_GDICE), OFF, 0, 0},
	{"reduction", ALL, MEAN, 0, 0},
};
enum { KEYS = sizeof keys / sizeof *keys };

struct reading { const json_t *o; enum hyper_loss loss; int classes, each; struct hyper *h; };

static double *field(const struct reading *r, const struct key *k)
{
	return (double *)((char *)r->h + k->at);
}

static int has(const struct reading *r, const struct key *k)
{
	return k->of >> r->loss & 1;
}

static int read_flag(const struct reading *r, const struct key *k, const json_t *v, struct err *e)
{
	if (!json_is_boolean(v))
		return err_set(e, NULL, "%s must be true or false", k->key);
	*field(r, k) = json_is_true(v);
	return 0;
}

static int read_real(const struct reading *r, const struct key *k, const json_t *v, struct err *e)
{
	const double x = json_number_value(v), most = k->how == SHARE ? 1 : 1e6;

	if (k->how == SHARE && json_is_null(v))
		return 0;
	if (!json_is_number(v) || !(x >= 0 && x <= most))
		return err_set(e, NULL, "%s must be a number from 0 to %g", k->key, most);
	*field(r, k) = x;
	return 0;
}

/* Below 0, as torch's -100, no label is ignored. */
static int read_label(const struct reading *r, const struct key *k, const json_t *v, struct err *e)
{
	if (json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) > 255)
		return err_set(e, NULL, "%s must be a label, at most 255, or null", k->key);
	if (*field(r, k) >= 0)
		return err_set(e, NULL, "%s says what --ignore-label does", k->key);
	*field(r, k) = json_integer_value(v) < 0 ? -1 : (double)json_integer_value(v);
	return 0;
}

static int read_volume(const struct reading *r, const struct key *k, const json_t *v, struct err *e)
{
	static const char *const words[] = {"uniform", "simple", "square"};

	for (int i = 0; i < 3; i++)
		if (json_is_string(v) && !strcmp(json_string_value(v), words[i])) {
			*field(r, k) = i;
			return 0;
		}
	return err_set(e, NULL, "%s must be \"uniform\", \"simple\" or \"square\"", k->key);
}

/* One for all classes, or a list: MONAI's overlap and focal losses leave the background out of it with include_background. */
static int read_weight(const struct reading *r, const struct key *k, const json_t *v, struct err *e)
{
	const int without = !(r->h->background > 0) && !r->each && r->loss != LOSS_DICECE && r->loss != LOSS_CE && r->loss != LOSS_BCE && r->classes != 1;
	struct arg_floats *w = &r->h->weight;
	int n = json_is_array(v) ? (int)json_array_size(v) + without : r->classes;

	if (json_is_null(v))
		return 0;
	if (!json_is_array(v) && !n)
		return err_set(e, NULL, "%s must be a list: the number of classes is not known yet", k->key);
	if (n > ARG_LIST)
		return err_set(e, NULL, "%s: more than %d classes", k->key, ARG_LIST);
	w->n = n;
	for (int i = 0; i < n; i++) {
		const json_t *one = !json_is_array(v) ? v : i < without ? NULL : json_array_get(v, (size_t)(i - without));

		if (one && (!json_is_number(one) || !(json_number_value(one) >= 0 && json_number_value(one) <= 1e6)))
			return err_set(e, NULL, "%s must be numbers from 0 to 1e6", k->key);
		w->v[i] = one ? json_number_value(one) : 1;
	}
	return 0;
}

/* What has but one value here */
static int read_fixed(const struct reading *r, const struct key *k, const json_t *v, struct err *e)
{
	const struct { int good; const char *wanted; } is[] = {
		[EITHER] = {json_is_boolean(v), "true or false"}, [ACTIVATION] = {json_is_boolean(v), "true or false"}, [NONE] = {json_is_null(v), "null"},
		[OFF] = {json_is_false(v), "false"}, [MEAN] = {json_is_string(v) && !strcmp(json_string_value(v), "mean"), "\"mean\""},
	};

	(void)r;
	return is[k->how].good ? 0 : err_set(e, NULL, "%s must be %s", k->key, is[k->how].wanted);
}

/* The probabilities are a softmax's, of one channel a sigmoid's: MONAI's default, neither, would take the logits for them. */
static int check_activation(const struct reading *r, struct err *e)
{
	int softmax = json_is_true(json_object_get(r->o, "softmax")), sigmoid = json_is_true(json_object_get(r->o, "sigmoid"));

	if (!(OVERLAPS >> r->loss & 1))
		return 0;
	if (softmax == sigmoid)
		return err_set(e, NULL, "softmax or sigmoid must be true, and one alone");
	if (r->classes && (r->each || r->classes == 1) != sigmoid)
		return err_set(e, NULL, "%s must be true: the network has %d %s%s", sigmoid ? "softmax" : "sigmoid", r->classes, r->each ? "region" : "channel",
		               r->classes == 1 ? "" : "s");
	return 0;
}

/* Every key that is there must be one of the loss. */
static int check_keys(const struct reading *r, struct err *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)r->o, key, v) {
		int i = 0;

		while (i < KEYS && (!has(r, &keys[i]) || strcmp(keys[i].key, key)))
			i++;
		if (i == KEYS && strcmp(key, "_target_"))
			return err_set(e, NULL, "option '%.80s' is not known", key);
	}
	return 0;
}

/* The cross entropy of several channels is a softmax's there, whatever the activation: it says nothing of classes that overlap. */
static int check_entropy(const struct reading *r, struct err *e)
{
	if (r->each && r->classes > 1 && (r->loss == LOSS_DICECE || r->loss == LOSS_CE))
		return err_set(e, NULL, "its cross entropy is a softmax's: not of regions (--loss dicece has a sigmoid's)");
	return 0;
}

static int take(const struct reading *r, struct err *e)
{
	static int (*const read[])(const struct reading *, const struct key *, const json_t *, struct err *) = {
		[FLAG] = read_flag, [REAL] = read_real, [SHARE] = read_real, [LABEL] = read_label, [VOLUME] = read_volume, [WEIGHT] = read_weight,
		[ACTIVATION] = read_fixed, [EITHER] = read_fixed, [NONE] = read_fixed, [OFF] = read_fixed, [MEAN] = read_fixed,
	};

	for (int i = 0; i < KEYS; i++) {
		const json_t *v = json_object_get(r->o, keys[i].key);

		if (!has(r, &keys[i]))
			continue;
		if (keys[i].how < LABEL)
			*field(r, &keys[i]) = keys[i].value;
		if (v && read[keys[i].how](r, &keys[i], v, e))
			return -1;
	}
	r->h->loss = r->loss;
	return check_activation(r, e) || check_entropy(r, e) ? -1 : 0;
}

/* Nothing of the loss may be said twice. */
static int check_given(const struct hyper *h, struct err *e)
{
	const struct reading r = {.h = (struct hyper *)h};
	int given = h->loss >= 0 || h->weight.n;

	for (int i = 0; i < KEYS; i++)
		given |= keys[i].how < LABEL && *field(&r, &keys[i]) >= 0;
	return given ? err_set(e, NULL, "--loss-config says all of the loss: --loss and its options have no meaning with it") : 0;
}

static int find(struct reading *r, struct err *e)
{
	const char *target = json_string_value(json_object_get(r->o, "_target_"));
	char there[240] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		if (target && !strcmp(arch_class(target), targets[i].target)) {
			r->loss = targets[i].loss;
			return check_keys(r, e) || take(r, e) ? err_prefix(e, "%s", targets[i].target) : 0;
		}
		used += (size_t)snprintf(there + used, sizeof there - used, "%s%s", i ? ", " : "", targets[i].target);
	}
	return err_set(e, NULL, "loss '%.80s' is not known (there are %s)", target ? target : "", there);
}

int lossfile_read(const char *text, int classes, int each, struct hyper *h, struct err *e)
{
	json_t *root = check_given(h, e) ? NULL : archfile_json(text, e), *loss = root ? archfile_loss(root, e) : NULL;
	struct reading r = {.o = loss, .classes = classes, .each = each, .h = h};
	int bad = loss ? find(&r, e) : -1;

	if (bad && root && *text != '{')
		err_prefix(e, "%s", text);
	json_decref(loss);
	json_decref(root);
	return bad ? -1 : 0;
}
