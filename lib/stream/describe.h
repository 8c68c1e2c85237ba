/* What a frame is, as JSON: what ts-info says. */
#ifndef NIIPIPE_DESCRIBE_H
#define NIIPIPE_DESCRIBE_H

#include "lib/stream/frame.h"

/* An object: file, offset (of the frame), bytes (of its data), id, kind (null where absent), tensors (name, dtype, shape, bytes; with stats also
   min, max and mean over what is not NaN, null where there is nothing, and nan, the number of NaNs); size, spacing (mm), axes ("LPS": the way
   x, y and z lead, nearest) and affine where the frame has a grid; history, an array; meta, the other keys.
   stats needs the data; else a header is enough. Caller json_decref()s. NULL and an error where history or affine are malformed. */
json_t *frame_describe(const struct frame *f, int stats, struct err *e);

#endif
