/* lib/volume/patch: geometry against MONAI's (tests/golden/patch.txt), where centres fall. */
#include "tests/unit/tap.h"

#include "lib/volume/patch.h"

static const double affine[16] = {2, 0, 0, 10, 0, 3, 0, 20, 0, 0, 4, 30, 0, 0, 0, 1};

static void golden(void)
{
	FILE *f = fopen("tests/golden/patch.txt", "r");
	char line[4096];
	int bad = 0, n = 0;

	while (f && fgets(line, sizeof line, f)) {
		long long centre, patch, length, start;
		double overlap;
		int at = 0, used;

		n++;
		if (sscanf(line, "start %lld %lld %lld %lld", &centre, &patch, &length, &start) == 4)
			bad += patch_start(centre, patch, length) != start;
		else if (sscanf(line, "grid %lld %lld %lf%n", &patch, &length, &overlap, &at) == 3) {
			int64_t i = 0;

			for (; sscanf(line + at, "%lld%n", &start, &used) == 1; at += used, i++)
				bad += patch_grid_start(i, patch, length, overlap) != start;
			bad += patch_grid_count(patch, length, overlap) != i;
		} else
			bad++;
	}
	if (f)
		fclose(f);
	ok(n > 50 && !bad, "%d lines of MONAI's geometry, %d differ", n, bad);
	ok(patch_start(0, 8, 5) == -1 && patch_grid_count(8, 5, 0.5) == 1 && patch_grid_start(0, 8, 5, 0.5) == -1, "a short volume lies in the middle");
}

/* 5 x 4 x 3, image = its own index, label set where `fg` says. */
static void make(struct frame *f, enum dtype t, const int *fg)
{
	struct err e;
	struct tensor *image, *label;

	frame_init(f, "volume", "a", &e);
	frame_set_affine(f, affine, &e);
	image = frame_add(f, "image", DT_F32, 4, (int64_t[]){1, 3, 4, 5}, &e);
	for (int i = 0; i < 60; i++)
		((float *)image->data)[i] = (float)i;
	label = frame_add(f, "label", t, 3, (int64_t[]){3, 4, 5}, &e);
	memset(label->data, 0, label->size);
	for (; *fg >= 0; fg++)
		((char *)label->data)[(size_t)*fg * dtype_size(t) + dtype_size(t) - 1] = 1;
}

static void centres(enum dtype t, double pos, const int *fg, int nfg)
{
	struct patch_index ix = {0};
	struct frame f;
	struct grid g;
	struct err e;
	struct rng r;
	int hit[60] = {0}, in = 0, n = 60000, want = nfg == 0 ? 0 : (int)(n * pos);
	int even = 1;

	make(&f, t, fg);
	ok(!frame_grid(&f, &g, &e) && !patch_index_make(&ix, &f, &g, &e), "index of %s", dtype_name(t));
	for (int i = 0; i < n; i++) {
		int64_t c[3];

		rng_init(&r, 1, RNG_TEST, (uint64_t)i);
		patch_centre(&ix, &f, pos, &r, c);
		hit[c[0] + 5 * (c[1] + 4 * c[2])]++;
	}
	for (int i = 0; i < nfg; i++)
		in += hit[fg[i]];
	for (int i = 0; i < 60; i++) {
		int is = 0;
		double expected;

		for (int k = 0; k < nfg; k++)
			is |= fg[k] == i;
		expected = is ? (double)in / nfg : (double)(n - in) / (60 - nfg);
		even &= fabs(hit[i] - expected) <= 6 * sqrt(expected) + 1;
	}
	ok(abs(in - want) <= 600, "%s, pos %g: %d of %d in the foreground", dtype_name(t), pos, in, n);
	ok(even, "evenly over each kind");
	patch_index_free(&ix);
	frame_free(&f);
}

static void only_one_kind(void)
{
	int all[61];
	struct patch_index ix = {0};
	struct frame f;
	struct grid g;
	struct err e;
	struct rng r;
	int64_t c[3] = {-1, -1, -1};

	for (int i = 0; i < 60; i++)
		all[i] = i;
	all[60] = -1;
	make(&f, DT_U8, all);
	frame_grid(&f, &g, &e);
	rng_init(&r, 1, RNG_TEST, 0);
	ok(!patch_index_make(&ix, &f, &g, &e) && (patch_centre(&ix, &f, 0, &r, c), c[0] >= 0 && c[0] < 5), "foreground everywhere");
	patch_index_free(&ix);
	frame_drop(&f, "label");
	ok(!patch_index_make(&ix, &f, &g, &e) && (patch_centre(&ix, &f, 0, &r, c), c[2] >= 0 && c[2] < 3), "no label");
	patch_index_free(&ix);
	frame_free(&f);
}

static void cut(void)
{
	static const int fg[] = {0, 59, -1};
	struct frame f, p;
	struct grid g, h;
	struct err e;
	int bad = 0;

	make(&f, DT_I16, fg);
	frame_grid(&f, &g, &e);
	ok(!patch_cut(&f, &g, (int64_t[]){-1, 2, 1}, (int64_t[]){3, 4, 2}, -7, &p, &e), "a box that reaches outside");
	for (int z = 0; z < 2; z++)
		for (int y = 0; y < 4; y++)
			for (int x = 0; x < 3; x++) {
				float v = ((float *)frame_find(&p, "image")->data)[(z * 4 + y) * 3 + x];

				bad += v != (x < 1 || y > 1 ? -7.f : (float)(((1 + z) * 4 + 2 + y) * 5 + x - 1));
			}
	ok(!bad, "voxels and fill");
	ok(!frame_grid(&p, &h, &e) && h.affine[3] == 8 && h.affine[7] == 26 && h.affine[11] == 34 && !strcmp(frame_meta(&p, "kind"), "patch"),
	   "the affine moved along");
	frame_free(&p);
	ok(patch_cut(&f, &g, (int64_t[]){100, 100, 100}, (int64_t[]){3, 4, 2}, -7, &p, &e) == 0 && ((float *)frame_find(&p, "image")->data)[5] == -7,
	   "a box that lies outside");
	frame_free(&p);
	frame_free(&f);
}

int main(void)
{
	static const int some[] = {0, 3, 19, 20, 21, 58, 59, -1}, none[] = {-1};

	golden();
	centres(DT_U8, 0.25, some, 7);
	centres(DT_I16, 0.5, some, 7);
	centres(DT_I32, 1, some, 7);
	centres(DT_I64, 0, some, 7);
	centres(DT_U8, 1, none, 0);
	only_one_kind();
	cut();
	return tap_done();
}
