/* What carries gradients between ranks: a table of functions that a shared object fills, niipipe-mpi.so (host memory) or niipipe-nccl.so (device
   memory). All are called from one thread. Functions return 0, or -1 and an error. */
#ifndef NIIPIPE_TRANSPORT_H
#define NIIPIPE_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { TRANSPORT_ABI = 2 };

struct transport {
	int abi;
	const char *name; /* "mpi" */
	void *self;       /* given to every function */
	int rank, size;

	/* n bytes of rank 0 to all; waits. Before anything else is under way. */
	int (*broadcast)(void *self, void *p, size_t n, struct err *e);

	/* Host memory: begin to send n bytes to a rank, to receive n at most from one; both sides number what goes from the one to the other by `tag`,
	   0..TRANSPORT_TAGS - 1. The memory is borrowed until test says *done: *request is given back then. test also keeps going all else that is under
	   way. */
	int (*send)(void *self, int to, int tag, const void *p, size_t n, void **request, struct err *e);
	int (*receive)(void *self, int from, int tag, void *p, size_t n, void **request, struct err *e);

	/* Device memory, in place of these two: begin to add up x[n] over all ranks, in place. */
	int (*sum)(void *self, float *x, int64_t n, void **request, struct err *e);

	int (*test)(void *self, void *request, int *done, struct err *e);
	void (*close)(void *self, int clean); /* clean 0: the others may be gone */
};
enum { TRANSPORT_TAGS = 16384 };

/* How many of n requests are under way still; those that are done become NULL. -1 and an error. */
int transport_left(const struct transport *t, void **request, int n, struct err *e);

/* What an object that cannot find out by itself is told: where it is, its device, and how rank 0 tells the others something. */
struct transport_place {
	int rank, size, device;
	void *stream; /* of the device: what is put on it before a sum begins is done before it is added up */
	int (*broadcast)(void *arg, void *p, size_t n, struct err *e);
	void *arg;
};

/* The one exported symbol. abi: TRANSPORT_ABI; place: NULL for MPI, which knows. */
typedef int transport_open_fn(int abi, const struct transport_place *place, struct transport *t, struct err *e);
transport_open_fn transport_open;

#endif
