#include "lib/net/train/resume.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arg.h"
#include "lib/base/hash.h"
#include "lib/base/version.h"
#include "lib/net/arch/arch.h"
#include "lib/net/window/window.h"
#include "lib/stream/history.h"
#include "lib/stream/names.h"
#include "lib/stream/stream.h"

/* PyTorch's names, of enum k_optimizer. */
static const struct { const char *name, *moment[2]; } kinds[] = {
	[K_ADAMW] = {"AdamW", {"exp_avg", "exp_avg_sq"}}, [K_ADAM] = {"Adam", {"exp_avg", "exp_avg_sq"}}, [K_SGD] = {"SGD", {"momentum_buffer"}},
};
static const char aside[] = "weights";

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static double number_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

static json_t *hash_of(uint64_t h)
{
	char text[HASH_TEXT];

	hash_text(h, text);
	return json_string(text);
}

static int set_step(struct frame *f, int64_t step, struct err *e)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRId64, step);
	return frame_set_meta(f, "step", text, e);
}

/* Was this step of the preparation done to patches? */
static int is_late(const json_t *drawing, const json_t *step)
{
	const json_t *entry;
	size_t i;

	json_array_foreach((json_t *)drawing, i, entry)
		if (!strcmp(json_string_value(json_object_get(entry, "tool")), HISTORY_LATE) && json_equal((json_t *)entry, (json_t *)step))
			return 1;
	return 0;
}

/* What made the model, as a history: preparation, patches, training. */
static json_t *story(const struct resume *r)
{
	json_t *step;
	size_t i;
	json_t *a = json_array(), *args = hyper_args(r->options), *arch = json_copy((json_t *)net_arch(r->net));
	char *text;

	json_object_del(arch, arch_channels_key(arch)); /* the patches say it */
	text = json_dumps(arch, JSON_COMPACT | JSON_SORT_KEYS);
	json_array_foreach((json_t *)r->replay, i, step)
		if (!is_late(r->drawing, step))
			json_array_append(a, step);
	json_array_extend(a, (json_t *)r->drawing);
	json_object_set_new(args, "arch", json_string(text ? text : ""));
	json_object_update(args, r->inputs);
	if (!r->unhashed) {
		json_object_set_new(args, "hash", hash_of(r->hash));
		json_object_set_new(args, "patches", json_integer(r->next));
	}
	json_array_append_new(a, json_pack("{s:s, s:s, s:o}", "tool", "seg-train", "version", NIIPIPE_VERSION, "args", args));
	free(text);
	json_decref(arch);
	return a;
}

/* With the names of the labels that they give */
static int set_regions(struct frame *f, const json_t *regions, struct err *e)
{
	struct regions r;
	json_t *names;
	int bad;

	if (frame_set_json(f, "regions", regions, e) || regions_get(f, &r, e))
		return -1;
	names = regions_names(&r);
	bad = frame_set_json(f, "labels", names, e);
	json_decref(names);
	return bad;
}

static int write_model(const struct resume *r, struct out *o, struct err *e)
{
	const char *name = json_string_value(json_object_get(net_arch(r->net), "_target_"));
	json_t *metrics = json_pack("{s:o, s:o, s:o, s:I}", "loss", number(r->loss), "val_dice", number(r->val_dice), "best_val_dice", number(r->best),
	                            "best_step", (json_int_t)r->best_step);
	json_t *history = story(r), *regions = json_object_get(r->options, "regions"), *names = json_object_get(r->options, "labels");
	struct frame f;
	int bad;

	if (frame_init(&f, "model", name ? name : "model", e)) {
		json_decref(metrics);
		json_decref(history);
		return -1;
	}
	bad = history_set(&f, history, e) ||
	      (regions && set_regions(&f, regions, e)) || (names && frame_set_json(&f, "labels", names, e)) ||
	      frame_set_json(&f, "arch", net_arch(r->net), e) ||
	      frame_set_json(&f, "replay", r->replay, e) || frame_set_json(&f, "metrics", metrics, e) ||
	      frame_set_meta(&f, "orient", *r->orient ? r->orient : NULL, e) || frame_set_meta(&f, "channels", json_string_value(r->channels), e) ||
	      set_step(&f, r->step, e) || window_roi_set(&f, r->roi, e) || net_store(r->net, &f, e) || frame_write(&f, o, e);
	json_decref(metrics);
	json_decref(history);
	frame_free(&f);
	return bad ? -1 : 0;
}

static int put_values(const struct resume *r, struct frame *f, const char *name, const float *from, struct err *e)
{
	struct tensor *t = from ? frame_add(f, name, DT_F32, 1, &r->optim->total, e) : NULL;

	return from && (!t || r->k->copy(t->data, from, t->size, K_TO_HOST, e)) ? -1 : 0;
}

static int write_optimizer(const struct resume *r, struct out *o, struct err *e)
{
	const struct optim *own = r->optim;
	const int kind = (int)own->h->optimizer;
	json_t *state = json_pack("{s:I, s:o, s:o, s:I, s:o, s:I, s:I, s:O, s:O*, s:O*, s:o*}", "next", (json_int_t)r->next, "loss", number(r->loss),
	                          "val_dice", number(r->val_dice), "val_step", (json_int_t)r->val_step, "best_val_dice", number(r->best), "best_step",
	                          (json_int_t)r->best_step, "stale", (json_int_t)r->stale, "options", r->options, "inputs", r->inputs,
	                          "pending", r->pending, "hash", r->unhashed ? NULL : hash_of(r->hash));
	struct frame f;
	int bad;

	if (frame_init(&f, "optimizer", kinds[kind].name, e)) {
		json_decref(state);
		return -1;
	}
	bad = frame_set_json(&f, "state", state, e) || set_step(&f, r->step, e) || put_values(r, &f, kinds[kind].moment[0], own->m, e) ||
	      put_values(r, &f, kinds[kind].moment[1], own->v, e) || put_values(r, &f, aside, optim_aside(own), e) || frame_write(&f, o, e);
	json_decref(state);
	frame_free(&f);
	return bad ? -1 : 0;
}

int resume_write(const struct resume *r, struct out *o, int optimizer, struct err *e)
{
	return write_model(r, o, e) || (optimizer && write_optimizer(r, o, e)) ? -1 : 0;
}

/* Metadata of the optimizer frame. */
static int read_state(struct resume *r, const struct frame *f, struct err *e)
{
	const char *kind = frame_meta(f, "kind"), *text = frame_meta(f, "state"), *step = frame_meta(f, "step");
	const char *hash;
	json_t *state;
	int bad;

	if (!kind || strcmp(kind, "optimizer"))
		return err_set(e, NULL, "a frame of kind '%.40s' after the model (expected optimizer)", kind ? kind : "");
	state = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	r->options = json_incref(json_object_get(state, "options"));
	r->inputs = json_incref(json_object_get(state, "inputs"));
	r->pending = json_incref(json_object_get(state, "pending"));
	hash = json_string_value(json_object_get(state, "hash"));
	r->unhashed = !hash;
	bad = hash && hash_parse(hash, &r->hash);
	r->next = json_integer_value(json_object_get(state, "next"));
	r->best_step = json_integer_value(json_object_get(state, "best_step"));
	r->val_step = json_integer_value(json_object_get(state, "val_step"));
	r->stale = json_integer_value(json_object_get(state, "stale"));
	r->loss = number_of(state, "loss");
	r->val_dice = number_of(state, "val_dice");
	r->best = number_of(state, "best_val_dice");
	json_decref(state);
	if (bad || !json_is_object(r->options) || r->next < 1 || !step || arg_int(step, 1, INT64_MAX, &r->step, e))
		return err_set(e, NULL, "the optimizer's metadata state or step is missing or malformed");
	return 0;
}

int resume_read(struct resume *r, struct model *m, struct frame *f, struct err *e)
{
	int got = stream_next(m->stream, f, e);

	memcpy(r->orient, m->orient, sizeof r->orient);
	r->channels = frame_meta(&m->frame, "channels") ? json_string(frame_meta(&m->frame, "channels")) : NULL;
	if (got < 0)
		return -1;
	if (!got)
		return err_set(e, m->file, "holds a model alone, no optimizer frame: training goes on from the file *.last.ts (--init takes the weights)");
	return read_state(r, f, e) ? err_prefix(e, "%s", m->file) : 0;
}

int resume_channels(const struct resume *r, const json_t *now, const char *file, struct err *e)
{
	const char *is = json_string_value(now), *was = json_string_value(r->channels);

	if (!names_other_channels(is, was))
		return 0;
	return err_set(e, NULL, "the patches' channels are %.200s, those that %s was trained with %.200s", is, file, was);
}

/* Values a parameter, host memory; NULL and an error. */
static const void *values(const struct resume *r, const struct frame *f, const char *name, struct err *e)
{
	const struct tensor *t = frame_need(f, name, e);

	if (t && (t->dtype != DT_F32 || t->rank != 1 || t->shape[0] != r->optim->total)) {
		err_set(e, NULL, "tensor '%s' is not F32 [%lld], one value a parameter", name, (long long)r->optim->total);
		return NULL;
	}
	return t ? t->data : NULL;
}

static int take(struct resume *r, const struct frame *f, struct err *e)
{
	const struct optim *own = r->optim;
	const int kind = (int)own->h->optimizer;
	float *to[2] = {own->m, own->v};
	const void *from;

	if (strcmp(frame_id(f), kinds[kind].name))
		return err_set(e, NULL, "holds the state of %.40s, not of %s (--init takes the weights alone)", frame_id(f), kinds[kind].name);
	for (int i = 0; i < 2 && to[i]; i++) {
		from = values(r, f, kinds[kind].moment[i], e);
		if (!from || r->k->copy(to[i], from, (size_t)own->total * sizeof(float), K_TO_DEVICE, e))
			return -1;
	}
	if (!frame_find(f, aside))
		return 0;
	from = values(r, f, aside, e);
	return from ? optim_take(r->optim, from, e) : -1;
}

int resume_moments(struct resume *r, const struct frame *f, const char *file, struct err *e)
{
	return take(r, f, e) ? err_prefix(e, "%s", file) : 0;
}
