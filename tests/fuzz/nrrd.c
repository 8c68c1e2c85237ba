/* libFuzzer: bytes as a NRRD file, read to the end; its segments as labels on the grid of an image. See README. */
#include "lib/volume/nifti/nrrd.h"
#include "tests/fuzz/text.h"

static void as_segments(const uint8_t *data, size_t n)
{
	const struct grid image = {{4, 3, 2}, {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1}};
	const char *labels, *placed = NULL;
	struct nii_file f;
	int64_t lo[3], shared;
	void *all;
	struct err e;
	size_t voxels;

	if (nii_open_mem(&f, data, n, "fuzz", &e))
		return;
	voxels = f.h.values / (size_t)f.h.channels;
	all = f.h.values < MOST ? calloc(f.h.values, dtype_size(nii_dtype(&f.h))) : NULL;
	if (f.segments && all && !dtype_is_float(nii_dtype(&f.h)) && nii_next(&f, all, f.h.values, &e) >= 0) {
		json_decref(nrrd_segment_names(f.segments, f.h.channels));
		labels = (char *)nrrd_segment_labels(f.segments, all, nii_dtype(&f.h), voxels, &shared, &e);
		if (labels && nrrd_box(&f.h.grid, &image, lo))
			placed = nrrd_place(labels, 1, &f.h.grid, &image, lo, &e);
		free((void *)labels);
		free((void *)placed);
	}
	free(all);
	nii_close(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	as_file(data, n);
	as_segments(data, n);
	as_text(&nrrd_format, data, n);
	return 0;
}
