/* libFuzzer: bytes as a NIfTI file, plain or gzip, read to the end, or, beginning with {, as the JSON of a header in a history. See README. */
#include "tests/fuzz/fuzz.h"

#include "lib/volume/nifti/nifti.h"

static void as_file(const uint8_t *data, size_t n)
{
	enum { PIECE = 1013 };
	static double buf[PIECE];
	struct nii_file f;
	struct nii_header back;
	struct err e;
	json_t *o;
	size_t left = 1 << 18; /* values; a zero-filled bomb tells nothing new after that */
	int64_t k;

	if (nii_open_mem(&f, data, n, "fuzz", &e))
		return;
	o = nii_record(&f.h);
	if (nii_record_parse(o, &back, &e))
		abort(); /* what was accepted once is accepted again */
	json_decref(o);
	while (left > PIECE && (k = nii_next(&f, buf, PIECE, &e)) > 0)
		left -= (size_t)k;
	nii_close(&f);
}

static void as_record(const uint8_t *data, size_t n)
{
	struct nii_header h;
	struct err e;
	json_t *o = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);

	if (o)
		nii_record_parse(o, &h, &e);
	json_decref(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n && *data == '{')
		as_record(data, n);
	else
		as_file(data, n);
	return 0;
}
