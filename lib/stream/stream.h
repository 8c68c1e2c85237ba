/* A stream: one or more frames end to end, from a pipe or a file. See tensor-stream(5).
   Readers follow safetensors' rules strictly: no hole, no overlap, no duplicate key, size = shape x dtype, sums checked. */
#ifndef NIIPIPE_STREAM_H
#define NIIPIPE_STREAM_H

#include "lib/stream/frame.h"

struct stream; /* opaque */

/* path NULL or "-": standard input. A regular file is mapped (privately: data may be written to, the file does not change); a pipe gets
   the largest buffer the kernel gives. NULL and an error; closed with stream_close. */
struct stream *stream_open(const char *path, struct err *e);
void stream_close(struct stream *s); /* NULL is fine */
const char *stream_name(const struct stream *s); /* for messages: the path or "standard input" */

/* Read the next frame into *f (zeroed or freed before). 1 a frame, 0 the end (an error where there was no frame at all), -1 an error.
   The frame belongs to the caller (frame_free) and, from a mapped file, must not outlive the stream; what was written to its data is lost when the
   next one is read. Patches (frame_is_patch) are copies, and the caller's alone. Data are aligned to their type. */
int stream_next(struct stream *s, struct frame *f, struct err *e);

/* The same, but where the frame's last tensor is called `name` and comes through a pipe, its data stay on their way (data NULL): stream_flow gives
   the next n bytes of them, in order, stream_take all into tensor.data, if none was taken yet. The next call skips what was left. Of a mapped file
   stream_done says that the n bytes at p won't be read again soon, and need not stay in memory; it leaves alone what is no part of one. */
int stream_next_flow(struct stream *s, struct frame *f, const char *name, struct err *e);
int stream_flow(struct stream *s, void *p, size_t n, struct err *e);
int stream_take(struct stream *s, struct frame *f, struct err *e);
void stream_done(struct stream *s, const void *p, size_t n);

/* The same without the data (tensor.data stays NULL): they are skipped. */
int stream_next_header(struct stream *s, struct frame *f, struct err *e);

/* The next frame that `want` answers non-zero to; it is shown every header (tensor.data NULL), once and in order. The data of the others are skipped.
   Otherwise as stream_next. */
typedef int stream_want(const struct frame *header, void *arg);
int stream_next_if(struct stream *s, struct frame *f, stream_want *want, void *arg, struct err *e);

/* Where reading the first frame failed: was there not a single byte? */
int stream_nothing(const struct stream *s);

/* Is it a mapped file, so that frames can be taken by index? */
int stream_mapped(const struct stream *s);

/* Index of a mapped file: number of frames, built on first use from the headers alone; -1 and an error. From then on the system reads nothing of
   the file but the pages that are touched, one at a time: whoever reads more says so first (tensor_fetch).
   stream_at reads frame i without copying: data may NOT be aligned to their type (copy rows with memcpy) and are valid until stream_close. */
int64_t stream_count(struct stream *s, struct err *e);
int stream_at(struct stream *s, int64_t i, struct frame *f, struct err *e);

/* What a filter does: for every frame of the operands (none: standard input), in order, fn(frame, arg, err); fn returns 0 to have the frame written
   to standard output or c->out, 1 to drop it, -1 on an error, which is given the prefix "STREAM: ID" (so fn sets errors without a file).
   On failure nothing is left under c->out. 0 or -1. */
struct arg_common;
typedef int stream_fn(struct frame *f, void *arg, struct err *e);
int stream_filter(const struct arg_common *c, stream_fn *fn, void *arg, struct err *e);

/* The same for a filter whose fn, given also the frame's place among all, knows nothing of other frames: of patches several are worked on at once, by
   threads of their own (turns.h). fn returns 0 or -1. */
typedef int stream_several_fn(struct frame *f, int64_t place, void *arg, struct err *e);
int stream_filter_several(const struct arg_common *c, stream_several_fn *fn, void *arg, struct err *e);

/* The same for a filter that writes while it reads: frames come from stream_next_flow, and fn writes them itself. It returns 0, -1 on an error that
   is given the prefix, or -2 on one of reading or writing, which names its file. */
struct pass { struct stream *in; struct out *out; };
typedef int stream_pass_fn(struct frame *f, const struct pass *p, void *arg, struct err *e);
int stream_pass(const struct arg_common *c, const char *name, stream_pass_fn *fn, void *arg, struct err *e);

/* As stream_filter without output: for tools that only read. */
int stream_each(const struct arg_common *c, stream_fn *fn, void *arg, struct err *e);

/* How many frames these will see: of files that can be gone through beforehand. 0: not known. */
int64_t stream_count_all(const struct arg_common *c);

#endif
