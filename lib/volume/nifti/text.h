/* What volumes share whose headers are text, NRRD (nrrd.h) and MetaImage (meta.h): lines, fields, numbers (text.c), and the way from the header
   to the voxels, in the same file or in one other (text_read.c). */
#ifndef NIIPIPE_TEXT_H
#define NIIPIPE_TEXT_H

#include "lib/volume/nifti/nifti.h"

enum { TEXT_HEADER_MAX = 1 << 20 /* bytes */, TEXT_FIELDS = 32 };
enum { TEXT_IGNORED, TEXT_REFUSED, TEXT_FIRST }; /* fields of a format that are used: from TEXT_FIRST on */
enum text_packed { TEXT_PLAIN, TEXT_GZIP, TEXT_ZLIB };

/* What a header says. */
struct text_volume {
	struct nii_header h;      /* what a NIfTI header of the same volume would say; vox_offset 0 */
	enum text_packed packed;  /* how the voxels are compressed; the header never is */
	int64_t packed_size;      /* bytes of the compressed voxels, 0: it does not say */
	int first;                /* the channels are the first axis of the file: c,x,y,z */
	int64_t from;             /* bytes of the data's file before all below, not compressed; 0: none, or those of the header */
	int64_t line_skip;        /* lines before the voxels, not compressed */
	int64_t byte_skip;        /* then bytes, once inflated; -1: the voxels are the last bytes of the file */
	char *data;               /* the data file as the header names it, into its text; NULL: they follow the header */
	json_t *segments;         /* as nii_file has them; whoever has the struct owns it */
};

struct text;
struct text_field { const char *name; int f; };
struct text_type { const char *name; enum dtype t; };

struct text_format {
	const char *name;   /* "NRRD" */
	const char *last;   /* what ends a header: "blank line" */
	const char *skip;   /* the field that says how much stands before the voxels */
	const struct text_field *fields;
	size_t n;
	int (*differ)(const char *, const char *); /* of names: strcmp or strcasecmp */
	int (*begins)(const uint8_t first[4]);
	int (*ends)(const char *line, size_t n);   /* is this line, its end included, a header's last? */
	int (*line)(struct text *t, char *line, int64_t at, struct err *e); /* take one, without its end; at: its offset */

	/* Fill *v from the n bytes at text, the whole header; text[n] must be writable, and text is cut to pieces. 0 or -1. */
	int (*parse)(struct text_volume *v, char *text, size_t n, const char *file, struct err *e);
};

/* Fields that are used, and what is said of each: its text and the offset of its line; text NULL where absent. */
struct text {
	const struct text_format *format;
	const char *file;
	char *v[TEXT_FIELDS];
	int64_t at[TEXT_FIELDS];
	int axes;        /* 3 or 4 */
	int64_t size[4];
	int channel;     /* the axis of the channels, -1: none */
	json_t *segments; /* what a NRRD header says of 3D Slicer's segments (nrrd_segments.c), NULL: nothing */
};

extern const struct text_format nrrd_format, meta_format;

/* ---- headers (text.c): 0, or -1 and an error where nothing else is said ---- */

const char *text_name(const struct text *t, int f);
char *text_trim(char *s); /* without blanks around it; in place */
char *text_word(char **p); /* the next word at *p, which is cut off and moves on; NULL: there is none */

/* Every line of a header to format->line. */
int text_lines(struct text *t, char *text, size_t n, struct err *e);

/* What a field says, from a line. 1: it is none of the format's. */
int text_set(struct text *t, const char *name, char *value, int64_t at, struct err *e);
int text_bad(const struct text *t, int f, const char *what, struct err *e);       /* -1 */
int text_not_read(const struct text *t, int f, const char *expected, struct err *e); /* -1 */
int text_need(const struct text *t, int f, struct err *e);
int text_whole(const struct text *t, int f, const char *text, int64_t lo, int64_t hi, int64_t *out, struct err *e);
int text_number(const struct text *t, int f, char *text, double *out, struct err *e); /* text may begin with blanks, and is cut at the next one */

/* t->axes numbers of field f into t->size. */
int text_sizes(struct text *t, int f, struct err *e);
int text_of_type(struct text_volume *v, const struct text *t, int f, const struct text_type *types, size_t n, struct err *e);
int text_data_file(struct text_volume *v, const struct text *t, int f, struct err *e);

/* The affine of three axes (columns) and an origin, each coordinate times its sign; f: the field that the axes are from. */
int text_affine(const struct text *t, int f, double column[3][3], const double origin[3], const double sign[3], double affine[16], struct err *e);

/* The same volume in NIfTI's terms, which then checks it as its own: sizes, type and byte order are known. */
int text_as_nifti(struct text_volume *v, const struct text *t, const double affine[16], struct err *e);

/* ---- files (text_read.c) ---- */

/* The format of a header that begins with these four bytes; NULL: none of text. */
const struct text_format *text_format_of(const uint8_t first[4]);

/* The rest of nii_open for such a file, of which those four bytes were read. path: where a data file is looked for; NULL: nowhere. 0 or -1. */
int text_open(struct nii_file *f, const struct text_format *format, const uint8_t first[4], const char *path, struct err *e);

/* nii_next for a file with the channels first: all is read before the first value is given. */
int64_t text_next(struct nii_file *f, void *p, size_t n, struct err *e);

#endif
