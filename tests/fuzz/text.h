/* Bytes as a file whose header is text, read to the end: what the targets of such formats share. */
#ifndef TESTS_FUZZ_TEXT_H
#define TESTS_FUZZ_TEXT_H

#include "tests/fuzz/fuzz.h"

#include "lib/volume/nifti/text.h"

enum { PIECE = 1013, MOST = 1 << 18 }; /* values */

static inline void as_file(const uint8_t *data, size_t n)
{
	static double buf[PIECE];
	struct nii_file f;
	struct nii_header back;
	struct err e;
	json_t *o;
	size_t left = MOST; /* a zero-filled bomb tells nothing new after that */
	int64_t k;

	if (nii_open_mem(&f, data, n, "fuzz", &e))
		return;
	o = nii_record(&f.h);
	if (nii_record_parse(o, &back, &e) || memcmp(&back.grid, &f.h.grid, sizeof back.grid))
		abort(); /* what was accepted once is accepted again, on the same grid */
	json_decref(o);
	if (!f.mixed || f.h.values < MOST)
		while (left > PIECE && (k = nii_next(&f, buf, PIECE, &e)) > 0)
			left -= (size_t)k;
	nii_close(&f);
}

/* A detached header's text does not come through memory. */
static inline void as_text(const struct text_format *format, const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);
	struct text_volume v;
	struct err e;

	memcpy(text, data, n);
	if (!format->parse(&v, text, n, "fuzz", &e))
		json_decref(v.segments);
	free(text);
}

#endif
