/* libFuzzer: bytes as tables: of scores, compared with itself; of lesions, as a baseline and a nadir; of cases. See README. */
#include "tests/fuzz/fuzz.h"

#include "lib/volume/nifti/nifti.h"
#include "lib/volume/recist/recist.h"
#include "lib/volume/score/score_compare.h"

static void scores(const char *path)
{
	struct score_summary_options o = {10, 0};
	struct score_file a, b;
	struct out out;
	struct err e;

	if (!score_file_read(&a, path, &e) && !score_file_read(&b, path, &e)) {
		if (out_open(&out, "/dev/null", 0, &e) || score_compare(&a, &b, NULL, &o, 0, NULL, &out, &e) || out_close(&out, &e))
			abort(); /* a table has all of its own cases and columns */
		score_file_free(&b);
	}
	score_file_free(&a);
}

static void lesions(const char *path)
{
	struct recist_lesion l = {.label = 1, .line = {.longest = 20, .chord = 10}};
	struct recist_case c = {.l = &l, .n = 1};
	struct table t, u;
	struct err e;

	if (!table_read(path, &t, &e) && !table_read(path, &u, &e)) {
		struct recist_past p = {&t, &u, 1, 1e300};

		c.id = t.rows ? strdup(table_cell(&t, 0, 0)) : strdup("a");
		if (!recist_compare(&c, &p, &e) && !(c.nadir <= c.baseline))
			abort();
		free(c.id);
		table_free(&u);
	}
	table_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct nii_list l;
	struct err e;
	char path[FUZZ_PATH];
	int fd = fuzz_file(data, n, path);

	scores(path);
	lesions(path);
	if (!nii_list_read(&l, path, &e))
		nii_list_free(&l);
	close(fd);
	return 0;
}
