/* libFuzzer: bytes as a file of torch.save, zip or older, and as a bare pickle; every tensor is found and read. See README. */
#include "tests/fuzz/fuzz.h"

#include "lib/net/import/pickle.h"
#include "lib/net/import/torch.h"

enum { MOST = 1 << 16 }; /* values: a tensor of strides 0 tells nothing new after that */

static void load(const struct weight *w)
{
	int64_t n = weights_count(w);
	float *v;

	if (n > MOST)
		return;
	v = malloc((size_t)n * sizeof *v + 1);
	weights_load(w, v);
	if (!weights_equal(w, w))
		abort();
	free(v);
}

static void as_file(const uint8_t *data, size_t n, int all)
{
	struct weights w = {.file = "fuzz"};
	char text[WEIGHT_TEXT];
	struct err e;

	if (!torch_read(&w, data, n, NULL, all, &e))
		for (int i = 0; i < w.n; i++) {
			load(&w.w[i]);
			weights_text(&w.w[i], text);
		}
	weights_close(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pickle p;
	struct err e;

	if (torch_is(data, n)) {
		as_file(data, n, 0);
		as_file(data, n, 1);
		return 0;
	}
	pickle_load(&p, data, n, "fuzz", 0, &e);
	pickle_free(&p);
	return 0;
}
