/* Lines beside the one of the kernels, marks, recorded calls: CUDA's streams, events and graphs. */
#include <cuda_runtime_api.h>
#include <stdlib.h>

#include "kernels/gpu/runtime.h"
#include "lib/base/mem.h"

struct k_mark { cudaEvent_t event; int set; };
struct k_record { cudaGraphExec_t exec; };

static int serial(void)
{
	return gpu_asked("serial") || gpu_asked("sync") || gpu_asked("managed");
}

static int bad(cudaError_t r, const char *what, struct err *e)
{
	return r ? gpu_failed((int)r, what, e) : 0;
}

/* -- lines ------------------------------------------------------------------- */
static int line(enum k_line l, cudaStream_t *s, struct err *e)
{
	static cudaStream_t beside[2];

	*s = gpu_stream;
	if (l == K_COMPUTE || serial())
		return 0;
	if (!beside[l == K_OUT] && bad(cudaStreamCreateWithFlags(&beside[l == K_OUT], cudaStreamNonBlocking), "a stream for copies", e))
		return -1;
	*s = beside[l == K_OUT];
	return 0;
}

int gpu_queue(enum k_line l, void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e)
{
	static const enum cudaMemcpyKind kinds[] = {
		[K_TO_DEVICE] = cudaMemcpyHostToDevice, [K_TO_HOST] = cudaMemcpyDeviceToHost, [K_ON_DEVICE] = cudaMemcpyDeviceToDevice,
	};
	cudaStream_t s;

	if (line(l, &s, e))
		return -1;
	if (serial())
		return gpu_copy(to, from, bytes, dir, e);
	return bad(bytes ? cudaMemcpyAsync(to, from, bytes, kinds[dir], s) : cudaSuccess, "copy", e);
}

struct k_mark *gpu_mark_new(struct err *e)
{
	struct k_mark *m = mem_zero(1, sizeof *m, "a mark", e);

	if (m && !bad(cudaEventCreate(&m->event), "an event", e))
		return m;
	free(m);
	return NULL;
}

void gpu_mark_free(struct k_mark *m)
{
	if (m)
		cudaEventDestroy(m->event);
	free(m);
}

int gpu_mark(struct k_mark *m, enum k_line l, struct err *e)
{
	cudaStream_t s;

	if (line(l, &s, e) || bad(cudaEventRecord(m->event, s), "an event", e))
		return -1;
	m->set = 1;
	return 0;
}

int gpu_follow(enum k_line l, struct k_mark *m, struct err *e)
{
	cudaStream_t s;

	return line(l, &s, e) || (m->set && bad(cudaStreamWaitEvent(s, m->event, 0), "an event", e)) ? -1 : 0;
}

int gpu_await(struct k_mark *m, struct err *e)
{
	return m->set ? bad(cudaEventSynchronize(m->event), "an event", e) : 0;
}

int gpu_between(struct k_mark *from, struct k_mark *to, double *seconds, struct err *e)
{
	float ms = 0;

	*seconds = 0;
	if (gpu_await(from, e) || gpu_await(to, e) || bad(from->set && to->set ? cudaEventElapsedTime(&ms, from->event, to->event) : cudaSuccess, "time", e))
		return -1;
	*seconds = (double)ms / 1e3;
	return 0;
}

/* -- calls done again ---------------------------------------------------------- */
/* Other threads may allocate host memory meanwhile. */
int gpu_record(struct err *e)
{
	if (gpu_asked("nographs") || gpu_asked("sync") || gpu_asked("managed"))
		return 1;
	return bad(cudaStreamBeginCapture(gpu_stream, cudaStreamCaptureModeThreadLocal), "a graph", e);
}

struct k_record *gpu_recorded(struct err *e)
{
	struct k_record *r = mem_zero(1, sizeof *r, "a graph", e);
	cudaGraph_t graph = NULL;
	cudaError_t ended = cudaStreamEndCapture(gpu_stream, &graph);

	if (r && !ended)
		ended = cudaGraphInstantiateWithFlags(&r->exec, graph, 0);
	if (graph)
		cudaGraphDestroy(graph);
	if (r && !ended)
		return r;
	if (r)
		gpu_failed((int)ended, "a graph", e);
	free(r);
	return NULL;
}

int gpu_replay(struct k_record *r, struct err *e)
{
	return gpu_check((int)cudaGraphLaunch(r->exec, gpu_stream), "calls done as one graph", e);
}

void gpu_record_free(struct k_record *r)
{
	if (r)
		cudaGraphExecDestroy(r->exec);
	free(r);
}
