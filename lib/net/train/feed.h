/* Patches gathered into batches by threads of their own, so that reading the next batch overlaps computing this one. */
#ifndef NIIPIPE_FEED_H
#define NIIPIPE_FEED_H

#include <signal.h>

#include "kernels/backend.h"
#include "lib/net/train/known.h"
#include "lib/stream/stream.h"

enum { FEED_WHO = 480, FEED_FLAW = 160 };

struct feed_batch {
	int64_t n;             /* patches: as many as asked, fewer at the end of the stream */
	int64_t size[3];       /* z,y,x: the same for all patches of a stream */
	int64_t channels;
	float *x;              /* [n,z,y,x,c] */
	uint8_t *label;        /* [n,z,y,x]: below the number of classes, or the one to be ignored */
	int64_t first;         /* index of its first patch (metadata `patch`, or else its place in the stream) */
	int64_t next;          /* the index that the patch after its last one has: last + shards */
	int64_t stride;        /* from the index of one of its patches to that of the next: shards */
	uint64_t hash;         /* sum of (2 i + 1) frame_hash of its patches, i counted from the stream's first on by shards, modulo 2^64; added up over
	                          batches and ranks it is the hash of what was trained on, in its order */
	int64_t left;          /* patches of the sequence from `next` on, where the stream says how many there are; -1 */
	char who[FEED_WHO];    /* "id (patch 17), id (patch 18)", for messages */
};

struct feed; /* opaque; memory: two batches and two patches */

/* Begin to read patches of path (NULL: standard input): frames with image [C,Z,Y,X] and an integer label [Z,Y,X], all of one size, number of
   channels and preparation. k: whose device batches go to, NULL: none's. labels: of which others are an error. NULL and an error; freed by
   feed_close. */
struct feed *feed_open(const char *path, const struct k_backend *k, int64_t batch, const struct known *labels, struct err *e);

/* Ends the threads and frees all. Where one is still inside a read (the consumer stops early), all is left to the end of the process. */
void feed_close(struct feed *f); /* NULL is fine */

/* Wait for the next batch; the one before is given back. 1: *b is borrowed until the next call, 0: the stream is at its end, 2: *stop became non-zero
   (stop may be NULL), -1: an error. */
int feed_next(struct feed *f, const volatile sig_atomic_t *stop, const struct feed_batch **b, struct err *e);

/* Was the error that of a stream without a frame, from an upstream that had nothing to say? */
int feed_nothing(const struct feed *d);

/* The first value of a borrowed batch's images that is not finite, as ": the image of patch 17 is not a number at voxel 1,2,3 of the patch"; "" where
   all are. All values are read for it. text: FEED_FLAW bytes. */
void feed_flaw(const struct feed_batch *b, char *text);

/* What the first patch says of all. */
struct feed_first {
	json_t *replay;   /* what they went through (history_replay) */
	json_t *drawing;  /* how they were drawn (history_drawing) */
	json_t *channels; /* metadata channels, a string; NULL: it has none */
	char orient[4];   /* which way the axes of its volume run (orient_code) */
};

/* After the first batch; borrowed. The stream's name; seconds spent waiting. */
const struct feed_first *feed_first(const struct feed *f);
const char *feed_name(const struct feed *f);
double feed_waited(const struct feed *f);

#endif
