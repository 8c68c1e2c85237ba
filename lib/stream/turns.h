/* Frames that several threads take, work on and put: taken one at a time, worked on side by side, put one at a time in the order they were taken. One
   thread reads the next patch while others work on those before and one writes: it all takes as long as the longest of them and not as their sum.
   Only for patches (frame_is_patch), the first frame says: of everything else one thread takes a frame when the one before was put, and works on it
   with all threads of OpenMP. */
#ifndef NIIPIPE_TURNS_H
#define NIIPIPE_TURNS_H

#include "lib/stream/frame.h"

struct turns_of {
	/* The next frame: 1; 0 there is none, -1 an error. */
	int (*take)(struct frame *f, void *arg, struct err *e);
	/* What is done to frame i, from 0 on: 0, or -1 and an error. Several at once; each has one thread of OpenMP. NULL: nothing. */
	int (*work)(struct frame *f, int64_t i, void *arg, struct err *e);
	/* What it is for; freed afterwards. r: what take returned, or -1 of work; unless it is 1 *e is theirs, and this is the last call. 1 go on, 0 that
	   was all, -1 an error. */
	int (*put)(struct frame *f, int r, void *arg, struct err *e);
};

struct turns; /* opaque; memory: as many frames as threads */

/* Begin. What `of` and arg point at must live until turns_end. NULL and an error. */
struct turns *turns_begin(int threads, const struct turns_of *of, void *arg, struct err *e);

/* Wait for the last put: 0, or -1 and the error it returned. */
int turns_wait(struct turns *t, struct err *e);

/* Take no more, wait for who is not inside of take, and free all: 0. Where a thread still is inside (of a read that waits, and the caller stops
   early): 1, and it is left with all that is its to the end of the process. A put that waits must be told by the caller to end. NULL is fine. */
int turns_end(struct turns *t);

/* turns_begin, turns_wait, turns_end. 0, or -1 and an error; *left is what turns_end returned: what arg points at must then be left too. */
int turns_run(int threads, const struct turns_of *of, void *arg, int *left, struct err *e);

#endif
