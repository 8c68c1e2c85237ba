#include "lib/stream/foreign.h"

#include <string.h>

/* Of a program that packs: neither a stream nor an image */
#define PACKED(by) "is compressed by " by ": " by " -dc unpacks it into a pipe", "is compressed by " by ": " by " -dc unpacks it into a pipe"

static const struct foreign {
	size_t at, len;
	const char *magic, *stream, *image; /* what to say; NULL: nothing */
} known[] = {
	{0, 3, "\x1f\x8b\x08", "is compressed by gzip, no stream: nii-read makes one of a .nii.gz", "is compressed by gzip twice: gunzip it once"},
	{0, 6, "\xfd" "7zXZ", PACKED("xz")},
	{0, 3, "BZh", PACKED("bzip2")},
	{0, 4, "\x28\xb5\x2f\xfd", PACKED("zstd")},
	{344, 4, "n+1", "is a NIfTI file, no stream: nii-read makes one of it", NULL},
	{344, 4, "ni1", "is a NIfTI header, no stream: nii-read makes one of it", NULL},
	{4, 4, "n+2", "is a NIfTI file, no stream: nii-read makes one of it", NULL},
	{4, 4, "ni2", "is a NIfTI header, no stream: nii-read makes one of it", NULL},
	{0, 6, "NRRD00", "is an NRRD file, no stream: nii-read makes one of it", NULL},
	{0, 8, "ObjectTy", "is a MetaImage, no stream: nii-read makes one of it", NULL},
	{128, 4, "DICM", "is a DICOM file, no stream: from-dicom.sh makes NIfTI of a folder of them, nii-read a stream of that",
	 "is a DICOM file, neither NIfTI nor NRRD nor MetaImage: from-dicom.sh makes NIfTI of a folder of them"},
	{0, 4, "PK\3\4", "is a zip file, no stream: seg-import makes a model of one that PyTorch wrote",
	 "is a zip file, neither NIfTI nor NRRD nor MetaImage"},
	{0, 4, "\x89PNG", "is a picture, no stream", "is a picture, neither NIfTI nor NRRD nor MetaImage"},
	{8, 2, "{\"", NULL, "is a stream already, or safetensors: the other programs take it as it is"},
};

static const struct foreign *find(const void *first, const void *rest, size_t n)
{
	char all[FOREIGN_BYTES];

	if (n > sizeof all - 8)
		n = sizeof all - 8;
	memcpy(all, first, 8);
	if (n)
		memcpy(all + 8, rest, n);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].at + known[i].len <= 8 + n && !memcmp(all + known[i].at, known[i].magic, known[i].len))
			return &known[i];
	return NULL;
}

int foreign_stream(const char *file, const void *first, const void *rest, size_t n, struct err *e)
{
	const struct foreign *f = find(first, rest, n);

	return f && f->stream ? err_set(e, file, "%s", f->stream) : 0;
}

int foreign_image(const char *file, const void *first, const void *rest, size_t n, struct err *e)
{
	const struct foreign *f = find(first, rest, n);

	return f && f->image ? err_set(e, file, "%s", f->image) : 0;
}
