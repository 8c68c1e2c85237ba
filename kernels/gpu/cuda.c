/* The device: CUDA's runtime, and the stream on which kernels run; lines.c has those beside it. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu/runtime.h"

void *gpu_stream;
char gpu_name[120];
static int taken; /* the device's number */

static const char *doing; /* what was put on the stream last */

static int managed(void)
{
	return gpu_asked("managed");
}

static int synchronous(void)
{
	return managed() || gpu_asked("sync");
}

/* Errors of what was launched before, which stay until the process ends */
static int stays(cudaError_t r)
{
	static const cudaError_t all[] = {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorMisalignedAddress, cudaErrorAssert,
		cudaErrorIllegalInstruction, cudaErrorHardwareStackError, cudaErrorInvalidPc, cudaErrorInvalidAddressSpace, cudaErrorLaunchTimeout,
		cudaErrorECCUncorrectable, cudaErrorNvlinkUncorrectable};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (r == all[i])
			return 1;
	return 0;
}

int gpu_failed(int code, const char *what, struct err *e)
{
	cudaError_t r = (cudaError_t)code;

	cudaGetLastError(); /* or the next launch would be said to have failed */
	if (!stays(r) || !doing || synchronous())
		return err_set(e, NULL, "cuda: %s: %s (%s)", what, cudaGetErrorString(r), cudaGetErrorName(r));
	return err_set(e, NULL, "cuda: at or before %s: %s (%s); NIIPIPE_CUDA=sync says in which kernel", doing, cudaGetErrorString(r), cudaGetErrorName(r));
}

int gpu_lost(struct err *e)
{
	cudaError_t r = cudaStreamQuery(gpu_stream);

	cudaGetLastError(); /* that it is not ready is one, too */
	return stays(r) ? gpu_failed((int)r, doing ? doing : "start", e), 1 : 0;
}

int gpu_check(int code, const char *what, struct err *e)
{
	doing = what;
	if (!code && synchronous())
		code = (int)cudaStreamSynchronize(gpu_stream);
	return code ? gpu_failed(code, what, e) : 0;
}

int gpu_open(int index, struct err *e)
{
	struct cudaDeviceProp p;
	cudaStream_t stream = NULL;
	int count = 0, driver = 0, runtime = 0;
	cudaError_t r = cudaGetDeviceCount(&count);

	if (r == cudaErrorInsufficientDriver && !cudaDriverGetVersion(&driver) && !cudaRuntimeGetVersion(&runtime))
		return driver ? err_set(e, NULL, "cuda: the driver is for CUDA %d.%d, this program needs %d.%d", driver / 1000, driver % 1000 / 10, runtime / 1000,
			runtime % 1000 / 10) : err_set(e, NULL, K_NO_DRIVER);
	if (r)
		return gpu_failed((int)r, "no device can be used", e);
	if (index >= count)
		return err_set(e, NULL, "cuda: there is no device %d (%d here, from 0)", index, count);
	if ((r = cudaSetDevice(index)) || (r = cudaGetDeviceProperties(&p, index)) || (r = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)))
		return gpu_failed((int)r, "the device does not start", e);
	if (p.major < 8)
		return err_set(e, NULL, "cuda: device %d, %s, has compute capability %d.%d: this program needs 8.0", index, p.name, p.major, p.minor);
	gpu_stream = stream, taken = index;
	snprintf(gpu_name, sizeof gpu_name, "%.40s, compute capability %d.%d, %zu MiB", p.name, p.major, p.minor, p.totalGlobalMem >> 20);
	return 0;
}

size_t gpu_available(void)
{
	size_t unused = 0, all = 0;

	if (!cudaMemGetInfo(&unused, &all))
		return unused;
	cudaGetLastError();
	return 0;
}

void *gpu_host_alloc(size_t bytes, struct err *e)
{
	void *p = NULL;
	cudaError_t r = cudaSetDevice(taken); /* another thread may be at another device */

	if (!r)
		r = cudaMallocHost(&p, bytes ? bytes : 1);

	if (!r)
		return p;
	gpu_failed((int)r, "cudaMallocHost", e);
	return NULL;
}

/* Where an error has ended a run early, copies to or from it may still be under way. */
void gpu_host_release(void *p)
{
	if (!p)
		return;
	cudaDeviceSynchronize();
	cudaFreeHost(p);
}

int gpu_clock(double *ms, struct err *e)
{
	static cudaEvent_t mark[2];
	float since = 0;
	cudaError_t r = mark[0] ? cudaSuccess : cudaEventCreate(&mark[0]);

	if (!r && !mark[1])
		r = cudaEventCreate(&mark[1]);
	if (!r)
		r = cudaEventRecord(mark[ms ? 1 : 0], gpu_stream);
	if (!r && ms && !(r = cudaEventSynchronize(mark[1])))
		r = cudaEventElapsedTime(&since, mark[0], mark[1]);
	if (ms)
		*ms = (double)since;
	return r ? gpu_failed((int)r, "time", e) : 0;
}

void *gpu_alloc(size_t bytes, struct err *e)
{
	size_t unused = 0, all = 0;
	void *p = NULL;
	cudaError_t r = managed() ? cudaMallocManaged(&p, bytes ? bytes : 1, cudaMemAttachGlobal) : cudaMalloc(&p, bytes ? bytes : 1);

	if (!r)
		return p;
	cudaGetLastError();
	if (r == cudaErrorMemoryAllocation && !cudaMemGetInfo(&unused, &all))
		err_set(e, NULL, "not enough memory for the cuda device (needs %zu bytes, %zu of %zu are free)", bytes, unused, all);
	else
		gpu_failed((int)r, "cudaMalloc", e);
	return NULL;
}

void gpu_release(void *p)
{
	if (p)
		cudaFree(p);
}

int gpu_copy(void *to, const void *from, size_t bytes, enum k_copy dir, struct err *e)
{
	static const enum cudaMemcpyKind kinds[] = {
		[K_TO_DEVICE] = cudaMemcpyHostToDevice, [K_TO_HOST] = cudaMemcpyDeviceToHost, [K_ON_DEVICE] = cudaMemcpyDeviceToDevice,
	};
	cudaError_t r = bytes ? cudaMemcpyAsync(to, from, bytes, kinds[dir], gpu_stream) : cudaSuccess;

	if (!r && (dir != K_ON_DEVICE || managed()))
		r = cudaStreamSynchronize(gpu_stream);
	return r ? gpu_failed((int)r, "copy", e) : 0;
}

int gpu_zero(void *p, size_t bytes, struct err *e)
{
	cudaError_t r = bytes ? cudaMemsetAsync(p, 0, bytes, gpu_stream) : cudaSuccess;

	return gpu_check(r, "memset", e);
}
