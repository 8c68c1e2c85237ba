/* Streams, events and graphs in a GPU's place (sim.h). */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/nccl/stream.h"
#include "tests/sim/sim.h"

enum { STREAMS = 4, NAME = 40 };

/* A stream's end of the queue, or a node of a graph. A graph's launch: of its nodes one after the other. */
enum kind { RUN, RECORD, WAIT, LAUNCH };
struct op {
	struct op *next;
	enum kind kind;
	char name[NAME];
	void (*run)(const void *);
	void *own;
	cudaEvent_t event;
	int64_t number; /* of the event's records */
	cudaGraphExec_t exec;
};
struct queue { struct op *first, **last; };
struct CUgraph_st { struct queue nodes; };
struct CUgraphExec_st { struct queue nodes; };
struct CUevent_st { int64_t recorded, done; int timed; };

static struct { int made; struct queue queue; cudaGraph_t capture; pthread_t by; int waits; } streams[STREAMS];
static cudaError_t sticky;
static _Thread_local cudaError_t last; /* of a call that failed, or was too early: the next launch that looks has it for its own */
static uint64_t seed;
static int64_t waits;
extern void *gpu_stream;

static int order(void)
{
	const char *given = getenv("SIM_ORDER");

	return given ? (int)strtol(given, NULL, 10) : 0;
}

static unsigned draw(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u + (uint64_t)order();
	return (unsigned)(seed >> 33) % n;
}

cudaError_t sim_error(void)
{
	return sticky;
}

cudaError_t sim_left(cudaError_t r)
{
	return r ? last = r : r;
}

/* Streams are numbers from one on that the stand-in for NCCL knows, too. */
static int index_of(cudaStream_t s)
{
	intptr_t i = (intptr_t)s - (intptr_t)SIM_STREAM;

	sim_must(i >= 0 && i < STREAMS && streams[i].made, "a stream that is none (the legacy stream waits for all others)");
	return (int)i;
}

cudaStream_t sim_first_stream(void)
{
	return SIM_STREAM;
}

static void append(struct queue *q, struct op *op)
{
	op->next = NULL;
	if (!q->first)
		q->last = &q->first;
	*q->last = op;
	q->last = &op->next;
}

/* -- what is done ------------------------------------------------------------------- */
static void do_run(const struct op *op)
{
	static int times;
	const char *fault = getenv("SIM_FAULT"), *colon = fault ? strchr(fault, ':') : NULL;
	const size_t n = colon ? (size_t)(colon - fault) : 0;

	if (n && strlen(op->name) == n && !strncmp(op->name, fault, n) && ++times == strtol(colon + 1, NULL, 10))
		sticky = cudaErrorIllegalAddress;
	if (!sticky)
		op->run(op->own);
}

static int ready(const struct op *op)
{
	return op->kind != WAIT || op->event->done >= op->number;
}

static void do_first(int s)
{
	struct queue *q = &streams[s].queue;
	struct op *op = q->first;

	q->first = op->next;
	if (op->kind == RUN)
		do_run(op);
	if (op->kind == RECORD && op->event->done < op->number)
		op->event->done = op->number;
	for (const struct op *o = op->kind == LAUNCH ? op->exec->nodes.first : NULL; o; o = o->next)
		do_run(o);
	free(op->own);
	free(op);
}

/* One of those whose turn it may be. 0: there is none. */
static int do_one(void)
{
	int may[STREAMS], n = 0;

	for (int s = 0; s < STREAMS; s++)
		if (streams[s].queue.first && ready(streams[s].queue.first))
			may[n++] = s;
	if (n)
		do_first(may[order() < 2 ? 0 : order() == 2 ? n - 1 : (int)draw((unsigned)n)]);
	return n > 0;
}

static void idle(void)
{
	if (order() == 0)
		while (do_one())
			;
	else if (order() > 2)
		for (unsigned i = draw(4); i && do_one(); i--)
			;
}

int sim_captured(void)
{
	for (int s = 0; s < STREAMS; s++)
		if (streams[s].capture && pthread_equal(streams[s].by, pthread_self()))
			return 1;
	return 0;
}

/* -- waiting ------------------------------------------------------------------------ */
static int busy(int s)
{
	return streams[s].queue.first != NULL;
}

cudaError_t sim_wait(cudaStream_t s, const char *who)
{
	sim_lock();
	sim_must(!sim_captured(), "%s while a stream is captured", who);
	while (busy(index_of(s)))
		sim_must(do_one(), "a stream waits for what is never done");
	sim_unlock();
	return sticky;
}

__attribute__((destructor)) static void say_waits(void)
{
	if (getenv("SIM_WAITS"))
		fprintf(stderr, "tests/sim: %lld waits for a stream\n", (long long)waits);
}

cudaError_t sim_wait_all(const char *who)
{
	sim_lock();
	sim_must(!sim_captured(), "%s while a stream is captured", who);
	while (do_one())
		;
	for (int s = 0; s < STREAMS; s++)
		sim_must(!busy(s), "a stream waits for what is never done");
	sim_unlock();
	return sticky;
}

/* -- what is put on streams ------------------------------------------------------------ */
static cudaError_t put(cudaStream_t stream, struct op op, const void *own, size_t size)
{
	int s = index_of(stream);
	struct op *new = malloc(sizeof *new);

	sim_must(!streams[s].capture || op.kind == RUN, "an event or a launch of another graph is captured: it is not known here");
	sim_must(!streams[s].capture || pthread_equal(streams[s].by, pthread_self()), "another thread puts something on a stream that is captured");
	if (sticky) {
		free(new);
		return sticky;
	}
	*new = op;
	if (size) {
		new->own = malloc(size);
		memcpy(new->own, own, size);
	}
	append(streams[s].capture ? &streams[s].capture->nodes : &streams[s].queue, new);
	if (!sim_captured())
		idle();
	return cudaSuccess; /* what goes wrong is seen later */
}

cudaError_t sim_put(cudaStream_t s, const char *name, void (*run)(const void *), const void *own, size_t size)
{
	struct op op = {.kind = RUN, .run = run};
	cudaError_t r;

	snprintf(op.name, sizeof op.name, "%s", name);
	sim_lock();
	r = put(s, op, own, size);
	sim_unlock();
	return r;
}

/* As a launcher does it: the launch, then cudaGetLastError. */
int wall_launch(const char *kernel, void (*run)(const void *), const void *own, size_t size)
{
	sim_left(sim_put(gpu_stream, kernel, run, own, size));
	return (int)cudaGetLastError();
}

/* -- CUDA's: the device ------------------------------------------------------------------ */
cudaError_t cudaGetDeviceCount(int *n)
{
	if (getenv("SIM_DRIVER"))
		return sim_left(cudaErrorInsufficientDriver);
	*n = 1;
	return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *v)
{
	const char *driver = getenv("SIM_DRIVER");

	*v = driver ? (int)strtol(driver, NULL, 10) : 13000;
	return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *v)
{
	*v = 13000;
	return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
	return sim_left(device ? cudaErrorInvalidDevice : sticky);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int device)
{
	size_t there;

	if (device)
		return cudaErrorInvalidDevice;
	memset(p, 0, sizeof *p);
	snprintf(p->name, sizeof p->name, "this machine in a GPU's place");
	p->major = getenv("SIM_CAPABILITY") ? (int)strtol(getenv("SIM_CAPABILITY"), NULL, 10) : 8;
	return cudaMemGetInfo(&there, &p->totalGlobalMem);
}

cudaError_t cudaGetLastError(void)
{
	const cudaError_t r = sticky ? sticky : last;

	last = cudaSuccess;
	return r;
}

/* What CUDA calls those that come from here */
static const struct { cudaError_t code; const char *name, *text; } errors[] = {
	{cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
	{cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
	{cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
	{cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
	{cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
	{cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
};

const char *cudaGetErrorString(cudaError_t r)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].code == r)
			return errors[i].text;
	return "unrecognized error code";
}

const char *cudaGetErrorName(cudaError_t r)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].code == r)
			return errors[i].name;
	return "unrecognized error code";
}

/* -- CUDA's: streams and events ------------------------------------------------------------ */
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned flags)
{
	int i = 0;

	while (i < STREAMS && streams[i].made)
		i++;
	sim_must(i < STREAMS && flags == cudaStreamNonBlocking, "too many streams, or one that the legacy stream waits for");
	streams[i].made = 1;
	*s = (cudaStream_t)((char *)SIM_STREAM + i);
	return sticky;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
	waits++;
	return sim_wait(s, "cudaStreamSynchronize");
}

cudaError_t cudaDeviceSynchronize(void)
{
	return sim_wait_all("cudaDeviceSynchronize");
}

cudaError_t cudaStreamQuery(cudaStream_t s)
{
	sim_must(!sim_captured(), "cudaStreamQuery while a stream is captured");
	return sim_left(sticky ? sticky : busy(index_of(s)) ? cudaErrorNotReady : cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t *e)
{
	*e = calloc(1, sizeof **e);
	(*e)->timed = 1;
	return sticky;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags)
{
	*e = calloc(1, sizeof **e);
	(*e)->timed = !(flags & cudaEventDisableTiming);
	return sticky;
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
	sim_wait_all("cudaEventDestroy"); /* a driver frees it when it has come by */
	free(e);
	return sticky;
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
	cudaError_t r;

	if (sticky)
		return sticky;
	sim_lock();
	r = put(s, (struct op){.kind = RECORD, .name = "event", .event = e, .number = ++e->recorded}, NULL, 0);
	sim_unlock();
	return r;
}

/* Of what was recorded last until now */
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags)
{
	cudaError_t r;

	sim_lock();
	sim_must(!flags, "flags of a wait");
	r = put(s, (struct op){.kind = WAIT, .name = "wait", .event = e, .number = e->recorded}, NULL, 0);
	sim_unlock();
	return r;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
	sim_lock();
	sim_must(!sim_captured(), "cudaEventSynchronize while a stream is captured");
	while (!sticky && e->done < e->recorded)
		sim_must(do_one(), "an event is waited for that never comes");
	sim_unlock();
	return sticky;
}

/* Every time that is taken is less than the one before. */
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b)
{
	static float next = 1;

	sim_must(a->timed && b->timed && a->recorded && b->recorded && a->done == a->recorded && b->done == b->recorded,
		"a time between events that take none, or have not come by");
	*ms = next *= 0.9999f;
	return sticky;
}

/* -- CUDA's: graphs ------------------------------------------------------------------------ */
cudaError_t cudaStreamIsCapturing(cudaStream_t s, enum cudaStreamCaptureStatus *status)
{
	*status = streams[index_of(s)].capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
	return cudaSuccess;
}

/* Is this what SIM_CAPTURE says? */
static int told(const char *word)
{
	const char *how = getenv("SIM_CAPTURE");

	return how && !strcmp(how, word);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode)
{
	int i = index_of(s);

	sim_must(!streams[i].capture, "a capture within a capture");
	sim_must(mode == cudaStreamCaptureModeThreadLocal, "a capture that other threads' allocations break");
	if (sticky || told("begin"))
		return sim_left(sticky ? sticky : cudaErrorStreamCaptureUnsupported);
	streams[i].capture = calloc(1, sizeof *streams[i].capture);
	streams[i].by = pthread_self();
	return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
	int i = index_of(s);

	sim_must(streams[i].capture != NULL, "the end of no capture");
	*graph = streams[i].capture;
	streams[i].capture = NULL;
	return sticky;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
	sim_must(!flags, "flags of a graph");
	if (told("refused"))
		return sim_left(cudaErrorNotSupported);
	*exec = calloc(1, sizeof **exec);
	(*exec)->nodes = graph->nodes;
	graph->nodes = (struct queue){NULL, NULL};
	return sticky;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
	free(graph); /* nodes of one that was refused are left to the end of the process */
	return sticky;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
	cudaError_t r;

	sim_lock();
	r = put(s, (struct op){.kind = LAUNCH, .name = "graph", .exec = exec}, NULL, 0);
	sim_unlock();
	return r;
}

/* One that is under way ends first. */
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
	sim_wait_all("cudaGraphExecDestroy");
	for (struct op *o = exec->nodes.first, *next; o; o = next) {
		next = o->next;
		free(o->own);
		free(o);
	}
	free(exec);
	return sticky;
}
