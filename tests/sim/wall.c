/* The wall between host and device, from both sides. The host: device memory is protected but while a kernel or a copy runs; SIM_WALL=0 leaves it in
   reach, for unit tests that look into it. Kernels: gcc calls a function here before every access they make (-fsanitize=kernel-address); what is
   neither device memory, to the byte, nor a kernel's own stack or constants is what a GPU would stop at, or worse, not stop at; and so is what
   does not lie at a multiple of its size. */
#define _GNU_SOURCE
#include "tests/sim/sim.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SEEN = 64, WIDEST = 16 }; /* places for blocks that a thread remembers; bytes of an access */

struct span { uintptr_t lo, hi; };
struct reach { uintptr_t lo, room; }; /* [lo, lo + room + WIDEST) */

extern const char __ehdr_start[] __attribute__((visibility("hidden"))), _end[] __attribute__((visibility("hidden")));

const char *sim_running;
static int depth;
static struct span launcher; /* the host's stack, as far as kernels have it; its bottom never moves */

/* What this thread's accesses are to mostly: its stack, which has a kernel's arguments and variables, and the block of the last one, unless what is
   done there is noted. Told with a comparison each: nearly all time of a kernel here is spent on telling. */
static _Thread_local struct reach stack, block;
static _Thread_local int generation; /* of blocks: those that this thread knows */

static struct span own_stack(void)
{
	pthread_attr_t a;
	struct span s = {0, 0};
	void *lo;
	size_t n;

	if (!pthread_getattr_np(pthread_self(), &a)) {
		if (!pthread_attr_getstack(&a, &lo, &n))
			s = (struct span){(uintptr_t)lo, (uintptr_t)lo + n};
		pthread_attr_destroy(&a);
	}
	return s;
}

static int reachable(void)
{
	const char *wall = getenv("SIM_WALL");

	return wall && !strcmp(wall, "0");
}

static void protect(int how)
{
	if (reachable())
		return;
	for (struct block *b = sim_blocks; b; b = b->next)
		mprotect((char *)b + PAGE, b->whole, how);
}

static struct reach reach_of(struct span s)
{
	return s.hi > s.lo + WIDEST ? (struct reach){s.lo, s.hi - s.lo - WIDEST} : (struct reach){0, 0};
}

void wall_open(const char *kernel, const void *top)
{
	if (depth++)
		return;
	protect(PROT_READ | PROT_WRITE);
	if (!launcher.lo)
		launcher = own_stack(); /* always the same thread's */
	launcher.hi = (uintptr_t)top;
	stack = reach_of(launcher);
	sim_running = kernel;
}

void wall_close(void)
{
	if (--depth)
		return;
	sim_running = NULL;
	protect(PROT_NONE);
}

static int within(struct span s, uintptr_t at, size_t n)
{
	return at >= s.lo && at + n <= s.hi;
}

/* And what a kernel does there is noted, where it is wanted. */
static int in_block(uintptr_t at, size_t n, int writes)
{
	static _Thread_local struct { struct span span; struct sim_cell *cell; } seen[SEEN];

	if (generation != sim_generation)
		memset(seen, 0, sizeof seen), block = (struct reach){0, 0}, generation = sim_generation;
	if (!within(seen[at / PAGE % SEEN].span, at, n)) {
		const struct block *b = sim_blocks;

		while (b && !within((struct span){(uintptr_t)b + PAGE, (uintptr_t)b + PAGE + b->bytes}, at, n))
			b = b->next;
		if (!b)
			return 0;
		seen[at / PAGE % SEEN].span = (struct span){(uintptr_t)b + PAGE, (uintptr_t)b + PAGE + b->bytes};
		seen[at / PAGE % SEEN].cell = b->cell;
	}
	if (seen[at / PAGE % SEEN].cell)
		sim_block_touch(seen[at / PAGE % SEEN].cell, at - seen[at / PAGE % SEEN].span.lo, n, writes);
	else
		block = reach_of(seen[at / PAGE % SEEN].span);
	return 1;
}

static int in_stack(uintptr_t at, size_t n)
{
	if (within(launcher, at, n))
		return 1;
	if (!stack.lo)
		stack = reach_of(own_stack());
	return launcher.lo != stack.lo && within((struct span){stack.lo, stack.lo + stack.room + WIDEST}, at, n);
}

static void lies(uintptr_t at, size_t n, const char *does)
{
	if (!sim_running || !(at & (n - 1)))
		return;
	fprintf(stderr, "kernel %s %s %zu bytes at %#zx, not aligned to them\n", sim_running, does, n, (size_t)at);
	abort();
}

void wall_together(const void *p, size_t bytes)
{
	lies((uintptr_t)p, bytes, "has");
}

/* All that may be said of an access, and the words where there is nothing */
__attribute__((noinline)) static void look_all(uintptr_t at, size_t n, int aligned, int writes)
{
	const char *kernel = sim_running, *does = writes ? "writes" : "reads";

	if (!kernel)
		return;
	if (aligned)
		lies(at, n, does);
	if (at - (uintptr_t)sim_team < TEAM_BYTES) {
		sim_team_touch(at, n, writes);
		return;
	}
	if (in_stack(at, n) || in_block(at, n, writes) || (at >= (uintptr_t)__ehdr_start && at < (uintptr_t)_end))
		return;
	fprintf(stderr, "kernel %s %s %zu bytes at %#zx: no device memory\n", kernel, does, n, (size_t)at);
	abort();
}

/* Where a kernel may be anyway nothing more is asked. */
static inline void look(uintptr_t at, size_t n, int writes)
{
	if ((at - stack.lo >= stack.room && (at - block.lo >= block.room || generation != sim_generation)) || at & (n - 1))
		look_all(at, n, 1, writes);
}

#define LOOKS(n) \
	void __asan_load##n##_noabort(uintptr_t at); \
	void __asan_store##n##_noabort(uintptr_t at); \
	void __asan_load##n##_noabort(uintptr_t at) { look(at, n, 0); } \
	void __asan_store##n##_noabort(uintptr_t at) { look(at, n, 1); }
LOOKS(1)
LOOKS(2)
LOOKS(4)
LOOKS(8)
LOOKS(16)

void sim_read_quad(const void *p)
{
	look((uintptr_t)p, 16, 0);
}

void __asan_loadN_noabort(uintptr_t at, size_t n);
void __asan_storeN_noabort(uintptr_t at, size_t n);
void __asan_handle_no_return(void);

void __asan_loadN_noabort(uintptr_t at, size_t n)
{
	look_all(at, n, 0, 0);
}

void __asan_storeN_noabort(uintptr_t at, size_t n)
{
	look_all(at, n, 0, 1);
}

void __asan_handle_no_return(void)
{
}
