/* A frame's header, checked by safetensors' own rules. Private to lib/stream. */
#ifndef NIIPIPE_FRAME_PARSE_H
#define NIIPIPE_FRAME_PARSE_H

#include "lib/stream/frame.h"

/* Fill f (zeroed) from n bytes of header text at byte `offset` of `file`. tensor.data is set to NULL, begin[i] (caller frees) to where tensor i
   begins in the data, *data to the data's length. 0, or -1 and an error; f is then to be freed. */
int frame_parse(struct frame *f, const char *text, size_t n, const char *file, int64_t offset, size_t **begin, size_t *data, struct err *e);

#endif
