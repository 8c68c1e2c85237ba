/* lib/volume/patch: geometry against MONAI's and nnU-Net's (tests/golden/patch.txt). */
#include "tests/unit/tap.h"

#include "lib/volume/patch/patch.h"

static const double affine[16] = {2, 0, 0, 10, 0, 3, 0, 20, 0, 0, 4, 30, 0, 0, 0, 1};

static void golden(void)
{
	FILE *f = fopen("tests/golden/patch.txt", "r");
	char line[4096];
	int bad = 0, n = 0;

	while (f && fgets(line, sizeof line, f)) {
		long long centre, patch, final, length, start, end;
		double overlap;
		int64_t lo, hi;
		int at = 0, used;

		if (!strncmp(line, "forced", 6) || !strncmp(line, "batch", 5)) /* tests/unit/sampler.c reads these */
			continue;
		n++;
		if (sscanf(line, "start %lld %lld %lld %lld", &centre, &patch, &length, &start) == 4)
			bad += patch_start(centre, patch, length) != start;
		else if (sscanf(line, "grid %lld %lld %lf%n", &patch, &length, &overlap, &at) == 3) {
			int64_t i = 0;

			for (; sscanf(line + at, "%lld%n", &start, &used) == 1; at += used, i++)
				bad += patch_grid_start(i, patch, length, overlap) != start;
			bad += patch_grid_count(patch, length, overlap) != i;
		} else if (sscanf(line, "centres %lld %lld %lld %lld", &patch, &length, &start, &end) == 4) {
			patch_centres(patch, length, &lo, &hi);
			bad += lo != start || hi != end;
		} else if (sscanf(line, "starts %lld %lld %lld %lld %lld", &patch, &final, &length, &start, &end) == 5) {
			patch_starts(patch, final, length, &lo, &hi);
			bad += lo != start || hi != end;
		} else
			bad++;
	}
	if (f)
		fclose(f);
	ok(n == 110 && !bad, "%d lines of geometry, %d differ", n, bad);
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
	golden();
	cut();
	return tap_done();
}
