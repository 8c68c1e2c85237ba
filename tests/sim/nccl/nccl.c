/* CUDA's runtime and NCCL for lib/comm/nccl.c where there is no GPU: ranks leave what they add in files of a directory, a sum is made when all are
   there. A sum that was not put behind the stream on which the gradients are made is refused: on a GPU it would add up what is not there yet. */
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sim/nccl/stream.h"

enum { PAGE = 4096, NAME = 160 };

/* A sum: of the ranks' number `seq` */
struct sum { struct ncclComm *comm; float *x; size_t n; int seq, done; };
struct CUstream_st { struct CUevent_st *after; struct sum *last; };
struct CUevent_st { int recorded; cudaStream_t on; struct sum *of; };
struct ncclComm { int rank, size, begun; char dir[NCCL_UNIQUE_ID_BYTES]; };

/* -- memory behind the wall ------------------------------------------------------ */
static void reach(const void *p, size_t bytes, int how)
{
	size_t from = (size_t)p / PAGE * PAGE, to = ((size_t)p + bytes + PAGE - 1) / PAGE * PAGE;

	mprotect((void *)from, to - from, how);
}

/* -- sums ------------------------------------------------------------------------ */
static void name(char path[NAME], const struct ncclComm *c, int seq, int rank)
{
	snprintf(path, NAME, "%s/%d.%d", c->dir, seq, rank);
}

static int give(const struct sum *s)
{
	char path[NAME], tmp[NAME];
	FILE *f;
	int bad;

	name(path, s->comm, s->seq, s->comm->rank);
	name(tmp, s->comm, -1, s->comm->rank);
	f = fopen(tmp, "wb");
	if (!f)
		return -1;
	reach(s->x, s->n * sizeof *s->x, PROT_READ | PROT_WRITE);
	bad = fwrite(s->x, sizeof *s->x, s->n, f) != s->n;
	reach(s->x, s->n * sizeof *s->x, PROT_NONE);
	return fclose(f) || bad || rename(tmp, path) ? -1 : 0;
}

static int all_there(const struct sum *s)
{
	char path[NAME];

	for (int r = 0; r < s->comm->size; r++) {
		name(path, s->comm, s->seq, r);
		if (access(path, R_OK))
			return 0;
	}
	return 1;
}

static int add(const struct sum *s, int rank)
{
	float *part = malloc(s->n * sizeof *part + 1);
	char path[NAME];
	size_t got = 0;
	FILE *f;

	name(path, s->comm, s->seq, rank);
	f = fopen(path, "rb");
	if (f) {
		got = part ? fread(part, sizeof *part, s->n, f) : 0;
		fclose(f);
	}
	for (size_t i = 0; i < got; i++)
		s->x[i] = rank ? s->x[i] + part[i] : part[i];
	free(part);
	return got == s->n ? 0 : -1;
}

static cudaError_t look(struct sum *s)
{
	int bad = 0;

	if (!s || s->done)
		return cudaSuccess;
	if (!all_there(s))
		return cudaErrorNotReady;
	reach(s->x, s->n * sizeof *s->x, PROT_READ | PROT_WRITE);
	for (int r = 0; r < s->comm->size; r++)
		bad |= add(s, r);
	reach(s->x, s->n * sizeof *s->x, PROT_NONE);
	s->done = 1;
	return bad ? cudaErrorUnknown : cudaSuccess;
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c, cudaStream_t stream)
{
	struct sum *s = calloc(1, sizeof *s);

	if (!s || from != to || type != ncclFloat32 || op != ncclSum || !stream->after || stream->after->on != SIM_STREAM)
		return ncclInvalidUsage;
	stream->after = NULL; /* every sum is put behind what it adds up */
	*s = (struct sum){c, to, n, c->begun++, 0};
	stream->last = s;
	return give(s) ? ncclSystemError : ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
	snprintf(id->internal, sizeof id->internal, "nccl-%d", (int)getpid());
	return mkdir(id->internal, 0700) ? ncclSystemError : ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t *c, int size, ncclUniqueId id, int rank)
{
	*c = calloc(1, sizeof **c);
	if (!*c)
		return ncclSystemError;
	(*c)->rank = rank;
	(*c)->size = size;
	memcpy((*c)->dir, id.internal, sizeof (*c)->dir);
	return access((*c)->dir, W_OK) ? ncclSystemError : ncclSuccess;
}

/* Rank 0 ends last, or with all: the files go. */
static void end(ncclComm_t c)
{
	char path[NAME];

	for (int i = -1; i < c->begun && !c->rank; i++)
		for (int r = 0; r < c->size; r++) {
			name(path, c, i, r);
			unlink(path);
		}
	if (!c->rank)
		rmdir(c->dir);
	free(c);
}

ncclResult_t ncclCommDestroy(ncclComm_t c)
{
	end(c);
	return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t c)
{
	end(c);
	return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *error)
{
	(void)c;
	*error = ncclSuccess;
	return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t code)
{
	return code == ncclInvalidUsage ? "a sum that is not behind what it adds up" : "failed";
}

/* -- streams and events ----------------------------------------------------------- */
cudaError_t cudaGetDeviceCount(int *n)
{
	*n = 1;
	return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
	return device ? cudaErrorInvalidDevice : cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t code)
{
	(void)code;
	return "failed";
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
	(void)flags;
	*s = calloc(1, sizeof **s);
	return *s ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
	free(s);
	return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags)
{
	(void)flags;
	*e = calloc(1, sizeof **e);
	return *e ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t on)
{
	*e = (struct CUevent_st){1, on, on == SIM_STREAM || on == cudaStreamLegacy ? NULL : on->last};
	return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags)
{
	(void)flags;
	s->after = e->recorded ? e : NULL;
	return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t e)
{
	return look(e->of);
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
	free(e->of);
	free(e);
	return cudaSuccess;
}
