/* NIfTI-1 and NIfTI-2: headers as they are, voxels as a stream. NRRD and MetaImage are read through the same calls (nrrd.h, meta.h).
   Read: .nii and .hdr/.img pairs, each also gzipped (told by its bytes), both byte orders, 1 to 7 axes that come down to [C,Z,Y,X], integers and
   floats of 8 to 64 bits with slope and intercept. RGB, complex, 128-bit and 1-bit voxels are refused.
   Formats: https://nifti.nimh.nih.gov (nifti1.h, nifti2.h). Structures, byte order of headers and quaternions of an affine are libnifti's; reading is
   ours: libnifti's cannot take a pipe and may take the voxels of a sibling. */
#ifndef NIIPIPE_NIFTI_H
#define NIIPIPE_NIFTI_H

#include <nifti2_io.h>

#include "lib/base/arg.h"
#include "lib/base/outfile.h"
#include "lib/stream/stream.h"
#include "lib/volume/nifti/inflate.h"

enum { NII_SIDE_MAX = 1 << 20 }; /* voxels along x, y or z */

struct nii_header {
	nifti_2_header h;      /* as read, in this machine's byte order, NIfTI-1 widened to NIfTI-2's types */
	int version;           /* 1 or 2 */
	int pair;              /* .hdr and .img */
	int swapped;           /* the file has the other byte order */
	enum dtype dtype;      /* of the voxels in the file */
	struct grid grid;      /* affine: sform if sform_code > 0, else qform if qform_code > 0, else pixdim, x flipped, origin in the centre (as nibabel) */
	int64_t channels;      /* the one axis beyond the third that is longer than 1 */
	int scaled;            /* slope and inter are to be applied; slope 0 or NaN, or 1 with inter 0, mean: not */
	double slope, inter;
	size_t values, bytes;  /* of all channels, in the file */
};

/* ---- headers (nifti_header.c, nifti_affine.c) ---- */

/* Size of the header that begins with these four bytes: 348 or 540, in either byte order; 0: it is not NIfTI. */
size_t nii_header_size(const uint8_t first[4]);

/* Fill *h from the nii_header_size bytes at raw; everything used later is checked. file: for messages. 0 or -1. */
int nii_header_parse(struct nii_header *h, const uint8_t *raw, const char *file, struct err *e);

/* Check h->h (this machine's order; version and pair set) and fill the rest. 0 or -1. */
int nii_header_check(struct nii_header *h, const char *file, struct err *e);

/* The bytes of the header in this machine's order (little endian on every machine niipipe runs on), raw of 540 bytes; returns 348 or 540. */
size_t nii_header_bytes(const struct nii_header *h, uint8_t *raw);

/* The affine of a checked header into h->grid.affine. 0 or -1. */
int nii_affine(struct nii_header *h, const char *file, struct err *e);

/* Header fields for an affine: pixdim[0..3], sform (code 1) and, where rotations and spacings express it, qform (code 1). */
void nii_set_affine(nifti_2_header *h, const double affine[16]);

/* Bits of a voxel of NIfTI's type `code`, 0 where there is no such type; and NIfTI's code for a type of ours (0: it has none). */
int nii_type_bits(int code);
int nii_type_code(enum dtype t);

/* The type that voxels have once read: the file's own, F32 where slope and inter apply. */
enum dtype nii_dtype(const struct nii_header *h);

/* mm: what the affines of a scan and of masks on it, or of masks that are compared, may differ by in every number (grid_match). */
#define NII_ONE_GRID 1e-3

/* ---- names (nifti_name.c) ---- */

/* path without .nii, .hdr, .img (and .gz), .nrrd, .nhdr, .mha, .mhd: "dir/ct.nii.gz" gives "ct" with base, "dir/ct" without.
   Caller frees; NULL: no memory. */
char *nii_stem(const char *path, int base);

/* What the name says. pair: 1 ends in .hdr or .img. Returns 0 where it ends in none of .nii .hdr .img (each also with .gz). Case does not matter. */
int nii_name(const char *path, int *pair, int *gzip);

/* Does the name end in .nrrd; *segments: in .seg.nrrd, as 3D Slicer has its segmentations? */
int nii_is_nrrd(const char *path, int *segments);

/* Does the name end as that of a file that nii_open reads: one of nii_name's, .nrrd, .nhdr, .mha or .mhd? */
int nii_is_volume(const char *path);

/* The same of what a folder is listed for: not hidden, and of a pair the header alone. */
int nii_is_mask(const char *name);

/* Do all of n names, at least one? 1; 0: none of them; -1: some. */
int nii_are_volumes(char *const *path, int n);

/* The names of both files of a pair; naming either gives both: v.hdr and v.img, v.hdr.gz and v.img.gz. Caller frees. 0 or -1. */
int nii_pair(const char *path, char **hdr, char **img, struct err *e);

/* ---- reading (nifti_read.c) ---- */

struct nii_file {
	struct nii_header h;
	char *name;        /* of the file with the voxels, for messages */
	int fd;
	struct inflate *z;
	size_t left;       /* values not read yet */
	void *raw;         /* scratch where values change their type */
	int64_t packed;    /* bytes of the voxels as they are compressed, where the header says it; else 0 */
	int mixed;         /* the file has the channels first (NRRD, MetaImage): */
	void *planar;      /* then all values, channels last, once nii_next was called */
	json_t *segments;  /* 3D Slicer's (.seg.nrrd): [{"name": "tumour", "layer": 0, "value": 1}, ...], the layer a channel; NULL: it is no such file */
};

/* Open path (NULL or "-": standard input, never a pair nor detached), NIfTI, NRRD or MetaImage by its first bytes, read the header, stand
   before the first voxel. 0 or -1. */
int nii_open(struct nii_file *f, const char *path, struct err *e);

/* The same from memory, borrowed: a single file. */
int nii_open_mem(struct nii_file *f, const void *data, size_t n, const char *name, struct err *e);

/* The next values, at most n, as nii_dtype into p. Returns how many, 0 at the end, -1 and an error. The last piece is given only after the end of the
   file was seen and found right (nothing missing, nothing after it, CRC good). */
int64_t nii_next(struct nii_file *f, void *p, size_t n, struct err *e);
void nii_close(struct nii_file *f); /* safe on a zeroed one */

/* Convert n values: raw as in the file to out, in nii_dtype. out may be raw where the size stays. (nifti_values.c) */
void nii_convert(const struct nii_header *h, void *out, void *raw, size_t n);

/* ---- frames (nifti_frame.c, nifti_label.c, nifti_list.c) ---- */

/* A whole label file: integers [Z,Y,X] into *data (caller frees) of type *t. Floats, and integers with a slope, must be whole numbers: they become
   the smallest integer type that holds them. like: the image it must share the grid with (1e-3 mm), image its name; NULL: none. 0 or -1. */
int nii_load_label(const char *path, const struct nii_header *like, const char *image, struct nii_header *h, void **data, enum dtype *t,
                   struct err *e);

/* The same of any volume: what is not whole numbers stays as it is in the file. */
int nii_load_like(const char *path, const struct nii_header *like, const char *image, struct nii_header *h, void **data, enum dtype *t,
                  struct err *e);

enum { NII_PARTS_MOST = UINT8_MAX };

/* Several of them, all on the grid of like, as one of type U8 [h->values] (caller frees): voxels that are not 0 in file k, from 0 on, become k + 1,
   the last file's where several claim one; *shared (or NULL): how many of these there are. 0 or -1. */
int nii_load_parts(const struct arg_strs *parts, const struct nii_header *like, const char *image, struct nii_header *h, void **data,
                   int64_t *shared, struct err *e);

/* A whole file as a frame in memory, id from its name: tensor "image" as it is, or any other name as labels. 0 or -1. */
int nii_load(const char *path, const char *tensor, struct frame *f, struct err *e);

/* For a tool that only reads: fn for every mask of the operands, which are files (each a frame, the mask its tensor `tensor`; NULL: label) or streams
   (stream_each); both are misuse. 0 or -1. (nifti_each.c) */
int nii_each_mask(const struct arg_common *c, const char *tensor, stream_fn *fn, void *arg, struct err *e);

/* Labels that become others (nifti_map.c). */
enum { NII_MAP_MAX = 1024 };
struct nii_map {
	const char *text; /* borrowed */
	int n;
	int64_t from[NII_MAP_MAX], to[NII_MAP_MAX], rest; /* rest: what all but 0 and those in from become; -1: nothing else */
};

/* "FROM=TO,...", FROM a whole number or *, TO 0 to 255. 0, or -1 and an error. */
int nii_map_parse(struct nii_map *m, const char *text, struct err *e);

int64_t nii_map_to(const struct nii_map *m, int64_t label); /* what it becomes: itself where the map does not say */

/* n labels of integer type t, in place. 0, or -1: t does not hold one of them. */
int nii_map_apply(const struct nii_map *m, void *data, enum dtype t, size_t n, const char *file, struct err *e);

/* The channels of cases that have a file for each (nifti_channels.c). */
enum { NII_CHANNELS_MOST = 64 };
struct nii_channels {
	int n;         /* files a case */
	json_t *names; /* n strings, in their order; NULL: none are known */
};

/* "N", "NAME,NAME,...", or a path that ends in .json: nnU-Net's dataset.json, its channel_names. 0, or -1 and an error. */
int nii_channels_parse(struct nii_channels *c, const char *text, struct err *e);
void nii_channels_free(struct nii_channels *c); /* safe on a zeroed one */

/* For a tool: the same from its option --channels, which is misuse where it is malformed, and a failure where the file is not as it should be. */
void nii_channels_option(struct nii_channels *c, const char *text);

/* Which channel a file is by nnU-Net's names, ID_0000, ID_0001: of its path without ending (nii_stem), from which with cut the number is taken off.
   -1: its name does not say. */
int nii_channel_of(char *stem, int cut);

/* Where one of n files of a case has such a name, all must, in their order. 0, or -1 and an error that names the first that has not. */
int nii_channels_check(char *const *path, int n, struct err *e);

/* Further tensors [Z,Y,X] of a case, each of a file on the image's grid: "NAME=FILE", or "NAME=FOLDER", where the file has the case's id
   (nifti_with.c). Whole numbers are integers; names are not image, label, pred or prob. Borrowed from argv. */
enum { NII_WITH_NAME = 64 };
struct nii_with {
	int n;
	struct nii_with_one { char name[NII_WITH_NAME]; const char *path; int folder; } one[ARG_LIST];
};
int nii_with_parse(struct nii_with *w, const struct arg_strs *given, struct err *e); /* 0, or -1 and an error: misuse */


struct nii_case {
	char *id;     /* NULL: from the image's name, of several files without nnU-Net's _0000 */
	char *image;  /* path; NULL or "-": standard input */
	int n_more;   /* further files of the image: */
	char **more;  /* a channel each, on the same grid (NII_ONE_GRID) */
	const struct nii_channels *channels; /* what there must be, and its names, which become metadata; NULL: not known; borrowed */
	char *label;  /* NULL: none */
	const struct arg_strs *parts; /* NULL: none; borrowed. Or instead of a label files that are put together (nii_load_parts) */
	int64_t *shared;              /* if set: becomes how many voxels several of them claim */
	const struct nii_map *map; /* of its labels; NULL: none; borrowed */
	const struct nii_with *with; /* further tensors; NULL: none; borrowed */
};

/* One case as a frame into o, the image piece by piece, never whole in memory; a label is held. Of several files that are not of one type the image
   has the smallest that holds all their values. 0 or -1. */
int nii_case_write(const struct nii_case *c, struct out *o, struct err *e);

/* The same into memory. 0 or -1; frame_free either way. */
int nii_case_load(const struct nii_case *c, struct frame *f, struct err *e);

struct nii_list {
	int64_t n;
	struct nii_case *c;
	int predicted; /* the heading is "id truth pred": what stands for labels are predictions */
};

/* Cases from a table of tab-separated lines id, image, label, and the image's further files (label may be empty, or absent where it is the last; a
   first line "id image label image2 ..." or "id truth pred" is allowed, and so are a byte order mark and CR LF). Relative paths are relative to the
   table's directory. path "-": standard input. 0 or -1; nii_list_free. */
int nii_list_read(struct nii_list *l, const char *path, struct err *e);
void nii_list_free(struct nii_list *l);

/* Cases from n files by their names, in the order of their ids: image and label are ID_ct (ID_image, ID_0000) and ID_gtv (ID_label, ID_seg,
   ID_mask) in one directory, or ID (or ID_0000) and ID in two whose names begin with images and labels and go on alike. Further channels of an
   image are ID_0001, ID_0002, ..., or ID_pet beside ID_ct. Every file without a partner and every case that lacks a channel go to say, a line
   each, and then it is an error. 0 or -1; nii_list_free. (nifti_pairs.c) */
typedef void nii_say(const char *line);
int nii_list_pairs(struct nii_list *l, char *const *path, int n, nii_say *say, struct err *e);

/* ---- header fields in the history (nifti_record.c) ---- */

/* The fields that nii-write puts back, as JSON: `undo` of nii-read's entry. New reference. Numbers that are not finite, in fields that mean nothing,
   become 0. */
json_t *nii_record(const struct nii_header *h);

/* The one in f's history: the undo of its first entry, if that is nii-read's; else null. New reference; NULL and an error where the history is
   malformed. */
json_t *nii_record_of(const struct frame *f, struct err *e);

/* Is path, by its hash, the file that f's image was read from, or a copy? A mask that was read as the image of its own label does not count. */
int nii_is_origin(const struct frame *f, const char *path);

/* And back, checked: *h describes the file as it was read. 0, or -1 and an error without a file. */
int nii_record_parse(const json_t *o, struct nii_header *h, struct err *e);

/* ---- writing (nifti_write.c) ---- */

/* Header for tensor t of f, written as type `as`: geometry as read where f's grid is still that of its first history entry (1e-4 mm), else from the
   affine. 0 or -1. */
int nii_header_for(const struct frame *f, const struct tensor *t, enum dtype as, struct nii_header *h, struct err *e);

/* The type a label is written in: U8, I16 or I32, the first of them that holds all values, where it is wider than 16 bits; else, or where none does,
   its own. nii_narrowed: elements first to first + n - 1, C order, in the other type. (nifti_narrow.c) */
enum dtype nii_narrow(const struct tensor *t);
void nii_narrowed(const struct tensor *t, enum dtype to, int64_t first, int64_t n, void *out);

struct nii_out; /* opaque: a .nii, both files of a pair, or a .nrrd, begun and not in place yet */

/* path NULL or "-": a .nii.gz to standard output; else by its name; level as deflate_open. NULL and an error. */
struct nii_out *nii_out_open(const char *path, int level, struct err *e);

/* A label table of the names that f has for its labels, text that ends with a 0; nothing where it has none. 0 or -1; h->p is the caller's either way
   (html_free). (nifti_names.c) */
struct html;
int nii_names_table(const struct frame *f, struct html *h, struct err *e);

/* The colour of a label in PASCAL VOC's colour map, 0 to 1 each. (nifti_names.c) */
void nii_label_colour(int label, double rgb[3]);

/* The names of labels that a mask's file has, such a table or 3D Slicer's segments, into f's metadata `labels`; of masks that are put together
   (nii_load_parts) what their files are called. As map has their numbers (NULL: as they are): labels that become one have no name then, unless it is
   the same. A file without a table changes nothing. 0 or -1. (nifti_named.c) */
int nii_names_read(const char *path, const struct nii_map *map, struct frame *f, struct err *e);
int nii_names_of_parts(const struct arg_strs *parts, const struct nii_map *map, struct frame *f, struct err *e);

/* Tensor t of f: "image" in its own type, labels as nii_narrow has them, BOOL as U8, F16 and BF16 as F32. Those that f's metadata name
   (frame_labels) with their names, an extension of code NIFTI_ECODE_IGNORE. 0 or -1. */
int nii_out_frame(struct nii_out *o, const struct frame *f, const struct tensor *t, struct err *e);

/* Before that: the frame's history goes along, an extension of code NIFTI_ECODE_COMMENT: the text of ts-info --history. */
void nii_out_history(struct nii_out *o);
int nii_out_close(struct nii_out *o, struct err *e); /* in place, whole; frees o. -1: nothing is left behind */
void nii_out_abort(struct nii_out *o);               /* NULL is fine */

#endif
