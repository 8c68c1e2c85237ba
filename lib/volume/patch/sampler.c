#include "lib/volume/patch/sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/stream/history.h"
#include "lib/volume/geometry/orient.h"
#include "lib/volume/patch/patch.h"
#include "lib/volume/patch/sampler_way.h"

/* Rounds draw their order from places that no patch uses. */
static const uint64_t ROUND = (uint64_t)1 << 63;

struct sampler {
	struct sampler_opts o;
	struct stream *stream;
	int mapped;
	int64_t cases;              /* of a mapped file */
	int64_t i;                  /* the next patch */
	const struct sampler_way *way;
	struct sampler_visit vol;   /* in hand */
	int ready;                  /* and the box of patch i is chosen */
	int64_t at;                 /* its place in the stream; -1: none */
	struct sampler_index *index; /* mapped: one a case; pipe: one */
	int64_t *order, round;      /* mapped: the permutation of this round */
	int64_t looked, fertile;    /* volumes whose voxels were counted; those with foreground */
	int ended;
	char orient[2][4];          /* mapped: of the first volume, of the first that runs otherwise */
	int64_t turned;             /* how many do */
	int64_t base, count;        /* grid: first patch and number of patches of the volume in hand */
};

static int bad(struct sampler *s, const struct frame *f, struct err *e)
{
	return err_prefix(e, "%s: %s", stream_name(s->stream), frame_id(f));
}

/* Can patches be cut from f? */
static int check(struct sampler *s, const struct frame *f, struct grid *g, struct err *e)
{
	const char *kind = frame_meta(f, "kind");
	const struct tensor *image = frame_need(f, "image", e), *label = frame_find(f, "label");

	if (kind && strcmp(kind, "volume"))
		return err_set(e, NULL, "a frame of kind '%.40s' (expected volume)", kind);
	if (!image || frame_grid(f, g, e) || (label && !frame_labels(f, "label", e)))
		return -1;
	if (s->o.check && s->o.check(f, s->o.arg, e))
		return -1;
	return s->way->check ? s->way->check(&s->o, f, g, e) : 0;
}

static void look_at_axes(struct sampler *s, const struct grid *g)
{
	char code[4];

	orient_code(g, code);
	if (!*s->orient[0])
		memcpy(s->orient[0], code, sizeof code);
	if (*code && strcmp(code, s->orient[0]) && !s->turned++)
		memcpy(s->orient[1], code, sizeof code);
}

static int check_all(struct sampler *s, struct err *e)
{
	s->cases = stream_count(s->stream, e);
	if (s->cases < 0)
		return -1;
	for (int64_t i = 0; i < s->cases; i++) {
		struct frame f = {0};
		struct grid g;
		int r;

		if (stream_at(s->stream, i, &f, e))
			return -1;
		r = check(s, &f, &g, e) ? bad(s, &f, e) : 0;
		if (!r)
			look_at_axes(s, &g);
		frame_free(&f);
		if (r)
			return -1;
	}
	return 0;
}

struct sampler *sampler_open(const char *path, const struct sampler_opts *o, struct err *e)
{
	struct sampler *s = mem_zero(1, sizeof *s, "a sampler", e);
	size_t n;

	if (!s)
		return NULL;
	s->o = *o;
	s->way = sampler_way(o->by);
	s->at = s->round = -1;
	s->i = o->skip + ((o->shard - o->skip) % o->shards + o->shards) % o->shards;
	s->stream = stream_open(path, e);
	if (!s->stream)
		goto fail;
	s->mapped = stream_mapped(s->stream);
	if (s->mapped && check_all(s, e))
		goto fail;
	n = s->mapped ? (size_t)s->cases : 1;
	s->index = mem_zero(n, sizeof *s->index, "an index of the volumes", e);
	s->order = mem_zero(n, sizeof *s->order, "an order of the volumes", e);
	if (s->index && s->order)
		return s;
fail:
	sampler_close(s);
	return NULL;
}

void sampler_close(struct sampler *s)
{
	if (!s)
		return;
	frame_free(&s->vol.f);
	for (int64_t i = 0; s->index && i < (s->mapped ? s->cases : 1); i++)
		sampler_forget(&s->index[i]);
	free(s->index);
	free(s->order);
	stream_close(s->stream);
	free(s);
}

int sampler_endless(const struct sampler *s)
{
	return s->mapped && s->o.by != SAMPLER_GRID && !s->o.n;
}

int64_t sampler_barren(const struct sampler *s)
{
	const int wanted = s->o.by == SAMPLER_POS && s->o.pos > 0, all = s->mapped ? s->looked == s->cases : s->ended;

	return wanted && all && !s->fertile ? s->looked : 0;
}

int64_t sampler_turned(const struct sampler *s, const char *code[2])
{
	code[0] = s->orient[0], code[1] = s->orient[1];
	return s->turned;
}

/* Take the volume at `place` of the stream in hand: 1, 0 where the stream ends before it, -1. */
static int take(struct sampler *s, int64_t place, struct err *e)
{
	int r = 1;

	if (s->at == place)
		return 1;
	if (s->mapped) {
		if (place >= s->cases)
			return 0;
		frame_free(&s->vol.f);
		s->at = -1;
		if (stream_at(s->stream, place, &s->vol.f, e))
			return -1;
		s->at = place;
		s->vol.index = &s->index[place];
	}
	while (s->at < place && r == 1) {
		frame_free(&s->vol.f);
		r = stream_next(s->stream, &s->vol.f, e);
		s->at += r == 1;
		sampler_forget(&s->index[0]);
		s->vol.index = &s->index[0];
	}
	if (r == 1 && check(s, &s->vol.f, &s->vol.g, e))
		return bad(s, &s->vol.f, e);
	return r;
}

static void shuffle(struct sampler *s, int64_t round)
{
	struct rng r;

	rng_init(&r, s->o.seed, RNG_PATCH, ROUND | (uint64_t)round);
	for (int64_t i = 0; i < s->cases; i++)
		s->order[i] = i;
	for (int64_t i = s->cases - 1; i > 0; i--) {
		int64_t j = (int64_t)rng_below(&r, (uint64_t)i + 1), t = s->order[i];

		s->order[i] = s->order[j];
		s->order[j] = t;
	}
	s->round = round;
}

/* Have the volume of patch i in hand: 1, 0 where the stream ends before it, -1. */
static int visit(struct sampler *s, struct err *e)
{
	int64_t place = s->i / s->o.per_volume;

	if (s->mapped) {
		if (s->round != place / s->cases)
			shuffle(s, place / s->cases);
		place = s->order[place % s->cases];
	}
	return take(s, place, e);
}

/* The same where the number of patches follows from the volumes' sizes. */
static int visit_grid(struct sampler *s, struct err *e)
{
	for (int64_t place = s->at < 0 ? 0 : s->at;; place++) {
		int fresh = s->at != place, r = take(s, place, e);

		if (r != 1)
			return r;
		if (fresh) {
			s->base += s->count;
			s->count = sampler_grid_count(&s->o, &s->vol.g);
		}
		if (s->i < s->base + s->count)
			return 1;
	}
}

static int choose(struct sampler *s, struct err *e)
{
	const struct locate *l = &s->vol.index->voxels;
	const int fresh = !l->before;

	if (s->way->choose(&s->o, &s->vol, e))
		return bad(s, &s->vol.f, e);
	s->looked += fresh;
	s->fertile += fresh && l->n && l->class[l->n - 1];
	return 0;
}

/* Have the volume of patch i in hand, its box chosen and what lies in it on its way from the disk: 1, 0 the end, -1. */
static int prepare(struct sampler *s, struct err *e)
{
	int r;

	if (s->ready)
		return 1;
	if (s->o.n && s->i >= s->o.n)
		return 0;
	r = s->o.by == SAMPLER_GRID ? visit_grid(s, e) : visit(s, e);
	if (r != 1)
		return r;
	s->vol.i = s->i - s->base;
	memcpy(s->vol.size, s->o.size, sizeof s->vol.size);
	rng_init(&s->vol.r, s->o.seed, RNG_PATCH, (uint64_t)s->i);
	if (choose(s, e))
		return -1;
	if (s->mapped)
		patch_fetch(&s->vol.f, &s->vol.g, s->vol.start, s->vol.size);
	return s->ready = 1;
}

static json_t *history_args(const struct sampler *s)
{
	const struct sampler_opts *o = &s->o;
	json_t *a = json_object();

	if (o->by != SAMPLER_WHOLE) {
		json_object_set_new(a, "size", json_ints(o->size, 3));
		json_object_set_new(a, "fill", json_real(o->fill));
	}
	if (o->by != SAMPLER_WHOLE && o->by != SAMPLER_GRID)
		json_object_set_new(a, "per-volume", json_integer(o->per_volume));
	if (o->by != SAMPLER_GRID)
		json_object_set_new(a, "seed", json_integer((json_int_t)o->seed));
	s->way->describe(o, a);
	return a;
}

static int describe(struct sampler *s, struct frame *f, struct err *e)
{
	int64_t box[6];
	char text[32];

	for (int a = 0; a < 3; a++) {
		box[a] = s->vol.start[a];
		box[3 + a] = s->vol.start[a] + s->vol.size[a];
	}
	if (history_push(f, "nii-patch", history_args(s), json_pack("{s:o}", "box", json_ints(box, 6)), &s->vol.g, e))
		return -1;
	snprintf(text, sizeof text, "%lld", (long long)s->i);
	if (frame_set_meta(f, "patch", text, e))
		return -1;
	snprintf(text, sizeof text, "%lld", (long long)s->o.n);
	if (frame_set_meta(f, "patches", s->o.n ? text : NULL, e))
		return -1;
	snprintf(text, sizeof text, "%lld", (long long)s->o.shards);
	return frame_set_meta(f, "shards", s->o.shards > 1 ? text : NULL, e);
}

int sampler_next(struct sampler *s, struct frame *f, struct err *e)
{
	struct err later;
	int r = prepare(s, e);

	memset(f, 0, sizeof *f);
	if (r == 0 && s->i < s->o.n && s->o.by != SAMPLER_GRID)
		return err_set(e, stream_name(s->stream), "ends after %lld volumes, before patch %lld of %lld (a saved stream is gone over again and again)",
		               (long long)s->at + 1, (long long)s->i, (long long)s->o.n);
	if (r != 1) {
		s->ended = !r;
		return r;
	}
	if (patch_cut(&s->vol.f, &s->vol.g, s->vol.start, s->vol.size, s->o.fill, f, e) || describe(s, f, e)) {
		frame_free(f);
		return bad(s, &s->vol.f, e);
	}
	s->i += s->o.shards;
	s->ready = 0;
	if (s->mapped) /* the disk works while this patch is written; what goes wrong is said at its turn */
		(void)prepare(s, &later);
	return 1;
}
