#include "lib/net/train/train_begin.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/net/arch/arch.h"
#include "lib/net/arch/arch_preset.h"
#include "lib/net/run/device.h"
#include "lib/net/train/train_step.h"
#include "lib/net/train/validate.h"
#include "lib/stream/history.h"
#include "lib/stream/shell.h"
#include "lib/stream/stream.h"

static int same_file(const char *a, const char *b)
{
	struct stat to, from;

	return a && b && !stat(a, &to) && !stat(b, &from) && S_ISREG(to.st_mode) && to.st_dev == from.st_dev && to.st_ino == from.st_ino;
}

/* Patches and volumes are not what a model or a log replaces. */
static int spare(const struct train *r, const char *out, const char *what, struct err *e)
{
	const char *input = r->o->input && strcmp(r->o->input, "-") ? r->o->input : "/dev/stdin";

	if (same_file(out, input) || same_file(out, r->o->val))
		return err_set(e, out, "is what is trained or validated on: the %s goes to another file", what);
	return 0;
}

/* Nor are models what a log replaces. */
static int check_log(const struct train *r, struct err *e)
{
	const char *log = r->o->log, *const models[] = {r->last ? r->o->out : NULL, r->last, r->o->init, r->o->resume};

	for (size_t i = 0; log && i < sizeof models / sizeof *models; i++)
		if (models[i] && (!strcmp(log, models[i]) || same_file(log, models[i])))
			return err_set(e, log, "is a model: the log goes to another file");
	return spare(r, log, "log", e);
}

/* Hours of training must not end at a directory that cannot be written to. */
static int check_out(struct train *r, struct err *e)
{
	struct out o;

	if (spare(r, r->o->out, "model", e))
		return -1;
	if (!r->par.rank) {
		if (out_open(&o, r->o->out, 1, e))
			return -1;
		out_abort(&o);
	}
	if (r->o->out)
		r->last = train_last(r->o->out);
	return spare(r, r->last, "model", e) || check_log(r, e) ? -1 : 0;
}

/* The same value; of _target_, the class, from whatever module. */
static int same(const char *key, const json_t *is, const json_t *wanted)
{
	const char *a = json_string_value(is), *b = json_string_value(wanted);

	return strcmp(key, "_target_") || !a || !b ? json_equal(is, wanted) : !strcmp(arch_class(a), arch_class(b));
}

/* Is the checkpoint's network the one that was asked for? */
static int check_arch(const struct train *r, struct err *e)
{
	const char *key;
	json_t *wanted;

	json_object_foreach(r->o->arch, key, wanted) {
		const int classes = !strcmp(key, arch_classes_key(r->o->arch));
		const json_t *is = json_object_get(net_arch(r->net), classes ? arch_classes_key(net_arch(r->net)) : key);

		if (!same(key, is, wanted)) {
			char *a = json_dumps(is, JSON_COMPACT | JSON_ENCODE_ANY), *b = json_dumps(wanted, JSON_COMPACT | JSON_ENCODE_ANY);

			err_set(e, r->from.file, "is another network: %s %.200s, not %.200s", key, a ? a : "unset", b ? b : "?");
			free(a);
			free(b);
			return -1;
		}
	}
	return 0;
}

/* The device, of the precision that the options say; auto becomes what it is. */
static int open_device(struct train *r, struct err *e)
{
	r->k = r->at.k = parallel_device(&r->par, r->o->device, (enum k_precision)r->h.precision, e);
	if (!r->k)
		return -1;
	if (r->o->tune)
		device_tune(r->k);
	hyper_precision(&r->h, r->k->precision, r->at.options);
	return 0;
}

/* Weights to begin with, of a network that has other classes: the layers that make these begin anew. */
static int load_others(struct train *r, int64_t classes, int quiet, struct err *e)
{
	char anew[ERR_MAX];

	if (net_init(r->net, (uint64_t)r->h.seed, e) || net_load_fitting(r->net, &r->from.frame, anew, e))
		return -1;
	if (!*anew)
		return err_set(e, r->from.file, "has no layer that makes %lld classes of others", (long long)classes);
	if (!quiet && !r->par.rank)
		err_warn("%s: has %lld classes, not %lld: what begins anew is %.800s", r->from.file, (long long)arch_classes(r->from.arch),
		         (long long)classes, anew);
	return 0;
}

static int load_net(struct train *r, const char *path, int quiet, struct err *e)
{
	json_t *arch = json_copy(r->from.arch), *asked = json_object_get(r->o->arch, arch_classes_key(r->o->arch));
	const int others = r->o->init && asked && json_integer_value(asked) != arch_classes(arch);

	if (others)
		json_object_set(arch, arch_classes_key(arch), asked);
	r->net = net_new(arch, r->k, e);
	json_decref(arch);
	if (!r->net)
		return err_prefix(e, "%s", path);
	if (check_arch(r, e))
		return -1;
	return others ? load_others(r, json_integer_value(asked), quiet, e) : net_load(r->net, &r->from.frame, e);
}

/* Where training goes on: those of the optimizer frame f. */
static int take_up(struct train *r, const struct frame *f, struct err *e)
{
	if (r->h.steps > 0 && (double)r->at.step >= r->h.steps && !r->at.pending)
		return err_set(e, r->from.file, "all of its %.0f steps are done (--steps says how many there shall be)", r->h.steps);
	return optim_open(&r->optim, r->k, r->net, &r->h, e) || resume_moments(&r->at, f, r->from.file, e) ? -1 : 0;
}

/* Options hold from here on, and the device; a checkpoint to begin with, before any patch is looked at. */
static int load(struct train *r, int quiet, struct err *e)
{
	const struct train_opts *o = r->o;
	const char *path = o->resume ? o->resume : o->init;
	struct frame f = {0};
	int bad;

	parallel_accumulate(&r->par, &r->h, o->resume != NULL);
	bad = (path && model_open(&r->from, path, e)) || (o->resume && resume_read(&r->at, &r->from, &f, e)) ||
	      hyper_settle(&r->h, o->recipe, &r->at.options, e) || train_settle_regions(r, e) || train_settle_names(r, e) ||
	      open_device(r, e) ||
	      (path && load_net(r, path, quiet, e)) ||
	      (o->resume && take_up(r, &f, e));
	frame_free(&f);
	frame_free(&r->from.frame); /* the weights are on the device */
	stream_close(r->from.stream);
	r->from.stream = NULL;
	if (!bad && !o->summary)
		train_note_inputs(r);
	return bad ? -1 : 0;
}

int train_begin(struct train *r, int quiet, struct err *e)
{
	return (!r->o->summary && check_out(r, e)) || load(r, quiet, e) ? -1 : 0;
}

static int has_labels(const json_t *replay)
{
	const json_t *step;
	size_t i;

	json_array_foreach((json_t *)replay, i, step)
		if (!strcmp(json_string_value(json_object_get(step, "tool")), HISTORY_LATE))
			return 1;
	return 0;
}

static int fresh_net(struct train *r, const struct feed_batch *b, struct err *e)
{
	json_t *arch;

	if (r->o->previous && !has_labels(feed_first(r->feed)->replay))
		return err_set(e, feed_name(r->feed), "%s: the plan's network takes what another one found, too: " HISTORY_LATE " makes channels of it",
		               b->who);
	arch = json_copy(r->o->arch);
	arch_take_patch(arch, b->channels, b->size);
	r->net = net_new(arch, r->k, e);
	json_decref(arch);
	return !r->net || (!r->o->summary && net_init(r->net, (uint64_t)r->h.seed, e)) ? -1 : 0;
}

/* Do the patches fit the checkpoint? */
static int check_resumed(const struct train *r, const struct feed_batch *b, int quiet, struct err *e)
{
	const char *learned = r->from.orient, *orient = feed_first(r->feed)->orient;
	const int otherwise = !json_equal(r->from.replay, feed_first(r->feed)->replay);

	if (net_takes(r->net, b->channels, e))
		return err_prefix(e, "%s: %s: %s", feed_name(r->feed), b->who, r->from.file);
	if (!quiet && !r->par.rank && *learned && *orient && strcmp(learned, orient))
		err_warn("%s: the axes of the patches' volumes run %s, those that %s was trained with %s: nii-resample --orient turns them", feed_name(r->feed),
		         orient, r->from.file, learned);
	if (!r->o->resume) {
		if (otherwise && json_array_size(r->from.replay) && !quiet && !r->par.rank)
			err_warn("%s: the patches are prepared otherwise than those that %s was trained with", feed_name(r->feed), r->from.file);
		return 0;
	}
	if (otherwise)
		return err_set(e, feed_name(r->feed), "the patches are prepared otherwise than those that %s was trained with", r->from.file);
	if (resume_channels(&r->at, feed_first(r->feed)->channels, r->from.file, e))
		return err_prefix(e, "%s", feed_name(r->feed));
	if (b->first != parallel_first(&r->par, r->at.next))
		return err_set(e, feed_name(r->feed), "begins with patch %lld, but %s wants patch %lld next: give nii-patch --skip %lld", (long long)b->first,
		               r->from.file, (long long)parallel_first(&r->par, r->at.next), (long long)r->at.next);
	return 0;
}

/* A schedule wants to know how many steps there will be. */
static int count_steps(struct train *r, struct err *e)
{
	int64_t each = (int64_t)(r->h.batch * r->h.accumulate);

	if (r->h.schedule == SCHEDULE_CONSTANT || r->h.steps > 0 || r->o->summary)
		return 0;
	if (r->par.total < 0)
		return err_set(e, feed_name(r->feed), "does not say how many patches there are, and the schedule needs the number of steps: give --steps");
	hyper_steps(&r->h, r->at.step + (r->par.total + each - 1) / each, r->at.options);
	return 0;
}

/* What training takes beside the network: batches on their way, moments and averages, and a validation's packed weights, nearly twice as large as the
   weights. */
static size_t reserve(const struct train *r, const struct feed_batch *b)
{
	int64_t total;
	float *w, *g;

	net_block(r->net, &w, &g, &total);
	return deliver_bytes(r->k, (int64_t)r->h.batch, b) + (r->optim.k ? 0 : optim_bytes(&r->h, total)) +
	       (r->o->val ? 2 * (size_t)total * sizeof(float) : 0);
}

struct model train_like(const struct train *r)
{
	struct model like = {.replay = (json_t *)r->at.replay, .regions = r->regions, .channels = json_string_value(r->at.channels)};

	memcpy(like.orient, r->at.orient, sizeof like.orient);
	return like;
}

/* Are there volumes to validate on, and is there something to be found in them? */
static int check_val(struct train *r, int quiet, struct err *e)
{
	const struct model like = train_like(r);
	struct validate_found found;
	double all[2];

	if (!r->o->val)
		return 0;
	if (validate_check(r->o->val, r->net, &like, (int)r->h.ignore, r->par.rank, r->par.size, &found, e))
		return -1;
	all[0] = found.labelled;
	all[1] = found.turned;
	if (parallel_add(&r->par, all, 2, NULL, NULL, e))
		return -1;
	if (quiet || r->par.rank)
		return 0;
	if (all[1] > 0)
		err_warn("%s: the axes of %.0f volume%s run otherwise than those of the training data (%s): nii-resample --orient makes all alike", r->o->val,
		         all[1], all[1] == 1 ? "" : "s", like.orient);
	if (all[0] == 0)
		err_warn("%s: no volume has foreground: the validation's Dice says nothing", r->o->val);
	return 0;
}

/* Was the best model of the run before found by the same validation, and is it there? Else what is best begins anew. */
static int check_best(struct train *r, int quiet, struct err *e)
{
	const char *out = r->last ? r->o->out : NULL;
	double lost = !r->par.rank && out && access(out, F_OK);

	if (isnan(r->at.best))
		return 0;
	if (parallel_add(&r->par, &lost, 1, NULL, NULL, e))
		return -1;
	if (!r->otherwise && lost == 0)
		return 0;
	if (!quiet && !r->par.rank)
		err_warn("%s: the best model so far, of step %lld with Dice %.4f, %s: the best from here on counts", r->o->resume, (long long)r->at.best_step,
		         r->at.best, r->otherwise ? "was validated otherwise" : "is not in -o's file");
	r->at.best = NAN;
	r->at.best_step = r->at.stale = 0;
	return 0;
}

int train_begin_with(struct train *r, const struct feed_batch *b, int quiet, struct err *e)
{
	const struct feed_first *first = feed_first(r->feed);
	const struct train_opts *o = r->o;

	if (r->net ? check_resumed(r, b, quiet, e) : fresh_net(r, b, e))
		return -1;
	if (parallel_begin(&r->par, r->net, r->k, &r->h, r->at.options, r->feed, b, e) ||
	    loss_make(&r->loss, &r->h, net_classes(r->net), train_regions(r), e) ||
	    count_steps(r, e))
		return -1;
	net_recompute(r->net, (enum net_recompute)o->recompute);
	net_reserve(r->net, reserve(r, b));
	if ((o->summary ? net_plan_dry : net_plan)(r->net, b->n, b->size, 1, e))
		return err_prefix(e, "%s: %s", feed_name(r->feed), b->who);
	if (o->summary)
		return 0;
	r->at.replay = first->replay;
	r->at.drawing = first->drawing;
	if (!r->o->resume) {
		memcpy(r->at.orient, first->orient, sizeof r->at.orient);
		r->at.channels = json_incref(first->channels);
	}
	r->all = r->par.total < 0 ? -1 : r->par.next + r->par.total;
	if ((!r->optim.k && optim_open(&r->optim, r->k, r->net, &r->h, e)) || train_step_open(r, b, e) || check_val(r, quiet, e) ||
	    check_best(r, quiet, e))
		return -1;
	net_reserve(r->net, 0); /* taken */
	r->optim.comm = r->par.comm;
	r->at.net = r->net;
	for (int i = 0; i < 3; i++)
		r->at.roi[i] = b->size[i];
	r->begun = r->saved = r->at.step;
	return 0;
}

int train_begin_rest(struct train *r, int quiet, struct err *e)
{
	r->at.replay = r->from.replay;
	r->at.drawing = r->drawing = json_incref(json_object_get(r->at.pending, "drawing"));
	if (json_get_ints(r->at.pending, "roi", r->at.roi, 3))
		return err_set(e, r->from.file, "the optimizer's metadata state is malformed");
	if (check_val(r, quiet, e) || check_best(r, quiet, e))
		return -1;
	r->optim.comm = r->par.comm;
	r->at.net = r->net;
	r->through = 1;
	r->begun = r->saved = r->at.step;
	return 0;
}
