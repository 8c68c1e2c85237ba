/* Bytes as YAML: what is read has a JSON that is the same. See README. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/yamltree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e;
	json_t *v = yamltree_parse((const char *)data, n, "fuzz", &e), *back;
	char *text;

	if (!v && (strncmp(e.text, "fuzz: line ", 11) || strchr(e.text, '\n')))
		abort();
	if (!v)
		return 0;
	text = json_dumps(v, JSON_COMPACT);
	back = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_equal(v, back))
		abort();
	json_decref(back);
	json_decref(v);
	free(text);
	return 0;
}
