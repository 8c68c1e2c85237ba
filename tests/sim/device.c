/* This machine in a GPU's place: memory that the host cannot touch but through copies and kernels, so that a tool that forgets where its data lies
   ends with SIGSEGV here, not on somebody's GPU. SIM_WALL=0 leaves it in reach, for unit tests that look into it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/gpu/kernels.h"
#include "kernels/gpu/runtime.h"
#include "kernels/gpu/wall.h"
#include "tests/sim/nccl/stream.h"

enum { PAGE = 4096 };

/* Every block begins with a page that says how long it is. */
struct block { struct block *next, **link; size_t bytes; };

static struct block *blocks;
static int depth;
void *gpu_stream = SIM_STREAM;

static int reachable(void)
{
	const char *wall = getenv("SIM_WALL");

	return wall && !strcmp(wall, "0");
}

static void protect(int how)
{
	if (reachable())
		return;
	for (struct block *b = blocks; b; b = b->next)
		mprotect((char *)b + PAGE, b->bytes, how);
}

void wall_open(void)
{
	if (!depth++)
		protect(PROT_READ | PROT_WRITE);
}

void wall_close(void)
{
	if (!--depth)
		protect(PROT_NONE);
}

int gpu_check(int code, const char *what, struct err *e)
{
	return code ? err_set(e, NULL, "cuda: %s: code %d", what, code) : 0;
}

int gpu_open(int index, char *name, size_t room, struct err *e)
{
	if (index)
		return err_set(e, NULL, "cuda: there is no device %d (1 here, from 0)", index);
	snprintf(name, room, "this machine in a GPU's place");
	return 0;
}

void *gpu_alloc(size_t bytes, struct err *e)
{
	size_t whole = (bytes / PAGE + 1) * PAGE;
	struct block *b = mmap(NULL, PAGE + whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED) {
		err_set(e, NULL, "not enough memory for the cuda device (needs %zu bytes)", bytes);
		return NULL;
	}
	memset((char *)b + PAGE, 0xff, whole < 1 << 20 ? whole : 1 << 20); /* NaN where nothing was written */
	b->bytes = whole, b->next = blocks, b->link = &blocks;
	if (blocks)
		blocks->link = &b->next;
	blocks = b;
	if (!reachable())
		mprotect((char *)b + PAGE, whole, PROT_NONE);
	return (char *)b + PAGE;
}

void gpu_release(void *p)
{
	struct block *b = p ? (struct block *)((char *)p - PAGE) : NULL;

	if (!b)
		return;
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	munmap(b, PAGE + b->bytes);
}

int gpu_copy(void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e)
{
	(void)dir, (void)e;
	wall_open();
	if (bytes)
		memmove(to, from, bytes);
	wall_close();
	return 0;
}

int gpu_zero(void *p, size_t bytes, struct err *e)
{
	(void)e;
	wall_open();
	if (bytes)
		memset(p, 0, bytes);
	wall_close();
	return 0;
}
