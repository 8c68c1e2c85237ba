/* Names in folders. Private to folder*.c, results.c and bundle*.c. */
#ifndef NIIPIPE_FOLDER_FILES_H
#define NIIPIPE_FOLDER_FILES_H

#include "lib/net/import/folder.h"

enum { FOLDER_MOST = 64 };

/* Names of a folder, sorted: all that are asked for, at most FOLDER_MOST. */
struct folder_names { char name[FOLDER_MOST][FOLDER_TEXT]; int n; };
typedef int folder_want(const char *dir, const char *name, void *arg); /* is it one? */
void folder_list(struct folder_names *l, const char *dir, folder_want *want, void *arg);

/* "a, b" into text, which is returned; what does not fit is left out. */
const char *folder_text(const struct folder_names *l, char text[FOLDER_TEXT]);

/* Put a path together. 0, or -1 and an error: it is too long. */
int folder_path(char path[FOLDER_PATH], struct err *e, const char *fmt, ...) ERR_PRINTF(3, 4);

int folder_has(const char *dir, const char *name); /* a file or a folder */

/* JSON of dir/name; *missing: it is not there, NULL: that is an error. NULL and an error; caller json_decref()s. */
json_t *folder_json(const char *dir, const char *name, int *missing, struct err *e);

#endif
