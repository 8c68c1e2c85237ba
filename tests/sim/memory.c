/* Memory in a GPU's place: the device's, which the host cannot touch but through copies and kernels, so that a tool that forgets where its data lies
   ends with SIGSEGV here, not on somebody's GPU; and the host's, pinned. */
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/sim/sim.h"

struct block *sim_blocks, *sim_pinned;
int sim_generation;

static pthread_mutex_t lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_lock(void)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&lock, &a);
}

void sim_lock(void)
{
	pthread_once(&once, make_lock);
	pthread_mutex_lock(&lock);
}

void sim_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void sim_must(int good, const char *fmt, ...)
{
	va_list ap;

	if (good)
		return;
	va_start(ap, fmt);
	fputs("tests/sim: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

/* -- blocks ------------------------------------------------------------------------ */
static size_t all(void)
{
	const char *given = getenv("SIM_MEMORY");

	return given ? strtoull(given, NULL, 10) : (size_t)1 << 40;
}

static size_t unused(void)
{
	size_t used = 0;

	for (const struct block *b = sim_blocks; b; b = b->next)
		used += b->bytes;
	return all() > used ? all() - used : 0;
}

static void *add(struct block **list, size_t bytes)
{
	size_t whole = (bytes / PAGE + 1) * PAGE;
	struct block *b = mmap(NULL, PAGE + whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	memset((char *)b + PAGE, 0xff, whole < 1 << 20 ? whole : 1 << 20); /* NaN where nothing was written */
	*b = (struct block){*list, list, bytes, whole, 0, list == &sim_blocks ? sim_cells(whole) : NULL};
	if (*list)
		(*list)->link = &b->next;
	*list = b, sim_generation++;
	return (char *)b + PAGE;
}

static void drop(struct block **list, void *p)
{
	struct block *b = (struct block *)((char *)p - PAGE), *known = *list;

	while (known && known != b)
		known = known->next;
	sim_must(known != NULL, "memory is freed that is none, or twice");
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	sim_generation++;
	sim_cells_free(b->cell, b->whole);
	munmap(b, PAGE + b->whole);
}

static struct block *block_of(struct block *list, const void *p, size_t n)
{
	for (struct block *b = list; b; b = b->next)
		if ((uintptr_t)p >= (uintptr_t)b + PAGE && (uintptr_t)p + n <= (uintptr_t)b + PAGE + b->bytes)
			return b;
	return NULL;
}

int sim_inside(struct block *list, const void *p, size_t n)
{
	return block_of(list, p, n) != NULL;
}

/* -- CUDA's ------------------------------------------------------------------------ */
cudaError_t cudaMalloc(void **p, size_t bytes)
{
	sim_lock();
	sim_must(!sim_captured(), "cudaMalloc while a stream is captured");
	*p = bytes > unused() ? NULL : add(&sim_blocks, bytes);
	if (*p)
		wall_open(NULL, NULL), wall_close(); /* it is out of reach from now on */
	sim_unlock();
	return sim_left(sim_error() ? sim_error() : *p ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaMallocManaged(void **p, size_t bytes, unsigned flags)
{
	(void)flags;
	return cudaMalloc(p, bytes);
}

static cudaError_t give_back(struct block **list, void *p, const char *who)
{
	cudaError_t r = sim_wait_all(who);

	sim_lock();
	drop(list, p);
	sim_unlock();
	return r;
}

cudaError_t cudaFree(void *p)
{
	return give_back(&sim_blocks, p, "cudaFree");
}

cudaError_t cudaMallocHost(void **p, size_t bytes)
{
	if (sim_error())
		return sim_error();
	sim_lock();
	*p = add(&sim_pinned, bytes);
	sim_unlock();
	return sim_left(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}

/* That a driver waits for what is under way is nowhere promised. */
cudaError_t cudaFreeHost(void *p)
{
	const struct block *b = block_of(sim_pinned, p, 1);

	sim_must(sim_error() || (b && !b->copies), "pinned memory is freed while a copy from it or to it is under way");
	return give_back(&sim_pinned, p, "cudaFreeHost");
}

cudaError_t cudaMemGetInfo(size_t *there, size_t *total)
{
	if (sim_error())
		return sim_error();
	sim_lock();
	*there = unused(), *total = all();
	sim_unlock();
	return cudaSuccess;
}

/* -- copies ------------------------------------------------------------------------ */
struct copy { void *to; const void *from; size_t bytes; int value; void *staged; struct block *pinned; };

static void do_copy(const void *own)
{
	const struct copy *c = own;

	wall_open(NULL, NULL);
	memmove(c->to, c->staged ? c->staged : c->from, c->bytes);
	wall_close();
	free(c->staged);
	if (c->pinned)
		c->pinned->copies--;
}

static void do_set(const void *own)
{
	const struct copy *c = own;

	wall_open(NULL, NULL);
	memset(c->to, c->value, c->bytes);
	wall_close();
}

static int captures(cudaStream_t s)
{
	enum cudaStreamCaptureStatus status;

	return !cudaStreamIsCapturing(s, &status) && status != cudaStreamCaptureStatusNone;
}

/* What is not pinned is copied by the call: to the device from a copy of its own, to the host before the call returns. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t s)
{
	struct copy c = {to, from, bytes, 0, NULL, NULL};
	const int to_device = kind != cudaMemcpyDeviceToHost, from_device = kind != cudaMemcpyHostToDevice;
	const void *host = to_device ? from : to;
	int pinned;
	cudaError_t r;

	sim_lock();
	sim_must(bytes > 0, "a copy of nothing");
	sim_must(!to_device || sim_inside(sim_blocks, to, bytes), "a copy of %zu bytes to what is not the device's", bytes);
	sim_must(!from_device || sim_inside(sim_blocks, from, bytes), "a copy of %zu bytes from what is not the device's", bytes);
	c.pinned = to_device && from_device ? NULL : block_of(sim_pinned, host, bytes);
	pinned = (to_device && from_device) || c.pinned;
	sim_must(pinned || (!sim_inside(sim_blocks, host, 1) && !sim_inside(sim_pinned, host, 1)), "a copy from or to the wrong side");
	sim_must((to_device && from_device) || !captures(s), "a copy from or to the host while a stream is captured");
	sim_must(pinned || s == sim_first_stream(), "a copy on a stream of its own of memory that is not pinned: it would not overlap");
	if (!pinned && to_device) {
		c.staged = malloc(bytes);
		memcpy(c.staged, from, bytes);
	}
	if (c.pinned)
		c.pinned->copies++;
	r = sim_put(s, "copy", do_copy, &c, sizeof c);
	sim_unlock();
	return !r && !pinned && from_device ? sim_wait(s, "a copy to memory that is not pinned") : r;
}

cudaError_t cudaMemsetAsync(void *p, int value, size_t bytes, cudaStream_t s)
{
	const struct copy c = {p, NULL, bytes, value, NULL, NULL};
	cudaError_t r;

	sim_lock();
	sim_must(bytes > 0 && sim_inside(sim_blocks, p, bytes), "%zu bytes are set that are not the device's", bytes);
	r = sim_put(s, "memset", do_set, &c, sizeof c);
	sim_unlock();
	return r;
}
