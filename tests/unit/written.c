/* What nii-write writes, read by others' readers: libnifti's (znzlib, as FSL and AFNI read) and zlib's gzread, at every level and any number of
   threads. */
#include "tests/unit/tap.h"

#include <nifti2_io.h>
#include <omp.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/rng.h"
#include "lib/volume/nifti/nifti.h"

enum { NX = 211, NY = 173, NZ = 37 }; /* some 2.7 MB: more than ten pieces of the compressor */

static struct err e;

static void make(struct frame *f, struct rng *r)
{
	const int64_t shape[4] = {1, NZ, NY, NX};
	const double affine[16] = {-0.7, 0, 0, 10, 0, -0.7, 0, 20, 0, 0, 2.5, -30, 0, 0, 0, 1};
	int16_t *v;

	frame_init(f, "volume", "case", &e);
	frame_set_affine(f, affine, &e);
	v = frame_add(f, "image", DT_I16, 4, shape, &e)->data;
	for (int i = 0; i < NX * NY * NZ; i++)
		v[i] = (int16_t)(1000 * sin(i * 1e-3) + (double)rng_below(r, 40));
}

static int writes(const struct frame *f, const char *path, int level)
{
	struct nii_out *o = nii_out_open(path, level, &e);

	if (o && !nii_out_frame(o, f, frame_find(f, "image"), &e))
		return !nii_out_close(o, &e);
	nii_out_abort(o);
	return 0;
}

static int libnifti_reads(const char *path, const struct tensor *t)
{
	nifti_image *n = nifti_image_read(path, 1);
	int good = n && n->nx == NX && n->ny == NY && n->nz == NZ && n->datatype == DT_INT16 && n->scl_slope == 0 && n->scl_inter == 0 &&
	           near_to(n->dz, 2.5, 1e-6, 0) && near_to(n->sto_xyz.m[2][3], -30, 1e-6, 0) && !memcmp(n->data, t->data, t->size);

	nifti_image_free(n);
	return good;
}

/* One byte past the voxels is asked for, so that the trailer is checked, too. */
static int zlib_reads(const char *path, const struct tensor *t)
{
	unsigned n = (unsigned)t->size + 352, got = 0;
	gzFile z = gzopen(path, "rb");
	uint8_t *data = malloc(n + 1);
	int k = 0, good;

	while (z && got <= n && (k = gzread(z, data + got, n + 1 - got)) > 0)
		got += (unsigned)k;
	good = !k && got == n && !memcmp(data + 352, t->data, t->size) && gzclose(z) == Z_OK;
	free(data);
	return good;
}

int main(void)
{
	char path[40];
	struct frame f;
	struct rng r;

	snprintf(path, sizeof path, "/tmp/written.%ld.nii.gz", (long)getpid());
	rng_init(&r, 6, RNG_TEST, 0);
	make(&f, &r);
	for (int level = 0; level <= 9; level++)
		for (int threads = 1; threads <= 5; threads += 2) {
			const struct tensor *t = frame_find(&f, "image");

			omp_set_num_threads(threads);
			ok(writes(&f, path, level), "level %d, %d threads: written %s", level, threads, e.text);
			ok(libnifti_reads(path, t), "level %d, %d threads: libnifti reads it", level, threads);
			ok(zlib_reads(path, t), "level %d, %d threads: zlib reads it", level, threads);
		}
	remove(path);
	frame_free(&f);
	return tap_done();
}
