/* Inside the control line: what the main thread (star.c) and the one that serves the connections (star_serve.c) share. Private to star*.c. */
#ifndef NIIPIPE_STAR_PARTS_H
#define NIIPIPE_STAR_PARTS_H

#include <pthread.h>
#include <stdint.h>

#include "lib/comm/line.h"
#include "lib/comm/star.h"

/* RECORD: a rank's part of a gather; ALL: everybody's; FAIL: who and the text; BYE: all is well, no more comes; BEAT: a sign of life. */
enum star_kind { STAR_RECORD, STAR_ALL, STAR_FAIL, STAR_BYE, STAR_BEAT };
struct star_head { int32_t kind, rank, bytes, told; };
struct star_beat { int64_t begun; double waits; };

struct star_peer {
	int fd;             /* -1: none, or gone */
	struct star_head head;
	char *body;         /* STAR_SMALL; from rank 0 that for every rank */
	size_t got;         /* of head and body */
	double heard;
	struct star_beat beat;
	int here, left;     /* its record is; it said BYE */
	size_t n;           /* bytes of its record */
};

struct star {
	struct star_opts o;
	int listener;
	char secret[LINE_SECRET];
	char (*host)[STAR_HOST];
	struct star_peer *peer; /* rank 0: of every other; else of rank 0 alone */
	pthread_t thread;
	int running, quit;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *record, *answer; /* size * STAR_SMALL: those that came, those of a gather that is complete */
	size_t n;           /* bytes of a record of the gather under way */
	int mine, answered; /* this rank's record is there; the answer is */
	volatile sig_atomic_t failed;
	int acked;          /* rank 0 knows of it */
	double beat_at;     /* the thread's last beat */
	double failed_at, waits_since; /* 0: does not wait */
	int64_t begun;
};

size_t star_room(const struct star *s); /* bytes of a body */

/* The thread. */
void *star_serve(void *arg);

/* All of these with the lock. That the other end is gone is noticed where it is read. */
void star_send(struct star *s, int rank, enum star_kind kind, int who, int told, const void *body, size_t n);
void star_send_all(struct star *s, enum star_kind kind, int who, int told, const void *body, size_t n);

/* In rank 0: is everybody's record there? Then all get the answer. */
void star_complete(struct star *s);

/* The job ends, unless it has already: rank `who` failed, and told so itself or not. */
void star_end(struct star *s, int who, int told, const char *text);
void star_print(const struct star *s, int who, const char *text);

#endif
