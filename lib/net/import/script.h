/* What stands in an archive of torch.jit.save beside the program: extra/NAME. monai.bundle's ckpt_export puts a bundle's configs there. */
#ifndef NIIPIPE_SCRIPT_H
#define NIIPIPE_SCRIPT_H

#include <jansson.h>

#include "lib/base/err.h"

/* JSON of extra/NAME in the archive `path`; caller json_decref()s. *j NULL: there is none, or the file is no archive. 0, or -1 and an error. */
int script_json(const char *path, const char *name, json_t **j, struct err *e);

#endif
