/* What the tests of image files share: a file's values and their sum, the lines of expected.tsv (tests/golden/frame.py writes them). */
#ifndef TESTS_NII_H
#define TESTS_NII_H

#include <fcntl.h>
#include <unistd.h>

#include "lib/volume/nifti/nifti.h"
#include "tests/unit/tap.h"

static struct err e;

/* All values as float32, read in pieces of `step`; NULL and an error. Caller frees. */
static inline float *values(struct nii_file *f, int64_t step)
{
	enum dtype t = nii_dtype(&f->h);
	struct tensor tensor = {.name = (char *)"v", .dtype = t, .rank = 1, .shape = {(int64_t)f->h.values}, .size = f->h.values * dtype_size(t)};
	float *out = NULL;
	size_t at = 0;
	int64_t n;

	tensor.data = malloc(tensor.size);
	while ((n = nii_next(f, (char *)tensor.data + at * dtype_size(t), step, &e)) > 0)
		at += (size_t)n;
	if (!n && at == f->h.values)
		out = tensor_to_f32(&tensor, &e);
	free(tensor.data);
	return out;
}

/* A new file of this process: open, its name in name. */
static inline int scratch(char *name, size_t n)
{
	const char *dir = getenv("TMPDIR");

	snprintf(name, n, "%.30s/image-test.%ld", dir ? dir : "/tmp", (long)getpid());
	return open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
}

static inline int sha_is(const float *v, size_t n, const char *want)
{
	char name[64], cmd[128], got[65] = "";
	int fd = scratch(name, sizeof name);
	FILE *p;

	if (fd < 0 || write(fd, v, n * sizeof *v) != (ssize_t)(n * sizeof *v))
		return 0;
	close(fd);
	snprintf(cmd, sizeof cmd, "sha256sum <%s", name);
	p = popen(cmd, "r");
	if (!p || fscanf(p, "%64s", got) != 1)
		got[0] = 0;
	pclose(p);
	unlink(name);
	return !strcmp(got, want);
}

struct expected {
	char name[64], type[8], sha[65];
	long long size[4]; /* x, y, z, channels */
	double affine[12];
};

static inline int next_expected(FILE *in, struct expected *x)
{
	if (fscanf(in, "%63s %lld %lld %lld %lld %7s", x->name, &x->size[0], &x->size[1], &x->size[2], &x->size[3], x->type) != 6)
		return 0;
	for (int i = 0; i < 12; i++)
		if (fscanf(in, "%lf", &x->affine[i]) != 1)
			return 0;
	return fscanf(in, "%64s", x->sha) == 1;
}

/* The file of x under dir, opened; its header must be as x says, the affine within tol of it. 0, or -1: it does not open. */
static inline int open_expected(struct nii_file *f, const char *dir, const struct expected *x, double tol)
{
	const struct grid *g = &f->h.grid;
	char path[128];
	int good;

	snprintf(path, sizeof path, "%s%s", dir, x->name);
	good = !nii_open(f, path, &e);
	ok(good, "%s opens%s%s", x->name, good ? "" : ": ", good ? "" : e.text);
	if (!good)
		return -1;
	ok(g->size[0] == x->size[0] && g->size[1] == x->size[1] && g->size[2] == x->size[2] && f->h.channels == x->size[3], "%s: shape", x->name);
	ok(!strcmp(dtype_name(nii_dtype(&f->h)), x->type), "%s: type", x->name);
	for (int i = 0; i < 12; i++)
		good = good && fabs(g->affine[i] - x->affine[i]) <= tol * fmax(1, fabs(x->affine[i]));
	ok(good, "%s: affine", x->name);
	return 0;
}

/* A file whole, with room for a byte more; the caller frees it. */
static inline void *slurp(const char *path, size_t *n)
{
	FILE *in = fopen(path, "rb");
	char *p = malloc((1 << 20) + 1);

	*n = in ? fread(p, 1, 1 << 20, in) : 0;
	if (in)
		fclose(in);
	return p;
}

/* 0: read whole and in order, `step` values at a time; a lie that large is not there to be read. */
static inline int reads(const void *p, size_t n, int64_t step)
{
	struct nii_file f;
	float *v;

	if (nii_open_mem(&f, p, n, "m", &e))
		return -1;
	v = f.h.values < 1 << 20 ? values(&f, step) : NULL;
	nii_close(&f);
	free(v);
	return v ? 0 : -1;
}

/* Files of dir cut short, after every `cuts` bytes, with each bit flipped, with a byte more. */
static inline void damage(const char *dir, const char *const *names, size_t count, size_t cuts, int64_t step)
{
	for (size_t k = 0; k < count; k++) {
		char path[128];
		size_t n, whole = 0, accepted = 0;
		uint8_t *p;

		snprintf(path, sizeof path, "%s%s", dir, names[k]);
		p = slurp(path, &n);
		ok(n && !reads(p, n, step), "%s: whole", names[k]);
		for (size_t cut = 0; cut < n; cut += cut + cuts < n ? cuts : 1)
			whole += !reads(p, cut, step);
		ok(!whole, "%s: cut short is an error", names[k]);
		for (size_t at = 0; at < n; at++) {
			uint8_t was = p[at];

			for (int bit = 0; bit < 8; bit++) {
				p[at] = was ^ (uint8_t)(1 << bit);
				accepted += !reads(p, n, step);
			}
			p[at] = was;
		}
		ok(accepted < n * 8, "%s: no flipped bit crashes (%zu of %zu accepted)", names[k], accepted, n * 8);
		p[n] = 7;
		ok(reads(p, n + 1, step), "%s: a byte after the end: %s", names[k], e.text);
		free(p);
	}
}

#endif
