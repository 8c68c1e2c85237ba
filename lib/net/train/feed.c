#include "lib/net/train/feed.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/arg.h"
#include "lib/base/mem.h"
#include "lib/base/progress.h"
#include "lib/stream/history.h"
#include "lib/stream/names.h"
#include "lib/stream/turns.h"
#include "lib/stream/values.h"
#include "lib/volume/geometry/orient.h"

enum { SLOTS = 2, LOOK = 50 * 1000 * 1000 /* ns between looks at *stop */ };

struct feed {
	const struct k_backend *k; /* or NULL */
	struct stream *stream;
	int64_t batch, seen, begun; /* begun: index of the first patch */
	struct known labels;
	struct feed_first first;
	struct feed_batch slot[SLOTS];
	struct turns *turns;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t made, used;  /* batches filled, and given back */
	int filling;         /* the next one is begun */
	int out;             /* a batch is in the consumer's hands */
	int ended, quit;     /* ended: 1 the stream is at its end, -1 err is set */
	double waited;
	struct err err;
};

/* -- one patch ---------------------------------------------------------------- */
struct place { int64_t index, shards, patches; };

static int number(const struct frame *f, const char *key, int64_t lo, int64_t absent, int64_t *out, struct err *e)
{
	const char *text = frame_meta(f, key);

	*out = absent;
	if (text && arg_int(text, lo, INT64_MAX / 2, out, e))
		return err_prefix(e, "metadata %s", key);
	return 0;
}

static int where(const struct feed *d, const struct frame *f, struct place *p, struct err *e)
{
	if (number(f, "patch", 0, d->seen, &p->index, e) || number(f, "shards", 1, 1, &p->shards, e))
		return -1;
	return number(f, "patches", 1, 0, &p->patches, e);
}

/* The first patch says what all must be like. */
static int agree(struct feed *d, struct feed_batch *b, const struct frame *f, struct grid *g, struct err *e)
{
	const char *kind = frame_meta(f, "kind");
	const struct tensor *image = frame_need(f, "image", e), *label = image ? frame_need(f, "label", e) : NULL;
	json_t *replay;
	int64_t c;
	int same;

	if (!label)
		return -1;
	if (kind && strcmp(kind, "patch") && strcmp(kind, "volume"))
		return err_set(e, NULL, "a frame of kind '%.40s' (expected patch)", kind);
	if (frame_grid(f, g, e) || !frame_labels(f, "label", e))
		return -1;
	c = image->rank == 4 ? image->shape[0] : 1;
	if (!d->seen)
		for (int i = 0; i < SLOTS; i++) {
			d->slot[i].channels = c;
			for (int a = 0; a < 3; a++)
				d->slot[i].size[a] = g->size[2 - a];
		}
	if (g->size[2] != b->size[0] || g->size[1] != b->size[1] || g->size[0] != b->size[2] || c != b->channels)
		return err_set(e, NULL, "a patch of %lldx%lldx%lld voxels, %lld channel(s), after patches of %lldx%lldx%lld, %lld", (long long)g->size[0],
		               (long long)g->size[1], (long long)g->size[2], (long long)c, (long long)b->size[2], (long long)b->size[1],
		               (long long)b->size[0], (long long)b->channels);
	replay = history_replay(f, e);
	if (!replay)
		return -1;
	if (!d->first.replay) {
		d->first.replay = json_incref(replay);
		d->first.drawing = history_drawing(f, e);
		d->first.channels = frame_meta(f, "channels") ? json_string(frame_meta(f, "channels")) : NULL;
		orient_volume(f, g, d->first.orient);
	}
	same = json_equal(d->first.replay, replay);
	json_decref(replay);
	if (names_channels(f, json_string_value(d->first.channels), "those of the patches before it", e))
		return -1;
	return same ? 0 : err_set(e, NULL, "was prepared otherwise than the patches before it (see ts-info --json: history)");
}

/* A batch's part, where the device takes it from the quickest */
static void *part_new(const struct feed *d, size_t n, size_t size, const char *what, struct err *e)
{
	size_t bytes;

	if (!d->k || !d->k->host_alloc || mem_mul(&bytes, n, size))
		return mem_new(n, size, what, e);
	return d->k->host_alloc(bytes, e);
}

static void part_free(const struct feed *d, void *p)
{
	if (d->k && d->k->host_release)
		d->k->host_release(p);
	else
		free(p);
}

/* Memory for the batches, once the size is known. */
static int allocate(struct feed *d, struct err *e)
{
	size_t n = (size_t)d->batch, values;

	for (int a = 0; a < 3; a++)
		if (mem_mul(&n, n, (size_t)d->slot[0].size[a]))
			return err_set(e, NULL, "a batch is too large");
	if (mem_mul(&values, n, (size_t)d->slot[0].channels))
		return err_set(e, NULL, "a batch is too large");
	for (int i = 0; i < SLOTS; i++) {
		d->slot[i].x = part_new(d, values, sizeof(float), "a batch", e);
		d->slot[i].label = d->slot[i].x ? part_new(d, n, 1, "a batch's labels", e) : NULL;
		if (!d->slot[i].label)
			return -1;
	}
	return 0;
}

/* Channels first to channels last. */
static int put_image(const struct tensor *t, const struct feed_batch *b, float *to, struct err *e)
{
	int64_t vox = b->size[0] * b->size[1] * b->size[2], row = b->size[2];
	float *line;

	if (b->channels == 1) {
		tensor_load_f32(t, 0, vox, to);
		return 0;
	}
	line = mem_new((size_t)row, sizeof *line, "a row", e);
	if (!line)
		return -1;
	for (int64_t c = 0; c < b->channels; c++)
		for (int64_t v = 0; v < vox; v += row) {
			tensor_load_f32(t, c * vox + v, row, line);
			for (int64_t i = 0; i < row; i++)
				to[(v + i) * b->channels + c] = line[i];
		}
	free(line);
	return 0;
}

static int put_label(const struct known *labels, const struct tensor *t, uint8_t *to, struct err *e)
{
	int64_t n = tensor_count(t), x = t->shape[2], y = t->shape[1];
	char place[100];
	uint8_t most = 0;

	if (!labels->regions && (t->dtype == DT_U8 || t->dtype == DT_BOOL)) {
		memcpy(to, t->data, (size_t)n);
		for (int64_t i = 0; i < n; i++)
			most = to[i] > most ? to[i] : most;
		if (most < labels->classes)
			return 0;
	}
	for (int64_t i = 0; i < n; i++) {
		double v = tensor_value(t, i);

		if (!known_is(labels, v)) {
			snprintf(place, sizeof place, " at voxel %lld,%lld,%lld of the patch", (long long)(i % x), (long long)(i / x % y), (long long)(i / x / y));
			return known_refuse(labels, v, place, e);
		}
		to[i] = (uint8_t)v;
	}
	return 0;
}

static void name_patch(struct feed_batch *b, const struct frame *f, const struct place *p)
{
	size_t used = strlen(b->who);

	snprintf(b->who + used, sizeof b->who - used, "%s%s (patch %lld)", used ? ", " : "", frame_id(f), (long long)p->index);
}

/* f into batch b. */
static int add_patch(struct feed *d, struct feed_batch *b, const struct frame *f, struct err *e)
{
	struct grid g;
	struct place p = {d->seen};
	uint64_t hash;
	int64_t vox;

	if (where(d, f, &p, e) || agree(d, b, f, &g, e) || (!d->seen && allocate(d, e)))
		goto bad;
	vox = g.size[0] * g.size[1] * g.size[2];
	hash = frame_hash(f);
	if (put_image(frame_find(f, "image"), b, b->x + b->n * vox * b->channels, e) ||
	    put_label(&d->labels, frame_find(f, "label"), b->label + b->n * vox, e))
		goto bad;
	name_patch(b, f, &p);
	if (!d->seen)
		d->begun = p.index;
	b->hash += (2 * (uint64_t)(d->begun + d->seen * p.shards) + 1) * hash;
	if (!b->n)
		b->first = p.index;
	b->next = p.index + p.shards;
	b->stride = p.shards;
	b->left = p.patches ? (p.patches > b->next ? (p.patches - b->next + p.shards - 1) / p.shards : 0) : -1;
	b->n++;
	d->seen++;
	return 0;
bad:
	return err_prefix(e, "%s: %s (patch %lld)", stream_name(d->stream), frame_id(f), (long long)p.index);
}

/* -- the threads: one reads the next patch while another adds one to its batch ------ */
static int take(struct frame *f, void *arg, struct err *e)
{
	struct feed *d = arg;

	return stream_next(d->stream, f, e);
}

/* An empty batch, once one is given back; NULL: the consumer wants no more. */
static struct feed_batch *begin(struct feed *d)
{
	struct feed_batch *b = &d->slot[d->made % SLOTS];
	int quit;

	pthread_mutex_lock(&d->lock);
	while (!d->quit && d->made - d->used >= SLOTS)
		pthread_cond_wait(&d->changed, &d->lock);
	quit = d->quit;
	pthread_mutex_unlock(&d->lock);
	if (quit)
		return NULL;
	b->n = 0;
	b->hash = 0;
	b->who[0] = 0;
	return b;
}

static int put(struct frame *f, int r, void *arg, struct err *e)
{
	struct feed *d = arg;
	struct feed_batch *b = d->filling ? &d->slot[d->made % SLOTS] : begin(d);

	if (!b)
		return 0;
	if (r == 1 && add_patch(d, b, f, e))
		r = -1;
	d->filling = r == 1 && b->n < d->batch;
	if (d->filling)
		return 1;
	pthread_mutex_lock(&d->lock);
	d->made += r >= 0 && b->n > 0;
	d->ended = r < 0 ? -1 : !r;
	if (r < 0)
		d->err = *e;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	return r;
}

static void release(struct feed *d)
{
	for (int i = 0; i < SLOTS; i++) {
		part_free(d, d->slot[i].x);
		part_free(d, d->slot[i].label);
	}
	json_decref(d->first.replay);
	json_decref(d->first.drawing);
	json_decref(d->first.channels);
	stream_close(d->stream);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->changed);
	free(d);
}

struct feed *feed_open(const char *path, const struct k_backend *k, int64_t batch, const struct known *labels, struct err *e)
{
	static const struct turns_of of = {take, NULL, put};
	struct feed *d = mem_zero(1, sizeof *d, "a reader of patches", e);

	if (!d)
		return NULL;
	d->k = k;
	d->batch = batch;
	d->labels = *labels;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	d->stream = stream_open(path, e);
	d->turns = d->stream ? turns_begin(2, &of, d, e) : NULL;
	if (d->turns)
		return d;
	release(d);
	return NULL;
}

void feed_close(struct feed *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->quit = 1;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	if (!turns_end(d->turns))
		release(d);
}

int feed_next(struct feed *d, const volatile sig_atomic_t *stop, const struct feed_batch **b, struct err *e)
{
	double begun = progress_now();
	int r;

	pthread_mutex_lock(&d->lock);
	if (d->out) {
		d->out = 0;
		d->used++;
		pthread_cond_broadcast(&d->changed);
	}
	while (d->made == d->used && !d->ended && !(stop && *stop)) {
		struct timespec t;

		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += LOOK;
		t.tv_sec += t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&d->changed, &d->lock, &t);
	}
	if (stop && *stop)
		r = 2;
	else if (d->made > d->used) {
		*b = &d->slot[d->used % SLOTS];
		d->out = 1;
		r = 1;
	} else {
		r = d->ended < 0 ? -1 : 0;
		if (r)
			*e = d->err;
	}
	d->waited += progress_now() - begun;
	pthread_mutex_unlock(&d->lock);
	return r;
}

int feed_nothing(const struct feed *d)
{
	return d->ended < 0 && stream_nothing(d->stream);
}

void feed_flaw(const struct feed_batch *b, char *text)
{
	const int64_t y = b->size[1], x = b->size[2], vox = b->size[0] * y * x, n = b->n * vox * b->channels;
	int64_t i = 0, v;

	while (i < n && isfinite(b->x[i]))
		i++;
	v = i / b->channels % vox;
	*text = 0;
	if (i < n)
		snprintf(text, FEED_FLAW, ": the image of patch %lld is %s at voxel %lld,%lld,%lld of the patch",
		         (long long)(b->first + i / b->channels / vox * b->stride), isnan(b->x[i]) ? "not a number" : "infinite", (long long)(v % x),
		         (long long)(v / x % y), (long long)(v / x / y));
}

const struct feed_first *feed_first(const struct feed *d)
{
	return &d->first;
}

const char *feed_name(const struct feed *d)
{
	return stream_name(d->stream);
}

double feed_waited(const struct feed *d)
{
	return d->waited;
}
