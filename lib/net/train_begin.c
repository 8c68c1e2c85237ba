#include "lib/net/train_begin.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/net/arch.h"
#include "lib/net/validate.h"
#include "lib/stream/stream.h"

static const struct { const char *name; size_t at; double value; } hypers[] = {
	{"loss", offsetof(struct train_hyper, loss), TRAIN_DICECE},
	{"squared", offsetof(struct train_hyper, squared), 1},
	{"background", offsetof(struct train_hyper, background), 1},
	{"lr", offsetof(struct train_hyper, lr), 3e-4},
	{"decay", offsetof(struct train_hyper, decay), 1e-5},
	{"beta1", offsetof(struct train_hyper, beta1), 0.9},
	{"beta2", offsetof(struct train_hyper, beta2), 0.999},
	{"eps", offsetof(struct train_hyper, eps), 1e-8},
	{"batch", offsetof(struct train_hyper, batch), 1},
	{"seed", offsetof(struct train_hyper, seed), 0},
};

/* What was not given comes from the checkpoint, else is the default; *options: all of them as JSON. */
static void settle(struct train_hyper *h, json_t **options)
{
	json_t *old = *options;

	*options = json_object();
	for (size_t i = 0; i < sizeof hypers / sizeof *hypers; i++) {
		double *v = (double *)((char *)h + hypers[i].at);
		const json_t *was = json_object_get(old, hypers[i].name);

		if (*v < 0)
			*v = json_is_number(was) ? json_number_value(was) : hypers[i].value;
		json_object_set_new(*options, hypers[i].name, json_real(*v));
	}
	json_decref(old);
}

static void set_terms(struct train *r)
{
	r->terms = (struct k_loss){
		.w_dice = r->h.loss != TRAIN_CE, .w_ce = r->h.loss != TRAIN_DICE, .squared = r->h.squared > 0, .background = r->h.background > 0,
		.smooth_nr = 1e-5f, .smooth_dr = 1e-5f,
	};
}

/* Hours of training must not end at a directory that cannot be written to. */
static int check_out(struct train *r, struct err *e)
{
	struct out o;

	if (out_open(&o, r->o->out, 1, e))
		return -1;
	out_abort(&o);
	if (!r->o->out)
		return 0;
	r->last = train_last(r->o->out);
	return 0;
}

static int moments(struct train *r, struct err *e)
{
	size_t bytes;

	net_block(r->net, &r->w, &r->g, &r->total);
	if (mem_mul(&bytes, (size_t)r->total, sizeof(float)))
		return err_set(e, NULL, "the network is too large");
	r->at.net = r->net;
	r->at.m = r->k->alloc(bytes, e);
	r->at.v = r->at.m ? r->k->alloc(bytes, e) : NULL;
	return !r->at.v || r->k->zero(r->at.m, bytes, e) || r->k->zero(r->at.v, bytes, e) ? -1 : 0;
}

/* Is the checkpoint's network the one that was asked for? */
static int check_arch(const struct train *r, struct err *e)
{
	const char *key;
	json_t *wanted;

	json_object_foreach(r->o->arch, key, wanted) {
		const json_t *is = json_object_get(net_arch(r->net), key);

		if (!json_equal(is, wanted)) {
			char *a = json_dumps(is, JSON_COMPACT | JSON_ENCODE_ANY), *b = json_dumps(wanted, JSON_COMPACT | JSON_ENCODE_ANY);

			err_set(e, r->from.file, "is another network: %s %.200s, not %.200s", key, a ? a : "unset", b ? b : "?");
			free(a);
			free(b);
			return -1;
		}
	}
	return 0;
}

/* A checkpoint to begin with, before any patch is looked at. */
static int load(struct train *r, struct err *e)
{
	const char *path = r->o->resume ? r->o->resume : r->o->init;

	if (!path)
		return 0;
	if (model_open(&r->from, path, e))
		return -1;
	r->net = net_new(r->from.arch, r->k, e);
	if (!r->net)
		return err_prefix(e, "%s", path);
	if (check_arch(r, e) || net_load(r->net, &r->from.frame, e))
		return -1;
	if (r->o->resume && (moments(r, e) || resume_read(&r->at, &r->from, e)))
		return -1;
	frame_free(&r->from.frame); /* the weights are on the device */
	stream_close(r->from.stream);
	r->from.stream = NULL;
	return 0;
}

int train_begin(struct train *r, struct err *e)
{
	if ((!r->o->summary && check_out(r, e)) || load(r, e))
		return -1;
	settle(&r->h, &r->at.options);
	set_terms(r);
	return 0;
}

static int fresh_net(struct train *r, const struct feed_batch *b, struct err *e)
{
	json_t *arch = json_copy(r->o->arch);

	json_object_set_new(arch, arch_channels_key(arch), json_integer(b->channels));
	r->net = net_new(arch, r->k, e);
	json_decref(arch);
	return !r->net || net_init(r->net, (uint64_t)r->h.seed, e) ? -1 : 0;
}

/* Do the patches fit the checkpoint? */
static int check_resumed(const struct train *r, const struct feed_batch *b, struct err *e)
{
	if (net_channels(r->net) != b->channels)
		return err_set(e, feed_name(r->feed), "patches of %lld channel(s) (the network of %s wants %d)", (long long)b->channels, r->from.file,
		               net_channels(r->net));
	if (!r->o->resume)
		return 0;
	if (!json_equal(r->from.replay, feed_replay(r->feed)))
		return err_set(e, feed_name(r->feed), "the patches are prepared otherwise than those that %s was trained with", r->from.file);
	if (b->first != r->at.next)
		return err_set(e, feed_name(r->feed), "begins with patch %lld, but %s wants patch %lld next: give nii-patch --skip %lld", (long long)b->first,
		               r->from.file, (long long)r->at.next, (long long)r->at.next);
	return 0;
}

int train_begin_with(struct train *r, const struct feed_batch *b, struct err *e)
{
	const struct train_opts *o = r->o;

	if (r->net ? check_resumed(r, b, e) : fresh_net(r, b, e))
		return -1;
	if (net_plan(r->net, b->n, b->size, 1, e))
		return err_prefix(e, "%s: %s", feed_name(r->feed), b->who);
	if ((!r->at.m && moments(r, e)) || (o->val && validate_check(o->val, b->channels, e)))
		return -1;
	net_block(r->net, &r->w, &r->g, &r->total); /* gradients are there since net_plan */
	r->at.replay = feed_replay(r->feed);
	for (int i = 0; i < 3; i++)
		r->at.roi[i] = b->size[i];
	r->begun = r->saved = r->at.step;
	return 0;
}
