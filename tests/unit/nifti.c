/* NIfTI headers, voxels, gzip: golden files by nibabel and SimpleITK, public files as nibabel sees them, damage of every kind. */
#include <jansson.h>
#include <zlib.h>

#include "lib/volume/nifti/deflate.h"
#include "tests/unit/nii.h"

#define GOLDEN "tests/golden/nifti/"

enum { STEP = 1009 }; /* values at a time */

static void golden(void)
{
	FILE *in = fopen(GOLDEN "expected.tsv", "r");
	struct expected x;
	int lines = 0;

	while (in && next_expected(in, &x)) {
		struct nii_file f;
		float *v;

		if (open_expected(&f, GOLDEN, &x, 0))
			continue;
		v = values(&f, STEP);
		ok(v && sha_is(v, f.h.values, x.sha), "%s: values", x.name);
		free(v);
		nii_close(&f);
		lines++;
	}
	if (in)
		fclose(in);
	ok(lines > 40, "%d golden files", lines);
}

static void real_file(const char *dir, const char *name, const json_t *o)
{
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const json_t *affine = json_object_get(o, "affine"), *shape = json_object_get(o, "shape");
	struct nii_file f;
	char path[1024];
	int good, same = 1;
	int64_t n = 1;
	float *v;

	snprintf(path, sizeof path, "%s/nifti/%s", dir, name);
	good = !nii_open(&f, path, &e);
	if (strcmp(kind, "scalar")) {
		ok(!good, "%s is refused: %s", name, e.text);
		return;
	}
	ok(good, "%s opens%s%s", name, good ? "" : ": ", good ? "" : e.text);
	if (!good)
		return;
	for (size_t i = 0; i < 12; i++)
		same = same && f.h.grid.affine[i] == json_number_value(json_array_get(json_array_get(affine, i / 4), i % 4));
	ok(same, "%s: affine", name);
	same = 1;
	for (size_t i = 0; i < json_array_size(shape); i++) {
		int64_t d = json_integer_value(json_array_get(shape, i));

		n *= d;
		same = same && (i > 2 || f.h.grid.size[i] == d);
	}
	ok(same && n == (int64_t)f.h.values, "%s: shape", name);
	v = values(&f, STEP);
	ok(v && sha_is(v, f.h.values, json_string_value(json_object_get(o, "sha256_f32_i_fastest"))), "%s: values", name);
	free(v);
	nii_close(&f);
}

static void real(void)
{
	const char *dir = getenv("NIIPIPE_DATA"), *name;
	char path[1024];
	json_t *all, *o;

	snprintf(path, sizeof path, "%s/nifti/expected.json", dir ? dir : "../shared/data");
	all = json_load_file(path, JSON_ALLOW_NUL, NULL);
	if (!all) {
		skip("no %s", path);
		return;
	}
	json_object_foreach(json_object_get(all, "files"), name, o)
		real_file(dir ? dir : "../shared/data", name, o);
	json_decref(all);
}

static const char *const singles[] = {"int16_big.nii.gz", "nifti2_big.nii", "slope.nii", "extension.nii", "mask_u8.nii.gz", "five.nii"};

/* One number of int16.nii changed. */
static void lie(int at, const void *bytes, size_t size, const char *want)
{
	size_t n;
	uint8_t *p = slurp(GOLDEN "int16.nii", &n);
	int bad;

	memcpy(p + at, bytes, size);
	bad = reads(p, n, STEP);
	ok(bad && !strcmp(e.text, want), "%s", want);
	if (bad && strcmp(e.text, want))
		printf("# said %s\n", e.text);
	free(p);
}

static void lie_short(int at, int16_t v, const char *want)
{
	lie(at, &v, 2, want);
}

static void lie_float(int at, float v, const char *want)
{
	lie(at, &v, 4, want);
}

static void lies(void)
{
	lie_short(40, 0, "m: dim[0] is 0 (expected 1 to 7 axes) (offset 40)");
	lie_short(40, 8, "m: dim[0] is 8 (expected 1 to 7 axes) (offset 40)");
	lie_short(42, -5, "m: dim[1] is -5 (expected 1 to 32767) (offset 42)");
	lie_short(46, 0, "m: dim[3] is 0 (expected 1 to 32767) (offset 46)");
	lie_short(46, 4, "m: ends inside the voxels (expected 160 bytes, found 120) (offset 472)");
	lie_short(46, 2, "m: bytes after the voxels (offset 432)");
	lie_short(70, 3, "m: datatype 3 is not one of NIfTI's (offset 70)");
	lie_short(70, 128, "m: RGB voxels (datatype 128): only integers and floats of 8 to 64 bits are read (offset 70)");
	lie_short(70, 1536, "m: 128-bit floating-point voxels (datatype 1536): only integers and floats of 8 to 64 bits are read (offset 70)");
	lie_short(72, 8, "m: bitpix is 8 (expected 16 for datatype 4) (offset 72)");
	lie_float(108, 100, "m: vox_offset is 100, inside the header (expected at least 352) (offset 108)");
	lie_float(108, 352.5f, "m: vox_offset is 352.5 (expected a whole number from 352 to 2^24) (offset 108)");
	lie_float(108, NAN, "m: vox_offset is nan (expected a whole number from 352 to 2^24) (offset 108)");
	lie_float(108, 4000, "m: ends before the voxels (expected them at offset 4000) (offset 472)");
	lie_float(112, INFINITY, "m: scl_slope is infinite (offset 112)");
	lie_float(116, NAN, "m: scl_inter is nan with scl_slope 1 (offset 116)");
	lie_float(80, NAN, "m: pixdim[1] is nan (offset 80)");
	lie_float(280, NAN, "m: the affine (sform) has nan in it (offset 280)");
	lie_float(300, -INFINITY, "m: the affine (sform) has -inf in it (offset 280)");
	lie_short(254, 61, "m: sform_code is 61 (expected 0 to 5) (offset 254)");
	lie(344, "ni1", 4, "m: is the header of a .hdr/.img pair (expected a single file) (offset 344)");
	lie(344, "n+3", 4, "m: not NIfTI: no magic (expected \"n+1\" or \"ni1\", found \"n+3\") (offset 344)");
	lie(280, (float[12]){0}, 48, "m: the affine (sform) is singular (offset 280)");
}

/* Deflate with zlib, one member; append to p. */
static size_t member(uint8_t *p, const void *data, size_t n)
{
	z_stream z = {0};

	deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	z.next_in = (Bytef *)data;
	z.avail_in = (uInt)n;
	z.next_out = p;
	z.avail_out = 1 << 20;
	(deflate)(&z, Z_FINISH);
	deflateEnd(&z);
	return z.total_out;
}

/* The bytes through a pipe, `step` at a time, read `piece` at a time: equal to data? */
static int through(const uint8_t *gz, size_t n, size_t step, size_t piece, const uint8_t *data, size_t want)
{
	int fd[2], good;
	uint8_t *got = malloc(want + piece + 1);
	struct inflate *z;
	size_t at = 0;
	int64_t k = 0;

	if (pipe(fd))
		return 0;
	if (!fork()) {
		close(fd[0]);
		for (size_t i = 0; i < n; i += step)
			if (write(fd[1], gz + i, n - i < step ? n - i : step) < 0)
				break;
		_exit(0);
	}
	close(fd[1]);
	z = inflate_open(fd[0], "pipe", &e);
	while (z && at <= want && (k = inflate_read(z, got + at, piece, &e)) > 0)
		at += (size_t)k;
	good = z && !k && at == want && !memcmp(got, data, want);
	inflate_close(z);
	close(fd[0]);
	free(got);
	return good;
}

static void gzip_forms(void)
{
	enum { N = 100003 };
	uint8_t *data = malloc(N), *gz = malloc(1 << 20);
	size_t n, one;

	for (int i = 0; i < N; i++)
		data[i] = (uint8_t)(((unsigned)i * (unsigned)i >> 7) % 251);
	one = n = member(gz, data, 60000);
	n += member(gz + n, data + 60000, 1);
	n += member(gz + n, NULL, 0);
	n += member(gz + n, data + 60001, N - 60001);
	ok(through(gz, n, 1, 7001, data, N), "four members, a byte at a time");
	ok(through(gz, n, 4093, 1, data, N), "four members, out a byte at a time");
	memset(gz + n, 0, 700000);
	ok(through(gz, n + 700000, 65536, 65536, data, N), "zero padding");
	gz[n + 500000] = 1;
	ok(!through(gz, n + 700000, 65536, 65536, data, N), "%s", e.text);
	gz[one] = 'x';
	ok(!through(gz, n, 65536, 65536, data, N), "%s", e.text);
	ok(through(data, N, 1, 7001, data, N), "plain bytes");
	ok(through(data, 1, 1, 7001, data, 1), "one plain byte");
	ok(through(data, 0, 1, 7001, data, 0), "no byte");
	gz[one - 5] ^= 1;
	ok(!through(gz, one, 4096, 65536, data, 60000) && strstr(e.text, "CRC or length"), "%s", e.text);
	gz[one - 5] ^= 1;
	gz[one - 1] ^= 1;
	ok(!through(gz, one, 4096, 65536, data, 60000) && strstr(e.text, "CRC or length"), "%s", e.text);
	free(data);
	free(gz);
}

static int level_good(int level, const uint8_t *data, size_t n)
{
	char name[64];
	int fd = scratch(name, sizeof name), good;
	struct out o;
	struct deflate *d;
	size_t size;
	uint8_t *gz;

	close(fd);
	if (out_open(&o, name, 1, &e) || !(d = deflate_open(&o, level, &e)))
		return 0;
	good = !deflate_write(d, data, 1, &e) && !deflate_write(d, data + 1, n - 1, &e) && !deflate_finish(d, &e) && !out_close(&o, &e);
	deflate_close(d);
	gz = slurp(name, &size);
	unlink(name);
	good = good && through(gz, size, 65536, 65536, data, n) && !memcmp(gz + 4, "\0\0\0\0", 4);
	free(gz);
	return good;
}

static void levels(void)
{
	enum { N = 300007 };
	uint8_t *data = malloc(N);

	for (int i = 0; i < N; i++)
		data[i] = (uint8_t)((unsigned)i * 2654435761u >> 28);
	for (int level = 0; level <= DEFLATE_MOST; level++)
		ok(level_good(level, data, N), "deflate level %d, no time in its header", level);
	free(data);
}

static void records(void)
{
	static const char *const names[] = {"nifti2_big.nii", "half_turn.nii", "five.nii", "neither.nii", "slope.nii"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct nii_file f;
		struct nii_header h;
		char path[128];
		json_t *o;

		snprintf(path, sizeof path, GOLDEN "%s", names[i]);
		if (nii_open(&f, path, &e))
			continue;
		o = nii_record(&f.h);
		ok(!nii_record_parse(o, &h, &e) && !memcmp(&h.grid, &f.h.grid, sizeof h.grid) && !memcmp(h.h.pixdim, f.h.h.pixdim, sizeof h.h.pixdim) &&
		   h.h.quatern_b == f.h.h.quatern_b && h.version == f.h.version, "%s: header through JSON", names[i]);
		json_object_set_new(o, "sform_code", json_integer(9));
		ok(nii_record_parse(o, &h, &e) && strstr(e.text, "sform_code"), "%s", e.text);
		json_decref(o);
		nii_close(&f);
	}
}

static void frames(void)
{
	struct frame f;
	struct grid g;
	const struct tensor *t;

	ok(!nii_load(GOLDEN "slope.nii", "image", &f, &e), "slope.nii as a frame");
	t = frame_find(&f, "image");
	ok(t && t->dtype == DT_F32 && t->rank == 4 && t->shape[1] == 3 && t->shape[3] == 7 && !frame_grid(&f, &g, &e) && g.size[0] == 7, "its image");
	ok(!strcmp(frame_id(&f), "slope"), "its id");
	frame_free(&f);
	ok(!nii_load(GOLDEN "mask_f32.nii", "pred", &f, &e), "mask_f32.nii as a prediction");
	t = frame_find(&f, "pred");
	ok(t && t->dtype == DT_U8 && t->rank == 3, "its pred");
	frame_free(&f);
	ok(nii_load(GOLDEN "slope.nii", "label", &f, &e) && strstr(e.text, "label is not a whole number"), "%s", e.text);
	ok(nii_load("/no/such", "image", &f, &e), "%s", e.text);
}

static void names(void)
{
	static const struct { const char *path, *stem; } table[] = {
		{"a/ct.nii.gz", "ct"}, {"ct.nii", "ct"}, {"x.y/ct.v2.hdr", "ct.v2"}, {"CT.NII.GZ", "CT"}, {"ct.img.gz", "ct"}, {"ct", "ct"}, {"ct.gz", "ct.gz"},
		{".nii", ".nii"}, {"a/.nii.gz", ".nii.gz"}, {"ct.nii.nii.gz", "ct.nii"},
	};
	char *hdr, *img;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *s = nii_stem(table[i].path, 1);

		ok(!strcmp(s, table[i].stem), "%s is %s", table[i].path, s);
		free(s);
	}
	ok(!nii_pair("d/v.img.gz", &hdr, &img, &e) && !strcmp(hdr, "d/v.hdr.gz") && !strcmp(img, "d/v.img.gz"), "pair of v.img.gz");
	free(hdr), free(img);
	ok(!nii_pair("d/V.HDR", &hdr, &img, &e) && !strcmp(hdr, "d/V.HDR") && !strcmp(img, "d/V.IMG"), "pair of V.HDR");
	free(hdr), free(img);
}

int main(void)
{
	golden();
	real();
	damage(GOLDEN, singles, sizeof singles / sizeof *singles, 97, STEP);
	lies();
	gzip_forms();
	levels();
	records();
	frames();
	names();
	return tap_done();
}
