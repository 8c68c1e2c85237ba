/* niipipe-nccl.so: sums over GPUs, by NCCL on a stream of its own. Nothing else is linked to it.
   A sum begins behind everything that was put on the stream of whoever makes what is added up; what is put there after its end comes after it. */
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/comm/transport.h"

struct nccl {
	ncclComm_t comm;
	cudaStream_t stream, maker;
	cudaEvent_t ready; /* what is to be added up is there */
};

static int cuda_bad(cudaError_t code, const char *what, struct err *e)
{
	return code == cudaSuccess ? 0 : err_set(e, NULL, "NCCL: cannot %s: %.300s", what, cudaGetErrorString(code));
}

static int nccl_bad(ncclResult_t code, const char *what, struct err *e)
{
	return code == ncclSuccess ? 0 : err_set(e, NULL, "NCCL: cannot %s: %.300s", what, ncclGetErrorString(code));
}

/* request: the event of its end */
static int sum(void *self, float *x, int64_t n, void **request, struct err *e)
{
	struct nccl *s = self;
	cudaEvent_t end;

	*request = NULL;
	if (cuda_bad(cudaEventCreateWithFlags(&end, cudaEventDisableTiming), "begin a sum", e))
		return -1;
	if (cuda_bad(cudaEventRecord(s->ready, s->maker), "begin a sum", e) ||
	    cuda_bad(cudaStreamWaitEvent(s->stream, s->ready, 0), "begin a sum", e) ||
	    nccl_bad(ncclAllReduce(x, x, (size_t)n, ncclFloat32, ncclSum, s->comm, s->stream), "begin a sum", e) ||
	    cuda_bad(cudaEventRecord(end, s->stream), "begin a sum", e)) {
		cudaEventDestroy(end);
		return -1;
	}
	*request = end;
	return 0;
}

static int test(void *self, void *request, int *done, struct err *e)
{
	struct nccl *s = self;
	cudaError_t code = cudaEventQuery(request);
	ncclResult_t async = ncclSuccess;

	*done = code == cudaSuccess;
	if (*done)
		return cuda_bad(cudaEventDestroy(request), "end a sum", e);
	if (code != cudaErrorNotReady)
		return cuda_bad(code, "add up", e);
	if (nccl_bad(ncclCommGetAsyncError(s->comm, &async), "add up", e))
		return -1;
	return async == ncclInProgress ? 0 : nccl_bad(async, "add up", e);
}

static void end(void *self, int clean)
{
	struct nccl *s = self;

	if (s->comm && clean)
		ncclCommDestroy(s->comm);
	else if (s->comm)
		ncclCommAbort(s->comm);
	if (s->ready)
		cudaEventDestroy(s->ready);
	if (s->stream)
		cudaStreamDestroy(s->stream);
	free(s);
}

static int begin(struct nccl *s, const struct transport_place *p, struct err *e)
{
	ncclUniqueId id;
	int devices = 0;

	if (cuda_bad(cudaGetDeviceCount(&devices), "find a GPU", e))
		return -1;
	if (p->device >= devices)
		return err_set(e, NULL, "NCCL: no GPU %d (of %d) for rank %d: each rank wants its own", p->device, devices, p->rank);
	s->maker = p->stream;
	memset(&id, 0, sizeof id);
	if (cuda_bad(cudaSetDevice(p->device), "use the GPU", e) || cuda_bad(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking), "begin", e) ||
	    cuda_bad(cudaEventCreateWithFlags(&s->ready, cudaEventDisableTiming), "begin", e) ||
	    (!p->rank && nccl_bad(ncclGetUniqueId(&id), "begin", e)) || p->broadcast(p->arg, &id, sizeof id, e))
		return -1;
	return nccl_bad(ncclCommInitRank(&s->comm, p->size, id, p->rank), "meet the other ranks", e);
}

__attribute__((visibility("default"))) int transport_open(int abi, const struct transport_place *place, struct transport *t, struct err *e)
{
	struct nccl *s;

	if (abi != TRANSPORT_ABI)
		return err_set(e, NULL, "niipipe-nccl.so is of another version");
	s = calloc(1, sizeof *s);
	if (!s)
		return err_set(e, NULL, "not enough memory for NCCL");
	*t = (struct transport){.abi = TRANSPORT_ABI, .name = "nccl", .self = s, .rank = place->rank, .size = place->size, .sum = sum, .test = test,
		.close = end};
	if (!begin(s, place, e))
		return 0;
	end(s, 0);
	t->close = NULL;
	return -1;
}
