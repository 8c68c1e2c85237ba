#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/volume/nifti/nifti_parts.h"

static const char *const texts[] = {".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd"};

static int ends(const char *s, size_t n, const char *with)
{
	size_t k = strlen(with);

	return n > k && !strncasecmp(s + n - k, with, k) && s[n - k - 1] != '/';
}

/* Length of path without what nii_name knows; *kind: 'n', 'h', 'i', or 0; 't': a header that is text. */
static size_t stem(const char *path, char *kind, int *gzip)
{
	size_t n = strlen(path), k;

	*gzip = 0;
	*kind = 't';
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (ends(path, n, texts[i]))
			return n - strlen(texts[i]);
	*gzip = ends(path, n, ".gz");
	k = n - (*gzip ? 3 : 0);
	*kind = ends(path, k, ".nii") ? 'n' : ends(path, k, ".hdr") ? 'h' : ends(path, k, ".img") ? 'i' : 0;
	return *kind ? k - 4 : n;
}

char *nii_stem(const char *path, int base)
{
	const char *slash = base ? strrchr(path, '/') : NULL;
	size_t skip = slash ? (size_t)(slash + 1 - path) : 0;
	int gzip;
	char kind;

	return strndup(path + skip, stem(path, &kind, &gzip) - skip);
}

int nii_name(const char *path, int *pair, int *gzip)
{
	char kind;

	stem(path, &kind, gzip);
	*pair = kind == 'h' || kind == 'i';
	return kind && kind != 't';
}

int nii_is_nrrd(const char *path, int *segments)
{
	const size_t n = strlen(path);

	*segments = ends(path, n, ".seg.nrrd");
	return ends(path, n, ".nrrd");
}

int nii_is_volume(const char *path)
{
	int gzip;
	char kind;

	stem(path, &kind, &gzip);
	return kind != 0;
}

int nii_is_mask(const char *name)
{
	int gzip;
	char kind;

	stem(name, &kind, &gzip);
	return *name != '.' && kind && kind != 'i';
}

int nii_are_volumes(char *const *path, int n)
{
	int k = 0;

	for (int i = 0; i < n; i++)
		k += nii_is_volume(path[i]);
	return !k ? 0 : k == n ? 1 : -1;
}

char *nii_beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *out;

	if (*path == '/' || !slash)
		return strdup(path);
	return asprintf(&out, "%.*s%s", (int)(slash + 1 - file), file, path) < 0 ? NULL : out;
}

int nii_pair(const char *path, char **hdr, char **img, struct err *e)
{
	int gzip, upper;
	char kind;
	size_t n = stem(path, &kind, &gzip);

	upper = path[n + 1] == 'H' || path[n + 1] == 'I';
	*img = NULL;
	if (asprintf(hdr, "%.*s%s%s", (int)n, path, upper ? ".HDR" : ".hdr", path + n + 4) < 0)
		*hdr = NULL;
	if (asprintf(img, "%.*s%s%s", (int)n, path, upper ? ".IMG" : ".img", path + n + 4) < 0)
		*img = NULL;
	if (*hdr && *img)
		return 0;
	free(*hdr);
	free(*img);
	*hdr = *img = NULL;
	return err_set(e, path, "not enough memory");
}
