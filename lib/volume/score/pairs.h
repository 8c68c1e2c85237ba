/* Pairs of mask files, truth and prediction: from operands, a table, or two directories. */
#ifndef NIIPIPE_PAIRS_H
#define NIIPIPE_PAIRS_H

#include <stddef.h>

#include "lib/base/err.h"

struct pairs {
	struct pair { char *id, *truth, *pred; } *p; /* id NULL: from the truth's name */
	size_t n;
	struct pairs_problem { char *text; } *problem; /* what is wrong with them, as lines for a person */
	size_t problems;
};

/* n files: truth, prediction, truth, ... 0, or -1 and an error: no memory. */
int pairs_of_files(struct pairs *p, char *const *file, int n, struct err *e);

/* A table as nii_list_read's: id, truth, prediction ("-": standard input). A case without prediction, and a file that is not there or empty, are
   problems, one each. 0, or -1 and an error: the table itself. */
int pairs_of_table(struct pairs *p, const char *path, struct err *e);

/* A table of cases as nii_list_read's, id, image and label, the truth (the image is not looked at), against the directory's mask of each one's id, in
   the table's order. A case without label or mask, files that are not there or empty and masks of one name are problems, one each; masks
   that are no case's go to say, in one line. 0, or -1 and an error: the table itself, or one of predictions; the directory, as below. */
typedef void pairs_say(const char *line);
int pairs_of_cases(struct pairs *p, const char *path, const char *pred, pairs_say *say, struct err *e);

/* The masks in two directories (names of nii_is_volume, but .img; other files are left alone), paired by their names without the endings, in the
   order of these; a prediction ID_0000, as nnU-Net names images, with the truth ID where none is ID_0000. One without its other, and two of one name,
   are problems. 0, or -1 and an error: a directory that cannot be read, or without masks. */
int pairs_of_directories(struct pairs *p, const char *truth, const char *pred, struct err *e);

/* Is it a directory? */
int pairs_is_directory(const char *path);

/* A problem's text (no newline). 0, or -1 and an error: no memory. */
int pairs_add_problem(struct pairs *p, const struct err *what, struct err *e);
void pairs_free(struct pairs *p); /* safe on a zeroed one */

#endif
