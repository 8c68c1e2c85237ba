/* Values that are made later: any range of them is that of all of them, and a written frame holds them, whatever the pieces. */
#include "tests/unit/tap.h"
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/stream/stream.h"
#include "lib/volume/crop/box.h"
#include "lib/volume/intensity/normalize.h"

static struct err e;

/* image [2,Z,Y,X] and label, random bytes that are no NaN */
static void make(struct frame *f, enum dtype type, const int64_t size[3], struct rng *r)
{
	const int64_t image[4] = {2, size[2], size[1], size[0]};
	const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
	struct tensor *t;
	uint8_t *p;

	frame_init(f, "volume", "case", &e);
	frame_set_affine(f, affine, &e);
	t = frame_add(f, "image", type, 4, image, &e);
	p = t->data;
	for (size_t i = 0; i < t->size; i++)
		p[i] = (uint8_t)(rng_u32(r) % 120);
	memset(frame_add(f, "label", DT_U8, 3, image + 1, &e)->data, 1, (size_t)(size[0] * size[1] * size[2]));
}

/* Random ranges of t's values against `all`. */
static int ranges_agree(const struct tensor *t, const uint8_t *all, struct rng *r)
{
	size_t size = dtype_size(t->dtype);
	uint8_t *part = malloc(t->size + 1);
	int good = 1;

	for (int i = 0; i < 20; i++) {
		int64_t n = tensor_count(t), from = (int64_t)rng_below(r, (uint64_t)n), k = 1 + (int64_t)rng_below(r, (uint64_t)(n - from));

		part[(size_t)k * size] = 77;
		t->later->make(t, from, k, part);
		good &= !memcmp(part, all + (size_t)from * size, (size_t)k * size) && part[(size_t)k * size] == 77;
	}
	free(part);
	return good;
}

static int writes(struct frame *f, const char *path)
{
	struct out o;

	return !out_open(&o, path, 1, &e) && !frame_write(f, &o, &e) && !out_close(&o, &e);
}

/* The file at path holds what f, settled, does. */
static int holds(const char *path, const struct frame *f)
{
	struct stream *s = stream_open(path, &e);
	struct frame g = {0};
	int good = s && stream_next(s, &g, &e) == 1 && g.n == f->n;

	for (int i = 0; good && i < g.n; i++) {
		const struct tensor *t = frame_find(f, g.t[i].name);

		good = t && t->size == g.t[i].size && t->dtype == g.t[i].dtype && !memcmp(t->data, g.t[i].data, t->size);
	}
	frame_free(&g);
	stream_close(s);
	return good;
}

static void change(struct frame *f, int i)
{
	const struct box box = {{-3, 2, 1}, {40, 30, 9}};
	struct normalize windows = {.mode = NORMALIZE_WINDOWS, .n = 4, .list = {0, 100, 0, 9e18}}, score = {.mode = NORMALIZE_ZSCORE, .channel_wise = 1};
	struct grid g;

	frame_grid(f, &g, &e);
	if (i % 3 == 0)
		ok(!box_cut_later(f, &g, &box, 7, &e), "a box %s", e.text);
	else if (i % 3 == 1)
		ok(!normalize_apply(f, &score, &e), "a z-score %s", e.text);
	else {
		frame_find(f, "image")->shape[0] = 1; /* one channel of twice the slices */
		frame_find(f, "image")->shape[1] *= 2;
		frame_drop(f, "label");
		ok(!normalize_apply(f, &windows, &e), "two windows %s", e.text);
	}
}

static void one(enum dtype type, int i, const int64_t size[3], struct rng *r)
{
	char path[40];
	struct frame f;
	struct tensor *t;
	uint8_t *all;

	make(&f, type, size, r);
	change(&f, i);
	t = frame_find(&f, "image");
	ok(t->later && !t->data, "%s: nothing is made yet", dtype_name(type));
	all = malloc(t->size);
	t->later->make(t, 0, tensor_count(t), all);
	ok(ranges_agree(t, all, r), "%s: any range is a part of the whole", dtype_name(type));
	snprintf(path, sizeof path, "/tmp/later.%ld.ts", (long)getpid());
	ok(writes(&f, path), "it is written %s", e.text);
	t = frame_find(&f, "image"); /* tensors were put in the order of their alignment */
	ok(!frame_settle(&f, &e) && !t->later && !memcmp(t->data, all, t->size), "settled, it is the same");
	ok(holds(path, &f), "and so is what was written");
	remove(path);
	free(all);
	frame_free(&f);
}

int main(void)
{
	static const enum dtype some[] = {DT_I16, DT_F32, DT_U8, DT_I64};
	const int64_t small[3] = {37, 29, 11}, large[3] = {211, 173, 40}; /* large: more than a piece, whose end is amid a row */
	struct rng r;

	rng_init(&r, 5, RNG_TEST, 0);
	for (int i = 0; i < 12; i++)
		one(some[i % 4], i, small, &r);
	for (int i = 0; i < 3; i++)
		one(DT_I16, i, large, &r);
	return tap_done();
}
