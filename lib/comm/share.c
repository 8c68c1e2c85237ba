#define _GNU_SOURCE
#include "lib/comm/share.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clones.h"
#include "lib/base/mem.h"

#ifndef MADV_COLLAPSE /* older than Linux 6.1's headers */
#define MADV_COLLAPSE 25
#endif

enum { HUGE_PAGE = 2 << 20, LITTLE = 2048 /* values: they stay in the nearest cache */, LANES = 16, PIECES = 32 /* of each rank */, WHOLE = 1024 };

/* How many sums a rank has begun since the first one; of how many it has added up what is its own. Each in a cache line of its own. */
enum { BEGUN, SUMMED, COUNTS };
struct head { struct { _Alignas(64) _Atomic int64_t sums; } count[COUNTS]; };

static float *values(const struct share *s, int rank)
{
	return (float *)(void *)s->at[rank];
}

static struct head *head(const struct share *s, int rank)
{
	return (struct head *)(void *)(s->at[rank] + s->bytes - sizeof(struct head));
}

/* -- memory ----------------------------------------------------------------------- */
/* Mapped where large pages can be used. NULL: it cannot be. */
static char *map(int fd, size_t bytes, int protection)
{
	char *room = mmap(NULL, bytes + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at;
	size_t before;

	if (room == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)room % HUGE_PAGE;
	at = mmap(room + before, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0);
	munmap(room + before + bytes, HUGE_PAGE - before);
	if (before)
		munmap(room, before);
	if (at != MAP_FAILED)
		return at;
	munmap(room + before, bytes);
	return NULL;
}

/* Where a rank's memory is to be found, by processes of the same system alone. */
struct offer { int64_t pid, fd; uint64_t device, inode; char system[40]; };

/* The kernel that is running, by a name of its own. 0 or -1. */
static int name_system(char name[40])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
	int bad = !f || !fgets(name, 40, f);

	if (f)
		fclose(f);
	return bad ? -1 : 0;
}

/* Where it cannot be had, the offer stays empty. */
static void make(struct share *s, int rank, int size, int64_t n, struct offer *offer)
{
	struct stat st;

	*s = (struct share){.rank = rank, .size = size, .n = n, .fd = memfd_create("niipipe-gradients", MFD_CLOEXEC)};
	s->piece = (n / ((int64_t)size * PIECES) / WHOLE + 1) * WHOLE;
	s->bytes = ((size_t)n * sizeof(float) + sizeof(struct head) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	s->at = calloc((size_t)size, sizeof *s->at);
	if (s->fd < 0 || !s->at || fallocate(s->fd, 0, 0, (off_t)s->bytes) || fstat(s->fd, &st))
		return;
	s->at[rank] = map(s->fd, s->bytes, PROT_READ | PROT_WRITE);
	if (!s->at[rank] || name_system(offer->system))
		return;
	(void)madvise(s->at[rank], s->bytes, MADV_COLLAPSE); /* where pages of this size are not given of themselves */
	offer->pid = getpid();
	offer->fd = s->fd;
	offer->device = st.st_dev;
	offer->inode = st.st_ino;
}

/* Only where it is what was offered is it opened: the number may be another process's here. */
static char *take(const struct share *s, const struct offer *o)
{
	char path[80], *at = NULL;
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)o->pid, (long long)o->fd);
	if (stat(path, &st) || st.st_dev != o->device || st.st_ino != o->inode || st.st_size != (off_t)s->bytes)
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		at = map(fd, s->bytes, PROT_READ);
		close(fd);
	}
	return at;
}

/* 0, or -1: not that of all. */
static int take_all(struct share *s, const struct offer *all)
{
	for (int r = 0; r < s->size; r++)
		if (!all[r].pid || strcmp(all[r].system, all[s->rank].system))
			return -1;
	for (int r = 0; r < s->size; r++)
		if (r != s->rank && !(s->at[r] = take(s, &all[r])))
			return -1;
	return 0;
}

/* Does one of the ranks say so? -1: the job has failed. */
static int any(struct comm *c, int mine, struct err *e)
{
	int *all = mem_new((size_t)comm_size(c), sizeof *all, "the ranks", e), found = 0;

	if (!all || comm_gather(c, &mine, sizeof mine, all, e))
		found = -1;
	for (int r = 0; r < comm_size(c) && found >= 0; r++)
		found |= all[r] != 0;
	free(all);
	return found;
}

int share_open(struct share *s, struct comm *c, int wanted, int64_t n, struct err *e)
{
	struct offer own, *all = mem_new((size_t)comm_size(c), sizeof *all, "the ranks", e);
	int without = -1;

	memset(&own, 0, sizeof own);
	if (wanted)
		make(s, comm_rank(c), comm_size(c), n, &own);
	if (all && !comm_gather(c, &own, sizeof own, all, e))
		without = any(c, !s->size || take_all(s, all), e);
	free(all);
	if (without)
		share_free(s);
	return without < 0 ? -1 : 0;
}

void share_free(struct share *s)
{
	for (int r = 0; r < s->size && s->at; r++)
		if (s->at[r])
			munmap(s->at[r], s->bytes);
	if (s->size && s->fd >= 0)
		close(s->fd);
	free(s->at);
	free(s->sum);
	memset(s, 0, sizeof *s);
}

float *share_values(const struct share *s)
{
	return s->size ? values(s, s->rank) : NULL;
}

/* -- sums --------------------------------------------------------------------------- */
/* to = a + b; to may be a */
CLONES static void add(float *to, const float *a, const float *b, int64_t n)
{
#pragma omp simd
	for (int64_t i = 0; i < n; i++)
		to[i] = a[i] + b[i];
}

/* to = x, and its squares to lanes: in this order whatever the processor */
CLONES static void leave(float *restrict to, const float *restrict x, int64_t n, double lane[restrict LANES])
{
	int64_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int j = 0; j < LANES; j++) {
			to[i + j] = x[i + j];
			lane[j] += (double)x[i + j] * x[i + j];
		}
	for (; i < n; i++) {
		to[i] = x[i];
		lane[0] += (double)x[i] * x[i];
	}
}

/* n values from `at` on, all of one piece. What is this rank's is read before its sum takes its place. */
static double add_up(const struct share *s, int64_t at, int64_t n)
{
	double lane[LANES] = {0}, squares = 0;
	float sum[LITTLE];

	for (int64_t i = at; i < at + n; i += LITTLE) {
		const int64_t some = at + n - i < LITTLE ? at + n - i : LITTLE;

		add(sum, values(s, 0) + i, values(s, 1) + i, some);
		for (int r = 2; r < s->size; r++)
			add(sum, sum, values(s, r) + i, some);
		leave(values(s, s->rank) + i, sum, some, lane);
	}
	for (int j = 0; j < LANES; j++)
		squares += lane[j];
	return squares;
}

static int64_t end_of_piece(const struct share *s, int64_t at)
{
	return (at / s->piece + 1) * s->piece;
}

static int owner(const struct share *s, int64_t at)
{
	return (int)(at / s->piece % s->size);
}

/* What is this rank's of one sum */
static void add_up_own(struct share *s, const struct share_sum *u)
{
	const int64_t end = u->at + u->n;

	for (int64_t at = u->at, next; at < end; at = next) {
		next = end_of_piece(s, at) < end ? end_of_piece(s, at) : end;
		if (owner(s, at) == s->rank)
			s->squares += add_up(s, at, next - at);
	}
}

static void tell(struct share *s, int which, int sums)
{
	atomic_store_explicit(&head(s, s->rank)->count[which].sums, s->before + sums, memory_order_release);
}

/* What all ranks have come to */
static int64_t all(const struct share *s, int which)
{
	int64_t least = INT64_MAX;

	for (int r = 0; r < s->size; r++) {
		const int64_t n = atomic_load_explicit(&head(s, r)->count[which].sums, memory_order_acquire);

		least = n < least ? n : least;
	}
	return least;
}

int share_begin(struct share *s, int64_t at, int64_t n, struct err *e)
{
	if (mem_more(&s->sum, (size_t)s->begun, sizeof *s->sum, "sums", e))
		return -1;
	s->sum[s->begun++] = (struct share_sum){at, n};
	tell(s, BEGUN, s->begun);
	return 0;
}

int share_turn(struct share *s)
{
	while (s->summed < s->begun && s->before + s->summed < all(s, BEGUN)) {
		add_up_own(s, &s->sum[s->summed++]);
		tell(s, SUMMED, s->summed);
	}
	return s->begun && s->before + s->begun > all(s, SUMMED);
}

double share_end(struct share *s)
{
	const double squares = s->squares;

	s->before += s->begun;
	s->begun = s->summed = 0;
	s->squares = 0;
	return squares;
}

const float *share_summed(const struct share *s, int64_t at, int64_t *n)
{
	const int64_t there = end_of_piece(s, at) - at;

	*n = there < *n ? there : *n;
	return values(s, owner(s, at)) + at;
}
