#include "kernels/gpu/cudnn.h"

#include <cudnn_graph.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu/runtime.h"
#include "lib/base/mem.h"

enum { DIMS = 5, ENGINES = 32, OWNED = 64, ALIGNED = 16 };
static const int64_t MOST_WORKSPACE = (int64_t)4 << 30;
enum { UID_X = 'x', UID_W = 'w', UID_Y = 'y', UID_BIAS = 'b', UID_SUM = 's' };

struct cudnn_conv {
	struct cudnn_shape s;
	cudnnBackendDescriptor_t plan;
	int64_t workspace, align[3]; /* of x, w, y: bytes */
};

/* Descriptors while a plan is made: all are destroyed together. bad: the first status that was not good. */
struct maker { cudnnBackendDescriptor_t own[OWNED]; int n; cudnnStatus_t bad; };

const char *cudnn_elsewhere;
static cudnnHandle_t handle;
static cudnnBackendDescriptor_t device; /* cudnn_elsewhere's, in the handle's place */

/* What cuDNN says of its last error, where it does, in one line */
static int refused(cudnnStatus_t r, const char *what, struct err *e)
{
	char why[240] = "";

	cudnnGetLastErrorString(why, sizeof why);
	why[strcspn(why, "\n")] = 0;
	return err_set(e, NULL, "cuDNN %s: %s%s%s", what, cudnnGetErrorString(r), *why ? ": " : "", why);
}

/* The device that is not here */
static int describe(struct err *e)
{
	cudnnStatus_t r = cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device);

	if (r == CUDNN_STATUS_SUCCESS)
		r = cudnnBackendSetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(cudnn_elsewhere),
			cudnn_elsewhere);
	if (r == CUDNN_STATUS_SUCCESS)
		r = cudnnBackendFinalize(device);
	return r == CUDNN_STATUS_SUCCESS ? 0 : refused(r, "knows no such device", e);
}

static int start(struct err *e)
{
	cudnnStatus_t r;

	if (handle || device)
		return 0;
	if (cudnn_elsewhere)
		return describe(e);
	r = cudnnCreate(&handle);
	if (r != CUDNN_STATUS_SUCCESS || (r = cudnnSetStream(handle, gpu_stream)) != CUDNN_STATUS_SUCCESS) {
		handle = NULL;
		return refused(r, "does not start", e);
	}
	return 0;
}

static void check(struct maker *m, cudnnStatus_t r)
{
	if (m->bad == CUDNN_STATUS_SUCCESS)
		m->bad = r;
}

static cudnnBackendDescriptor_t make(struct maker *m, cudnnBackendDescriptorType_t type)
{
	cudnnBackendDescriptor_t d = NULL;

	check(m, m->n < OWNED ? cudnnBackendCreateDescriptor(type, &d) : CUDNN_STATUS_ALLOC_FAILED);
	if (d)
		m->own[m->n++] = d;
	return d;
}

static void set(struct maker *m, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
	const void *v)
{
	if (m->bad == CUDNN_STATUS_SUCCESS)
		check(m, cudnnBackendSetAttribute(d, name, type, n, v));
}

static cudnnBackendDescriptor_t done(struct maker *m, cudnnBackendDescriptor_t d)
{
	if (m->bad == CUDNN_STATUS_SUCCESS)
		check(m, cudnnBackendFinalize(d));
	return d;
}

static void forget(struct maker *m, int from)
{
	while (m->n > from)
		cudnnBackendDestroyDescriptor(m->own[--m->n]);
}

static size_t size_of(cudnnDataType_t type)
{
	return type == CUDNN_DATA_FLOAT ? 4 : 2;
}

/* A value that is by itself begins a buffer; one in a wider one does at a multiple of what its channels and the pitch share. */
static int64_t alignment(cudnnDataType_t type, int64_t c, int64_t pitch)
{
	int64_t bytes = ALIGNED;

	while (c != pitch && (c * (int64_t)size_of(type) % bytes || pitch * (int64_t)size_of(type) % bytes))
		bytes /= 2;
	return bytes;
}

/* align 0: as its pitch has it; below 0: it is between two operations and never in memory */
static cudnnBackendDescriptor_t tensor(struct maker *m, int64_t uid, cudnnDataType_t type, const int64_t dims[DIMS], int64_t pitch, int64_t align)
{
	int64_t stride[DIMS] = {dims[2] * dims[3] * dims[4] * pitch, 1, dims[3] * dims[4] * pitch, dims[4] * pitch, pitch};
	const bool between = align < 0;
	cudnnBackendDescriptor_t d = make(m, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

	align = align > 0 ? align : alignment(type, dims[1], pitch);
	set(m, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
	set(m, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
	set(m, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, DIMS, dims);
	set(m, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, DIMS, stride);
	set(m, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &align);
	if (between)
		set(m, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &between);
	return done(m, d);
}

static cudnnBackendDescriptor_t convolution(struct maker *m, const struct cudnn_shape *s)
{
	cudnnBackendDescriptor_t d = make(m, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
	cudnnDataType_t compute = CUDNN_DATA_FLOAT;
	cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
	int64_t spatial = 3, one[3] = {1, 1, 1};

	set(m, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
	set(m, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
	set(m, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
	set(m, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 3, s->pad);
	set(m, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 3, s->pad);
	set(m, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 3, one);
	set(m, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 3, s->stride);
	return done(m, d);
}

/* Attributes of the three kinds of operation: conv, x, w, y, alpha, beta */
static const struct { cudnnBackendDescriptorType_t type; cudnnBackendAttributeName_t conv, x, w, y, alpha, beta; } passes[] = {
	[CUDNN_PASS_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
		CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
		CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
	[CUDNN_PASS_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
		CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
		CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
	[CUDNN_PASS_WEIGHTS] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
		CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
		CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

/* y = sum + bias */
static cudnnBackendDescriptor_t add_bias(struct maker *m, const struct cudnn_shape *s, cudnnDataType_t type, cudnnBackendDescriptor_t sum,
	cudnnBackendDescriptor_t y)
{
	const int64_t dims[DIMS] = {1, s->k, 1, 1, 1};
	const cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
	const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
	cudnnBackendDescriptor_t bias = tensor(m, UID_BIAS, type, dims, s->k, (int64_t)size_of(type)), add = make(m, CUDNN_BACKEND_POINTWISE_DESCRIPTOR), op;

	set(m, add, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
	set(m, add, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
	done(m, add);
	op = make(m, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
	set(m, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &add);
	set(m, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &sum);
	set(m, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &bias);
	set(m, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
	return done(m, op);
}

static cudnnBackendDescriptor_t graph_of(struct maker *m, const struct cudnn_shape *s, enum cudnn_pass pass)
{
	const int64_t x[DIMS] = {s->n, s->c, s->x[0], s->x[1], s->x[2]}, y[DIMS] = {s->n, s->k, s->y[0], s->y[1], s->y[2]};
	const int64_t w[DIMS] = {s->k, s->c, s->kernel[0], s->kernel[1], s->kernel[2]};
	cudnnDataType_t type = s->bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT, wtype = pass == CUDNN_PASS_WEIGHTS && !s->half_dw ? CUDNN_DATA_FLOAT : type;
	float alpha = 1, beta = s->add ? 1 : 0;
	cudnnBackendDescriptor_t dx = tensor(m, UID_X, type, x, s->xpitch, 0), dw = tensor(m, UID_W, wtype, w, s->c, 0);
	cudnnBackendDescriptor_t dy = tensor(m, UID_Y, type, y, s->ypitch, 0), sum = s->bias ? tensor(m, UID_SUM, CUDNN_DATA_FLOAT, y, s->k, -1) : dy;
	cudnnBackendDescriptor_t conv = convolution(m, s), op[2] = {make(m, passes[pass].type)}, graph;

	set(m, op[0], passes[pass].conv, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &conv);
	set(m, op[0], passes[pass].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &dx);
	set(m, op[0], passes[pass].w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &dw);
	set(m, op[0], passes[pass].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &sum);
	set(m, op[0], passes[pass].alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
	set(m, op[0], passes[pass].beta, CUDNN_TYPE_FLOAT, 1, &beta);
	done(m, op[0]);
	if (s->bias)
		op[1] = add_bias(m, s, type, sum, dy);
	graph = make(m, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
	if (!device)
		set(m, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
	set(m, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, s->bias ? 2 : 1, op);
	return done(m, graph);
}

/* Is an engine one that gives the same bits every time and, of fp32, computes with all of them? Where TF32 may not be, tensor cores have none. */
static int acceptable(cudnnBackendDescriptor_t config, const struct cudnn_shape *s)
{
	cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
	cudnnBackendDescriptor_t engine = NULL;
	int64_t n = 0;
	int good = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) == CUDNN_STATUS_SUCCESS &&
		cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine) == CUDNN_STATUS_SUCCESS &&
		cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n, note) ==
			CUDNN_STATUS_SUCCESS;

	for (int64_t i = 0; good && i < n; i++)
		good = note[i] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && (s->bf16 || (note[i] != CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS &&
			note[i] != CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION && (s->tf32 || note[i] != CUDNN_NUMERICAL_NOTE_TENSOR_CORE)));
	if (engine)
		cudnnBackendDestroyDescriptor(engine);
	return good;
}

/* The plan of a configuration, NULL: cuDNN cannot make it, or it takes too much workspace. */
static cudnnBackendDescriptor_t plan_of(cudnnBackendDescriptor_t config, int64_t *workspace)
{
	cudnnBackendDescriptor_t plan = NULL;
	int64_t n;

	if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan) != CUDNN_STATUS_SUCCESS)
		return NULL;
	if ((device ? cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device) :
		cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle)) == CUDNN_STATUS_SUCCESS &&
	    cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config) == CUDNN_STATUS_SUCCESS &&
	    cudnnBackendFinalize(plan) == CUDNN_STATUS_SUCCESS &&
	    cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, workspace) == CUDNN_STATUS_SUCCESS &&
	    *workspace <= MOST_WORKSPACE)
		return plan;
	cudnnBackendDestroyDescriptor(plan);
	return NULL;
}

/* The plan of a configuration that may be taken, NULL: it is none, or has none. */
static struct cudnn_conv *conv_of(const struct cudnn_shape *s, cudnnBackendDescriptor_t config)
{
	const cudnnDataType_t type = s->bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
	struct err ignored;
	struct cudnn_conv *c = acceptable(config, s) ? mem_zero(1, sizeof *c, "a convolution", &ignored) : NULL;

	if (!c)
		return NULL;
	c->s = *s;
	c->align[0] = alignment(type, s->c, s->xpitch), c->align[1] = ALIGNED, c->align[2] = alignment(type, s->k, s->ypitch);
	c->plan = plan_of(config, &c->workspace);
	if (c->plan)
		return c;
	free(c);
	return NULL;
}

/* How many there are now, `n` before, with those of a heuristic. That it knows nothing is no error. */
static int choose(struct maker *m, cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode, const struct cudnn_shape *s, int most,
	struct cudnn_conv **all, int n)
{
	cudnnBackendDescriptor_t heuristic = make(m, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR), config[ENGINES];
	int64_t known = 0;

	set(m, heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
	if (device)
		set(m, heuristic, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device);
	set(m, heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
	done(m, heuristic);
	for (int i = 0; i < ENGINES; i++)
		config[i] = make(m, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
	if (m->bad == CUDNN_STATUS_SUCCESS)
		check(m, cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, ENGINES, &known, config));
	for (int64_t i = 0; m->bad == CUDNN_STATUS_SUCCESS && n < most && i < known; i++) {
		all[n] = conv_of(s, config[i]);
		n += all[n] != NULL;
	}
	return n;
}

static int no_plan(const struct cudnn_shape *s, cudnnStatus_t bad, struct err *e)
{
	char what[160];

	snprintf(what, sizeof what, "has no convolution %lld -> %lld of %lldx%lldx%lld, %s", (long long)s->c, (long long)s->k, (long long)s->kernel[0],
		(long long)s->kernel[1], (long long)s->kernel[2], s->bf16 ? "bf16" : s->tf32 ? "tf32" : "fp32");
	return bad == CUDNN_STATUS_SUCCESS ? err_set(e, NULL, "cuDNN %s: no engine", what) : refused(bad, what, e);
}

int cudnn_conv_all(const struct cudnn_shape *s, enum cudnn_pass pass, int most, struct cudnn_conv **all, int *broken, struct err *e)
{
	static const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
	struct maker m = {.bad = CUDNN_STATUS_SUCCESS};
	const int bad = start(e);
	cudnnBackendDescriptor_t graph;
	cudnnStatus_t refuses;
	int n = 0;

	if (broken)
		*broken = bad;
	if (bad)
		return 0;
	graph = graph_of(&m, s, pass);
	refuses = m.bad;
	for (size_t i = 0; i < sizeof modes / sizeof *modes && refuses == CUDNN_STATUS_SUCCESS && n < most; i++) {
		int mark = m.n;

		n = choose(&m, graph, modes[i], s, most, all, n);
		forget(&m, mark);
		m.bad = CUDNN_STATUS_SUCCESS;
	}
	forget(&m, 0);
	if (!n)
		no_plan(s, refuses, e);
	return n;
}

struct cudnn_conv *cudnn_conv_new(const struct cudnn_shape *s, enum cudnn_pass pass, int which, int *broken, struct err *e)
{
	struct cudnn_conv *all[CUDNN_MOST], *own = NULL;
	const int n = cudnn_conv_all(s, pass, which < CUDNN_MOST ? which + 1 : CUDNN_MOST, all, broken, e);

	for (int i = 0; i < n; i++)
		if (i == which)
			own = all[i];
		else
			cudnn_conv_free(all[i]);
	if (n && !own)
		no_plan(s, CUDNN_STATUS_SUCCESS, e);
	return own;
}

void cudnn_conv_free(struct cudnn_conv *c)
{
	if (c && c->plan)
		cudnnBackendDestroyDescriptor(c->plan);
	free(c);
}

size_t cudnn_conv_workspace(const struct cudnn_conv *c)
{
	return (size_t)c->workspace;
}

int cudnn_conv_fits(const struct cudnn_conv *c, const void *x, const void *w, const void *y)
{
	return !((uintptr_t)x % (uintptr_t)c->align[0] || (uintptr_t)w % (uintptr_t)c->align[1] || (uintptr_t)y % (uintptr_t)c->align[2]);
}

int cudnn_conv_run(struct cudnn_conv *c, const void *x, const void *w, const void *y, const void *bias, void *workspace, struct err *e)
{
	const void *data[] = {x, w, y, bias};
	const int64_t uid[] = {UID_X, UID_W, UID_Y, UID_BIAS}, n = c->s.bias ? 4 : 3;
	struct maker m = {.bad = CUDNN_STATUS_SUCCESS};
	cudnnBackendDescriptor_t pack = make(&m, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);

	set(&m, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, data);
	set(&m, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, uid);
	set(&m, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
	done(&m, pack);
	if (m.bad == CUDNN_STATUS_SUCCESS)
		check(&m, cudnnBackendExecute(handle, c->plan, pack));
	forget(&m, 0);
	return m.bad == CUDNN_STATUS_SUCCESS ? 0 : refused(m.bad, "fails in a convolution", e);
}

const char *cudnn_version(void)
{
	static char text[32];
	size_t v = cudnnGetVersion();

	snprintf(text, sizeof text, "%zu.%zu.%zu", v / 10000, v / 100 % 100, v % 100);
	return text;
}
