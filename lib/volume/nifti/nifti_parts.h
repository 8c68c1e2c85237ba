/* What the files that read volumes share among themselves: nifti_read.c, nifti_list.c, nifti_name.c, nifti_channels.c, nifti_frame.c,
   nifti_with.c, text_read.c. */
#ifndef NIIPIPE_NIFTI_PARTS_H
#define NIIPIPE_NIFTI_PARTS_H

#include "lib/volume/nifti/nifti.h"

/* path as seen from the directory of `file`, which names it. Caller frees; NULL: no memory. */
char *nii_beside(const char *file, const char *path);

/* Fill name, fd and z of *f; path NULL or "-": standard input. 0 or -1. */
int nii_open_bytes(struct nii_file *f, const char *path, struct err *e);
void nii_close_bytes(struct nii_file *f);

/* f->h is known and `at` bytes were read: check the size of a plain file, go to h.h.vox_offset. 0 or -1. */
int nii_to_voxels(struct nii_file *f, int64_t at, struct err *e);

/* The files of a case's image, all open. */
struct nii_files {
	int n;
	struct nii_file *f;
	int64_t channels;   /* of all */
	enum dtype dtype;   /* of the image */
	int at;             /* which one is read */
	void *raw;          /* scratch where values change their type */
};

/* 0, or -1 and an error; nii_files_close either way. */
int nii_files_open(struct nii_files *s, const struct nii_case *c, struct err *e);

/* As nii_next, one file after the other, in dtype. */
int64_t nii_files_next(struct nii_files *s, void *p, size_t n, struct err *e);
void nii_files_close(struct nii_files *s); /* safe on a zeroed one */

/* The files of a case's further tensors, in their order. */
struct nii_paths { int n; char *v[ARG_LIST]; };
int nii_with_find(const struct nii_with *w, const char *id, struct nii_paths *p, struct err *e); /* p zeroed. 0, or -1; nii_paths_free either way */
void nii_paths_free(struct nii_paths *p);

/* The tensors into f; like and image as in nii_load_label. 0 or -1. nii_with_args: what the history says of them. */
int nii_with_load(const struct nii_with *w, const struct nii_paths *p, const struct nii_header *like, const char *image, struct frame *f,
                  struct err *e);
void nii_with_args(const struct nii_with *w, const struct nii_paths *p, json_t *args);

/* nii_next in the file's own order. */
int64_t nii_values(struct nii_file *f, void *p, size_t n, struct err *e);

#endif
