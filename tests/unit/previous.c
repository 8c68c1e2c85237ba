/* lib/volume/augment/augment_previous.c: what nnU-Net's transforms for cascades make of labels (tests/golden/previous.ts); what is drawn. */
#include "tests/unit/tap.h"

#include "lib/stream/stream.h"
#include "lib/volume/augment/augment_parts.h"

static struct err e;

static void golden(void)
{
	struct stream *s = stream_open("tests/golden/previous.ts", &e);
	struct frame f = {0};
	const struct tensor *label;
	int64_t size[3];
	uint8_t *v;
	int n = 0;

	if (!s || stream_next(s, &f, &e) != 1) {
		ok(0, "%s", e.text);
		return;
	}
	label = frame_find(&f, "label");
	v = malloc(label->size);
	for (int k = 0; k < 3; k++)
		size[k] = label->shape[2 - k];
	for (int i = 0; i < f.n; i++) {
		double draw[2] = {0.02, 0.5};
		int op, radius, of, r;

		memcpy(v, label->data, label->size);
		if (sscanf(f.t[i].name, "ball-%d-%d-%d", &op, &radius, &of) == 3)
			r = augment_ball(v, size, (uint8_t)of, (double[]){op, radius}, &e);
		else if (sscanf(f.t[i].name, "remove-%d", &of) == 1)
			r = augment_remove(v, size, (uint8_t)of, draw, &e);
		else
			continue;
		ok(!r && !memcmp(v, f.t[i].data, f.t[i].size), "%s", f.t[i].name);
		n++;
	}
	ok(n == 18, "%d of them", n);
	free(v);
	frame_free(&f);
	stream_close(s);
}

static int dilated(const uint8_t *v, const int64_t size[3], int64_t x, int64_t y, int64_t z, double r, uint8_t of)
{
	for (int64_t c = 0; c < size[2]; c++)
		for (int64_t b = 0; b < size[1]; b++)
			for (int64_t a = 0; a < size[0]; a++)
				if (v[(c * size[1] + b) * size[0] + a] == of && (double)((a - x) * (a - x) + (b - y) * (b - y) + (c - z) * (c - z)) <= r * r)
					return 1;
	return 0;
}

/* Radii between whole numbers, volumes thinner than a ball. */
static void brute(void)
{
	static const int64_t sizes[][3] = {{9, 8, 7}, {11, 1, 1}, {1, 1, 6}, {7, 9, 1}, {1, 1, 1}};
	struct rng r;

	rng_init(&r, 5, RNG_AUGMENT, 0);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int t = 0; t < 6; t++) {
			const int64_t *s = sizes[i], n = s[0] * s[1] * s[2];
			const double radius = rng_range(&r, 0, 7);
			uint8_t v[512], was[512];
			int64_t bad = 0;

			for (int64_t k = 0; k < n; k++)
				was[k] = v[k] = rng_below(&r, 30) ? 0 : (uint8_t)(1 + rng_below(&r, 2));
			bad += augment_ball(v, s, 1, (double[]){0, radius}, &e) != 0;
			for (int64_t k = 0; k < n; k++)
				bad += v[k] != (dilated(was, s, k % s[0], k / s[0] % s[1], k / s[0] / s[1], radius, 1) ? 1 : was[k]);
			ok(!bad, "dilated by %.2f voxels, %lldx%lldx%lld: %lld wrong", radius, (long long)s[0], (long long)s[1], (long long)s[2], (long long)bad);
		}
}

static void frame_of(struct frame *f, const char *name, enum dtype t, int value)
{
	static const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
	const int64_t shape[4] = {1, 12, 13, 14};
	struct tensor *to;

	frame_init(f, "patch", "a", &e);
	frame_set_affine(f, affine, &e);
	to = frame_add(f, "image", DT_U8, 4, shape, &e);
	memset(to->data, 7, to->size);
	to = frame_add(f, name, t, 3, shape + 1, &e);
	memset(to->data, 0, to->size);
	for (int64_t i = 0; i < tensor_count(to); i++)
		if (i % 14 > 3 && i % 14 < 9 && i / 14 % 13 > 4 && i / 14 / 13 > 3) {
			if (t == DT_U8)
				((uint8_t *)to->data)[i] = (uint8_t)value;
			else
				((int16_t *)to->data)[i] = (int16_t)value;
		}
}

/* How many of 200 frames are changed, and whether the same index gives the same again. */
static int changed(const struct augment *a, const char *name, int *same)
{
	int n = 0;

	*same = 1;
	for (uint64_t i = 0; i < 200; i++) {
		struct frame f, g, was;

		frame_of(&f, name, DT_U8, 1);
		frame_of(&g, name, DT_U8, 1);
		frame_of(&was, name, DT_U8, 1);
		*same &= !augment_frame(a, &f, i, &e) && !augment_frame(a, &g, i, &e);
		*same &= !memcmp(frame_find(&f, name)->data, frame_find(&g, name)->data, frame_find(&f, name)->size);
		n += memcmp(frame_find(&f, name)->data, frame_find(&was, name)->data, frame_find(&f, name)->size) != 0;
		frame_free(&f), frame_free(&g), frame_free(&was);
	}
	return n;
}

static void frames(void)
{
	struct augment a = augment_default;
	struct frame f;
	int same, n;

	a.v[AUGMENT_PREVIOUS_BALL][0] = 2, a.v[AUGMENT_PREVIOUS_BALL][1] = 3;
	a.prob[AUGMENT_PREVIOUS_BALL] = 0.5;
	augment_settle(&a, &e);
	n = changed(&a, "previous", &same);
	ok(same && n > 30 && n < 110, "a ball: %d of 200 changed (half are, but where a box is closed or opened to itself)", n);
	ok(!changed(&a, "label", &same) && same, "the truth is left alone");
	a = augment_default;
	a.v[AUGMENT_PREVIOUS_REMOVE][0] = 0.5;
	a.prob[AUGMENT_PREVIOUS_REMOVE] = 0.25;
	augment_settle(&a, &e);
	n = changed(&a, "previous", &same);
	ok(same && n > 25 && n < 75, "removed: %d of 200", n);
	frame_of(&f, "previous", DT_I16, 3);
	ok(!augment_frame(&a, &f, 0, &e) && frame_find(&f, "previous")->dtype == DT_U8, "other integers become bytes");
	frame_free(&f);
	frame_of(&f, "previous", DT_I16, 300);
	ok(augment_frame(&a, &f, 0, &e) && strstr(e.text, "label 300 (expected 0 to 255)"), "%s", e.text);
	frame_free(&f);
}

int main(void)
{
	golden();
	brute();
	frames();
	return tap_done();
}
