/* libFuzzer: bytes as a MetaImage file, read to the end. See README. */
#include "tests/fuzz/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	as_file(data, n);
	as_text(&meta_format, data, n);
	return 0;
}
