/* lib/stream/turns.h: frames are put in the order they were taken, whatever the threads; errors come at their turn, and after everything before
   them; several are worked on at once only where they are patches; what waits can be ended. lib/base/pool.h: blocks come back. out_give: a pipe
   gives what was given, whatever becomes of the memory. */
#define _GNU_SOURCE
#include "lib/stream/turns.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <omp.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/pool.h"

enum { FRAMES = 40, NEVER = 1000 };

static void moment(long ms)
{
	nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

/* A sequence of frames, patch = 0, 1, ..., and what is wrong with it. */
struct test {
	const char *kind;
	int64_t frames, bad_take, bad_work, bad_put;
	_Atomic int inside, most, threads; /* in work at once; OpenMP's */
	_Atomic int taking;
	int64_t next;
	_Atomic int64_t put;
	_Atomic int wrong;
	int last, stuck;
	int fd[2];
};

static int take(struct frame *f, void *arg, struct err *e)
{
	struct test *t = arg;
	char text[32], byte;

	if (t->taking++)
		t->wrong++;
	if (t->next == t->bad_take)
		err_set(e, NULL, "take %d", (int)t->next);
	else if (t->next == t->stuck)
		(void)!read(t->fd[0], &byte, 1);
	else if (t->next < t->frames) {
		snprintf(text, sizeof text, "%d", (int)t->next++);
		t->taking--;
		return frame_init(f, t->kind, text, e) ? -1 : 1;
	}
	t->taking--;
	return t->next == t->bad_take ? -1 : 0;
}

static int work(struct frame *f, int64_t i, void *arg, struct err *e)
{
	struct test *t = arg;
	int now = ++t->inside;

	while (now > t->most)
		t->most = now;
	if (omp_get_max_threads() > t->threads)
		t->threads = omp_get_max_threads();
	moment(i * 7 % 5);
	t->inside--;
	t->wrong += atol(frame_id(f)) != i;
	return i == t->bad_work ? err_set(e, NULL, "work %d", (int)i) : 0;
}

static int put(struct frame *f, int r, void *arg, struct err *e)
{
	struct test *t = arg;

	t->last = r;
	if (r != 1)
		return r;
	t->wrong += atol(frame_id(f)) != t->put;
	if (t->put == t->bad_put)
		return err_set(e, NULL, "put %d", (int)t->put);
	t->put++;
	return 1;
}

static const struct turns_of of = {take, work, put};
static struct test t;

static struct test fresh(const char *kind)
{
	return (struct test){.kind = kind, .frames = FRAMES, .bad_take = NEVER, .bad_work = NEVER, .bad_put = NEVER, .stuck = NEVER};
}

static void whole(void)
{
	struct err e;
	int left;

	for (int threads = 1; threads <= 5; threads += 2) {
		t = fresh("patch");
		ok(!turns_run(threads, &of, &t, &left, &e) && !left && t.put == FRAMES && !t.wrong && t.last == 0, "%d threads: all of them, in order", threads);
		ok(t.most <= threads && (threads == 1 || (t.most > 1 && t.threads == 1)), "%d threads: %d at once", threads, t.most);
	}
	t = fresh("volume");
	ok(!turns_run(3, &of, &t, &left, &e) && t.put == FRAMES && !t.wrong && t.most == 1 && t.threads == 3,
	   "volumes: one at a time, with all threads of OpenMP");
	t = fresh("patch");
	t.frames = 0;
	ok(!turns_run(3, &of, &t, &left, &e) && !t.put, "no frame at all");
}

/* What is wrong first, in the order of frames, is what is said, and all before it is put. */
static void errors(void)
{
	static const struct { int64_t take, work, put; const char *text; } row[] = {
		{7, NEVER, NEVER, "take 7"}, {NEVER, 7, NEVER, "work 7"}, {NEVER, NEVER, 7, "put 7"}, {0, NEVER, NEVER, "take 0"},
		{8, 7, NEVER, "work 7"},     {9, 8, 7, "put 7"},          {NEVER, 0, NEVER, "work 0"},  {NEVER, 0, 0, "work 0"},
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++)
		for (int threads = 1; threads <= 4; threads += 3) {
			struct err e = {0};
			int left, bad;

			t = fresh("patch");
			t.bad_take = row[i].take, t.bad_work = row[i].work, t.bad_put = row[i].put;
			bad = turns_run(threads, &of, &t, &left, &e);
			ok(bad == -1 && !left && !strcmp(e.text, row[i].text) && t.put == atol(strchr(row[i].text, ' ')) && !t.wrong,
			   "%d threads: %s, after all before it: %s", threads, row[i].text, e.text);
		}
}

/* The caller stops while a read waits for what does not come. */
static void stuck(void)
{
	struct err e = {0};
	struct turns *turns;
	int left;

	t = fresh("patch");
	t.stuck = 8, t.bad_put = 7;
	left = pipe(t.fd);
	ok(!left && turns_run(3, &of, &t, &left, &e) == -1 && left == 1 && !strcmp(e.text, "put 7"),
	   "an error while the next read waits: at once, the thread is left");
	close(t.fd[1]);
	while (t.taking)
		moment(1);
	static struct test other;
	other = fresh("patch");
	other.stuck = 8;
	(void)!pipe(other.fd);
	turns = turns_begin(3, &of, &other, &e);
	while (turns && other.put < 8)
		moment(1);
	ok(turns && turns_end(turns) == 1 && other.put == 8, "ended by the caller while a read waits: left");
	close(other.fd[1]);
	while (other.taking)
		moment(1);
}

static void pool(void)
{
	struct err e;
	size_t n = 3 << 20;
	char *a = pool_take(n, "a", &e), *b, *c;

	pool_give(a, n);
	b = pool_take(n + 1, "b", &e);
	c = pool_take(n - n / 16, "c", &e);
	ok(a && b && b != a && c == a, "a block comes back where it is as large and not much larger");
	pool_give(b, n + 1);
	pool_give(c, n - n / 16);
	for (int i = 0; i < 40; i++) { /* more than it keeps: under AddressSanitizer nothing is lost, nothing freed twice */
		a = pool_take(POOL_MOST / 4 + (size_t)i, "a", &e);
		b = pool_take(POOL_MOST / 4 + (size_t)i, "b", &e);
		memset(a, i, POOL_MOST / 4);
		memset(b, ~i, POOL_MOST / 4);
		ok(a && b && a != b && a[0] == (char)i && b[POOL_MOST / 4 - 1] == (char)~i, "blocks of their own, round %d", i);
		pool_give(a, POOL_MOST / 4 + (size_t)i);
		pool_give(b, POOL_MOST / 4 + (size_t)i);
	}
	pool_give(NULL, n);
	a = pool_take(POOL_MOST + 1, "a", &e);
	ok(a != NULL, "a block too large to keep");
	pool_give(a, POOL_MOST + 1);
}

/* -- a pipe that is given pages -- */

enum { BYTES = (9 << 20) + 4321, OFF = 37, LAST = 1 << 15 };

struct reader { int fd; _Atomic int go; char *got; size_t n; };

/* All, but the last bytes not before it may */
static void *read_all(void *arg)
{
	struct reader *r = arg;
	ssize_t k = 1;

	while (k > 0 && r->n < BYTES) {
		size_t left = BYTES - r->n;

		while (left <= LAST && !r->go)
			moment(1);
		k = read(r->fd, r->got + r->n, left > LAST ? left - LAST : left);
		r->n += k > 0 ? (size_t)k : 0;
	}
	return NULL;
}

/* off: where in a block what is given begins. */
static void give(int off, const char *what)
{
	struct err e;
	struct reader r = {.got = malloc(BYTES)};
	uint8_t *block = mem_new(BYTES + OFF, 1, "a block", &e), *p = block + off;
	struct out o;
	char name[64];
	uint64_t hash;
	pthread_t thread;
	int fd[2], bad;

	if (!block || !r.got || pipe(fd))
		abort();
	for (size_t i = 0; i < BYTES; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 13);
	hash = hash_bytes(p, BYTES);
	snprintf(name, sizeof name, "/dev/fd/%d", fd[1]);
	r.fd = fd[0];
	bad = out_open(&o, name, 1, &e) || pthread_create(&thread, NULL, read_all, &r) || out_give(&o, p, BYTES, &e);
	memset(block, 99, BYTES + OFF);
	bad = bad || out_close(&o, &e);
	r.go = 1;
	close(fd[1]);
	pthread_join(thread, NULL);
	ok(!bad && r.n == BYTES && hash_bytes(r.got, BYTES) == hash, "%s, and written over at once: what was given is what is read", what);
	close(fd[0]);
	free(block);
	free(r.got);
}

int main(void)
{
	omp_set_num_threads(3);
	whole();
	errors();
	stuck();
	pool();
	give(0, "whole pages");
	give(OFF, "from the middle of a page");
	return tap_done();
}
