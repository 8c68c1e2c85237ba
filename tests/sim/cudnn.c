/* cuDNN's graph API in a GPU's place, as far as kernels/gpu/cudnn.c calls it, and strict: an attribute of another descriptor, type or count, one
   that is missing when a descriptor is finalised, one set after it, sizes that do not fit each other, and pointers that are not what was said of
   them end the process with a line. Engines it offers: one that computes in TF32 and one that gives other bits every time (both write NaN:
   whoever takes them where he must not finds that), then two good ones. SIM_CUDNN, words: packed (none for slices of wider values), half, full (none
   whose gradient of bf16 weights is fp32, or is bf16), alone (none that adds to what is there, or a bias), late (heuristic A knows nothing), none,
   broken (does not start); tf32: the first engine may be taken. */
#include <cudnn_graph.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

enum { DIMS = 5, ATTRS = 12, VALUES = 8, ENGINES = 4, WORKSPACE = 1000 };

struct attr { int name, n; int64_t v[VALUES]; };

/* A convolution's tensors, by value: plans outlive what they were made of. */
struct tensor { int64_t dim[DIMS], stride[DIMS], uid, align; int half; };
struct job { int op, add, biased; struct tensor x, w, y, bias; int64_t pad[3], stride[3]; };

struct desc { int type, done, attrs, engine; struct attr attr[ATTRS]; struct job job; };

/* What a descriptor takes: attribute, type, how many values (below 0: at most), must it be there, bytes of a value */
static const struct rule { int of, name, type, n, must, size; } rules[] = {
#define RULE(of, name, type, n, must, size) {CUDNN_BACKEND_##of##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, n, must, size},
	RULE(TENSOR, TENSOR_UNIQUE_ID, INT64, 1, 1, 8)
	RULE(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE, 1, 1, 4)
	RULE(TENSOR, TENSOR_DIMENSIONS, INT64, DIMS, 1, 8)
	RULE(TENSOR, TENSOR_STRIDES, INT64, DIMS, 1, 8)
	RULE(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64, 1, 1, 8)
	RULE(TENSOR, TENSOR_IS_VIRTUAL, BOOLEAN, 1, 0, 1)
	RULE(POINTWISE, POINTWISE_MODE, POINTWISE_MODE, 1, 1, 4)
	RULE(POINTWISE, POINTWISE_MATH_PREC, DATA_TYPE, 1, 1, 4)
	RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_PW_DESCRIPTOR, BACKEND_DESCRIPTOR, 1, 1, 8)
	RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_XDESC, BACKEND_DESCRIPTOR, 1, 1, 8)
	RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_BDESC, BACKEND_DESCRIPTOR, 1, 1, 8)
	RULE(OPERATION_POINTWISE, OPERATION_POINTWISE_YDESC, BACKEND_DESCRIPTOR, 1, 1, 8)
	RULE(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64, 1, 1, 8)
	RULE(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1, 1, 4)
	RULE(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1, 1, 4)
	RULE(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64, 3, 1, 8)
	RULE(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64, 3, 1, 8)
	RULE(CONVOLUTION, CONVOLUTION_DILATIONS, INT64, 3, 1, 8)
	RULE(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64, 3, 1, 8)
#define PASS(op, a, x, w, y) \
	RULE(OPERATION_CONVOLUTION_##op, OPERATION_CONVOLUTION_##a##_CONV_DESC, BACKEND_DESCRIPTOR, 1, 1, 8) \
	RULE(OPERATION_CONVOLUTION_##op, OPERATION_CONVOLUTION_##a##_##x, BACKEND_DESCRIPTOR, 1, 1, 8) \
	RULE(OPERATION_CONVOLUTION_##op, OPERATION_CONVOLUTION_##a##_##w, BACKEND_DESCRIPTOR, 1, 1, 8) \
	RULE(OPERATION_CONVOLUTION_##op, OPERATION_CONVOLUTION_##a##_##y, BACKEND_DESCRIPTOR, 1, 1, 8) \
	RULE(OPERATION_CONVOLUTION_##op, OPERATION_CONVOLUTION_##a##_ALPHA, FLOAT, 1, 1, 4) \
	RULE(OPERATION_CONVOLUTION_##op, OPERATION_CONVOLUTION_##a##_BETA, FLOAT, 1, 1, 4)
	PASS(FORWARD, FORWARD, X, W, Y)
	PASS(BACKWARD_DATA, BWD_DATA, DX, W, DY)
	PASS(BACKWARD_FILTER, BWD_FILTER, X, DW, DY)
	RULE(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, HANDLE, 1, 1, 8)
	RULE(OPERATIONGRAPH, OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR, -2, 1, 8)
	RULE(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR, 1, 1, 8)
	RULE(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE, 1, 1, 4)
	RULE(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, HANDLE, 1, 0, 8)
	RULE(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR, 1, 1, 8)
	RULE(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR, -4, 1, 8)
	RULE(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64, -4, 1, 8)
	RULE(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR, 1, 1, 8)
};

static int handles;
static cudaStream_t stream;

__attribute__((noreturn, format(printf, 1, 2))) static void wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("tests/sim/cudnn.c: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

static int asked(const char *word)
{
	const char *how = getenv("SIM_CUDNN");

	return how && strstr(how, word);
}

static const struct attr *attr(const struct desc *d, int name)
{
	for (int i = 0; i < d->attrs; i++)
		if (d->attr[i].name == name)
			return &d->attr[i];
	return NULL;
}

static const int64_t *values(const struct desc *d, int name)
{
	const struct attr *a = attr(d, name);

	if (!a)
		wrong("descriptor %d: attribute %d is missing", d->type, name);
	return a->v;
}

static const struct desc *sub(const struct desc *d, int name, int type)
{
	const struct desc *s = (const struct desc *)(intptr_t)values(d, name)[0];

	if (!s || !s->done || s->type != type)
		wrong("descriptor %d: attribute %d is no finished descriptor of type %d", d->type, name, type);
	return s;
}

/* -- the library's functions ---------------------------------------------------- */
size_t cudnnGetVersion(void)
{
	return CUDNN_VERSION;
}

const char *cudnnGetErrorString(cudnnStatus_t s)
{
	return s == CUDNN_STATUS_SUCCESS ? "CUDNN_STATUS_SUCCESS" : s == CUDNN_STATUS_NOT_SUPPORTED ?
		"CUDNN_STATUS_NOT_SUPPORTED" : "CUDNN_STATUS_NOT_INITIALIZED";
}

void cudnnGetLastErrorString(char *message, size_t room)
{
	snprintf(message, room, "in a GPU's place");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *h)
{
	if (asked("broken"))
		return CUDNN_STATUS_NOT_INITIALIZED;
	*h = (cudnnHandle_t)&handles;
	handles++;
	return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t h, cudaStream_t s)
{
	if (h != (cudnnHandle_t)&handles)
		wrong("a stream for a handle that is none");
	stream = s;
	return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *d)
{
	struct desc *own = calloc(1, sizeof *own);

	own->type = type;
	*d = own;
	return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d)
{
	free(d);
	return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t to, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t n,
	const void *v)
{
	struct desc *d = to;
	const struct rule *r = NULL;
	struct attr *a;

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].of == d->type && rules[i].name == (int)name)
			r = &rules[i];
	if (!r)
		wrong("descriptor %d takes no attribute %d", d->type, name);
	if (d->done || attr(d, name))
		wrong("descriptor %d: attribute %d is set %s", d->type, name, d->done ? "after it was finalised" : "twice");
	if ((int)type != r->type || n < 1 || (r->n < 0 ? n > -r->n : n != r->n))
		wrong("descriptor %d: attribute %d is of type %d, %lld values (given: %d, %lld)", d->type, name, r->type, (long long)r->n, type, (long long)n);
	a = &d->attr[d->attrs++];
	a->name = name, a->n = (int)n;
	for (int i = 0; i < n; i++)
		memcpy(&a->v[i], (const char *)v + i * r->size, (size_t)r->size);
	return CUDNN_STATUS_SUCCESS;
}

/* -- sizes ---------------------------------------------------------------------------- */
static struct tensor tensor_of(const struct desc *d)
{
	struct tensor t = {.uid = values(d, CUDNN_ATTR_TENSOR_UNIQUE_ID)[0], .align = values(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)[0],
		.half = (int)values(d, CUDNN_ATTR_TENSOR_DATA_TYPE)[0] == CUDNN_DATA_BFLOAT16};

	memcpy(t.dim, values(d, CUDNN_ATTR_TENSOR_DIMENSIONS), sizeof t.dim);
	memcpy(t.stride, values(d, CUDNN_ATTR_TENSOR_STRIDES), sizeof t.stride);
	return t;
}

static const struct { int type, conv, x, w, y, alpha, beta; } passes[] = {
#define OP(op, a, x, w, y) {CUDNN_BACKEND_OPERATION_CONVOLUTION_##op##_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_##a##_CONV_DESC, \
	CUDNN_ATTR_OPERATION_CONVOLUTION_##a##_##x, CUDNN_ATTR_OPERATION_CONVOLUTION_##a##_##w, CUDNN_ATTR_OPERATION_CONVOLUTION_##a##_##y, \
	CUDNN_ATTR_OPERATION_CONVOLUTION_##a##_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_##a##_BETA},
	OP(FORWARD, FORWARD, X, W, Y) OP(BACKWARD_DATA, BWD_DATA, DX, W, DY) OP(BACKWARD_FILTER, BWD_FILTER, X, DW, DY)
};

static int pass_of(int type)
{
	for (int i = 0; i < 3; i++)
		if (passes[i].type == type)
			return i;
	return -1;
}

static struct job job_of(const struct desc *op)
{
	const int i = pass_of(op->type);
	const struct desc *conv = sub(op, passes[i].conv, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);

	struct job j = {.op = i, .x = tensor_of(sub(op, passes[i].x, CUDNN_BACKEND_TENSOR_DESCRIPTOR)),
		.w = tensor_of(sub(op, passes[i].w, CUDNN_BACKEND_TENSOR_DESCRIPTOR)), .y = tensor_of(sub(op, passes[i].y, CUDNN_BACKEND_TENSOR_DESCRIPTOR))};
	float beta;

	memcpy(&beta, values(op, passes[i].beta), 4);
	j.add = beta != 0;
	memcpy(j.pad, values(conv, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), sizeof j.pad);
	memcpy(j.stride, values(conv, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), sizeof j.stride);
	return j;
}

/* Is a tensor only between two operations? */
static int between(const struct desc *d)
{
	return attr(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL) && values(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL)[0];
}

static void check_tensor(const struct desc *d)
{
	struct tensor t = tensor_of(d);
	int64_t type = values(d, CUDNN_ATTR_TENSOR_DATA_TYPE)[0], step = t.stride[4];

	for (int i = 0; i < DIMS; i++)
		if (t.dim[i] < 1)
			wrong("a tensor's axis %d has %lld elements", i, (long long)t.dim[i]);
	if (t.stride[1] != 1 || step < t.dim[1] || t.stride[3] != step * t.dim[4] || t.stride[2] != t.stride[3] * t.dim[3] ||
		t.stride[0] != t.stride[2] * t.dim[2])
		wrong("a tensor's strides are not those of n,d,h,w,c");
	if (between(d) && type != CUDNN_DATA_FLOAT)
		wrong("what lies between operations is of type %lld", (long long)type);
	if (t.align < (t.half ? 2 : 4) || t.align > 16 || t.align & (t.align - 1) || (type != CUDNN_DATA_FLOAT && type != CUDNN_DATA_BFLOAT16))
		wrong("a tensor of type %lld, aligned to %lld", (long long)type, (long long)t.align);
}

static void check_op(const struct desc *d)
{
	const struct job j = job_of(d);
	const struct desc *conv = sub(d, passes[j.op].conv, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
	float alpha, beta;

	memcpy(&alpha, values(d, passes[j.op].alpha), 4), memcpy(&beta, values(d, passes[j.op].beta), 4);
	if (alpha != 1 || (beta != 0 && (beta != 1 || j.op == 2)) || j.x.dim[0] != j.y.dim[0] || j.x.dim[1] != j.w.dim[1] || j.y.dim[1] != j.w.dim[0] ||
	    (j.x.half != j.y.half && !between(sub(d, passes[j.op].y, CUDNN_BACKEND_TENSOR_DESCRIPTOR))) ||
	    (j.w.half != j.x.half && !(j.op == 2 && j.x.half)) || j.w.stride[4] != j.w.dim[1])
		wrong("a convolution's tensors do not fit each other");
	if ((int)values(conv, CUDNN_ATTR_CONVOLUTION_COMP_TYPE)[0] != CUDNN_DATA_FLOAT ||
	    (int)values(conv, CUDNN_ATTR_CONVOLUTION_CONV_MODE)[0] != CUDNN_CROSS_CORRELATION || values(conv, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS)[0] != 3)
		wrong("a convolution of another kind");
	for (int i = 0; i < 3; i++) {
		int64_t post = values(conv, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS)[i], room = j.x.dim[2 + i] + j.pad[i] + post - j.w.dim[2 + i];

		if (post != j.pad[i])
			wrong("paddings of %lld before and %lld behind: few engines have that", (long long)j.pad[i], (long long)post);
		if (values(conv, CUDNN_ATTR_CONVOLUTION_DILATIONS)[i] != 1 || room < 0 || room / j.stride[i] + 1 != j.y.dim[2 + i])
			wrong("a convolution's sizes do not fit each other on axis %d", i);
	}
}

/* The job of a graph: a convolution, and what its sum is added to */
static struct job graph_job(const struct desc *graph)
{
	const struct desc *op[2] = {NULL}, *x, *add;
	const int n = attr(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)->n;
	struct job j;

	for (int i = 0; i < n; i++)
		op[i] = (const struct desc *)(intptr_t)values(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS)[i];
	if (!op[0] || !op[0]->done || pass_of(op[0]->type) < 0 ||
	    (n == 2 && (!op[1] || !op[1]->done || op[1]->type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR)))
		wrong("a graph of other operations");
	j = job_of(op[0]);
	x = sub(op[0], passes[j.op].y, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
	if (n == 1 && between(x))
		wrong("a graph whose result is nowhere");
	if (n == 1)
		return j;
	add = sub(op[1], CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
	j.y = tensor_of(sub(op[1], CUDNN_ATTR_OPERATION_POINTWISE_YDESC, CUDNN_BACKEND_TENSOR_DESCRIPTOR));
	j.bias = tensor_of(sub(op[1], CUDNN_ATTR_OPERATION_POINTWISE_BDESC, CUDNN_BACKEND_TENSOR_DESCRIPTOR));
	j.biased = 1;
	if (j.op || j.add || sub(op[1], CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_BACKEND_TENSOR_DESCRIPTOR) != x || !between(x) ||
	    (int)values(add, CUDNN_ATTR_POINTWISE_MODE)[0] != CUDNN_POINTWISE_ADD || (int)values(add, CUDNN_ATTR_POINTWISE_MATH_PREC)[0] != CUDNN_DATA_FLOAT)
		wrong("a bias of another kind");
	if (memcmp(j.y.dim, tensor_of(x).dim, sizeof j.y.dim) || j.bias.dim[1] != j.y.dim[1] || j.bias.stride[0] != j.y.dim[1] || j.y.half != j.x.half ||
	    j.bias.half != j.y.half)
		wrong("a bias that does not fit");
	return j;
}

static int offered(const struct desc *heur)
{
	const struct job j = graph_job(sub(heur, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR));
	int mode = (int)values(heur, CUDNN_ATTR_ENGINEHEUR_MODE)[0], packed = j.x.stride[4] == j.x.dim[1] && j.y.stride[4] == j.y.dim[1];

	if (mode != CUDNN_HEUR_MODE_A && mode != CUDNN_HEUR_MODE_FALLBACK)
		wrong("heuristic %d", mode);
	return !asked("none") && !(asked("alone") && (j.add || j.biased)) && (packed || !asked("packed")) &&
		!(asked("half") && j.op == 2 && j.x.half && !j.w.half) && !(asked("full") && j.op == 2 && j.w.half) &&
		!(asked("late") && mode == CUDNN_HEUR_MODE_A);
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t of)
{
	struct desc *d = of;

	if (d->done)
		wrong("descriptor %d is finalised twice", d->type);
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i].of == d->type && rules[i].must)
			values(d, rules[i].name);
	if (d->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR)
		check_tensor(d);
	if (pass_of(d->type) >= 0)
		check_op(d);
	if (d->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR && !offered(d))
		return CUDNN_STATUS_NOT_SUPPORTED;
	if (d->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
		const struct desc *config = sub(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);

		d->engine = config->engine, d->job = config->job;
	}
	d->done = 1;
	return CUDNN_STATUS_SUCCESS;
}

/* -- what is asked ----------------------------------------------------------------------- */
/* Configurations of all engines, into descriptors that were made for them */
static void results(const struct desc *heur, int64_t room, int64_t *n, void **to)
{
	for (*n = 0; *n < room && *n < ENGINES; ++*n) {
		struct desc *config = to[*n];

		if (!config || config->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
			wrong("no room for a configuration");
		config->done = 1, config->engine = (int)*n;
		config->job = graph_job(sub(heur, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR));
	}
}

static void notes(const struct desc *engine, int64_t room, int64_t *n, cudnnBackendNumericalNote_t *to)
{
	*n = 0;
	if (room < CUDNN_NUMERICAL_NOTE_TYPE_COUNT)
		wrong("room for %lld notes", (long long)room);
	if (engine->engine == 0 || engine->job.x.half)
		to[(*n)++] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
	if (engine->engine == 1)
		to[(*n)++] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const of, cudnnBackendAttributeName_t name,
	cudnnBackendAttributeType_t type, int64_t room,
	int64_t *n, void *to)
{
	const struct desc *d = of;

	if (!d->done)
		wrong("descriptor %d is asked before it is finalised", d->type);
	if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
		results(d, room, n, to);
	} else if (name == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR && room == 1) {
		struct desc *engine = *(struct desc **)to;

		engine->done = 1, engine->engine = d->engine, engine->job = d->job;
	} else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE) {
		notes(d, room, n, to);
	} else if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64 && room == 1) {
		*(int64_t *)to = d->engine == 2 ? WORKSPACE : 0;
	} else {
		wrong("descriptor %d has no attribute %d of type %d to give", d->type, name, type);
	}
	return CUDNN_STATUS_SUCCESS;
}

/* -- computed, in doubles ------------------------------------------------------------------ */
static double get(const struct tensor *t, const void *p, int64_t i)
{
	union { uint32_t u; float f; } v;

	v.u = t->half ? (uint32_t)((const uint16_t *)p)[i] << 16 : ((const uint32_t *)p)[i];
	return (double)v.f;
}

static void put(const struct tensor *t, void *p, int64_t i, double d)
{
	union { uint32_t u; float f; } v = {.f = (float)d};

	if (t->half)
		((uint16_t *)p)[i] = (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
	else
		((float *)p)[i] = v.f;
}

static int64_t voxels(const struct tensor *t)
{
	return t->dim[0] * t->dim[2] * t->dim[3] * t->dim[4];
}

/* Voxel v of a tensor: n,d,h,w, and where its channels begin */
static int64_t voxel(const struct tensor *t, int64_t v, int64_t at[4])
{
	for (int i = 3; i >= 0; i--) {
		int64_t n = t->dim[i ? i + 1 : 0];

		at[i] = v % n, v /= n;
	}
	return at[0] * t->stride[0] + at[1] * t->stride[2] + at[2] * t->stride[3] + at[3] * t->stride[4];
}

/* A tensor's values, [voxel][channel]; the caller frees them */
static double *doubles(const struct tensor *t, const void *p)
{
	const int64_t n = voxels(t), c = t->dim[1];
	double *to = malloc(sizeof *to * (size_t)(n * c));

	for (int64_t v = 0; v < n; v++) {
		int64_t at[4], from = voxel(t, v, at);

		for (int64_t i = 0; i < c; i++)
			to[v * c + i] = get(t, p, from + i);
	}
	return to;
}

static int64_t taps_of(const struct job *j)
{
	return j->w.dim[2] * j->w.dim[3] * j->w.dim[4];
}

/* The place of x that place i of y reads with tap k on an axis; below 0: outside */
static int64_t read_at(const struct job *j, int axis, int64_t i, int64_t k)
{
	const int64_t p = i * j->stride[axis] - j->pad[axis] + k;

	return p < j->x.dim[2 + axis] ? p : -1;
}

/* What passes have in common: all pairs of voxels of y and x that a tap joins, y's in their order; w [tap] .. */
typedef void join(const struct job *j, double *y, double *x, double *w);

static void join_voxel(const struct job *j, join *fn, const int64_t at[4], double *y, double *x, double *w)
{
	const int64_t each = j->w.dim[0] * j->w.dim[1];

	for (int64_t kd = 0; kd < j->w.dim[2]; kd++) {
		const int64_t d = read_at(j, 0, at[1], kd);

		for (int64_t kh = 0; kh < j->w.dim[3] && d >= 0; kh++) {
			const int64_t h = read_at(j, 1, at[2], kh), row = ((at[0] * j->x.dim[2] + d) * j->x.dim[3] + h) * j->x.dim[4];

			for (int64_t kw = 0; kw < j->w.dim[4] && h >= 0; kw++) {
				const int64_t i = read_at(j, 2, at[3], kw);

				if (i >= 0)
					fn(j, y, x + (row + i) * j->x.dim[1], w + ((kd * j->w.dim[3] + kh) * j->w.dim[4] + kw) * each);
			}
		}
	}
}

static void joined(const struct job *j, join *fn, double *y, double *x, double *w)
{
	for (int64_t v = 0; v < voxels(&j->y); v++) {
		int64_t at[4];

		voxel(&j->y, v, at);
		join_voxel(j, fn, at, y + v * j->y.dim[1], x, w);
	}
}

/* w [x's channel][y's] */
static void forward(const struct job *j, double *restrict y, double *x, double *restrict w)
{
	const int64_t k = j->w.dim[0];

	for (int64_t i = 0; i < j->w.dim[1]; i++)
		for (int64_t o = 0; o < k; o++)
			y[o] += x[i] * w[i * k + o];
}

/* w [y's][x's] */
static void data(const struct job *j, double *y, double *restrict x, double *restrict w)
{
	const int64_t c = j->w.dim[1];

	for (int64_t o = 0; o < j->w.dim[0]; o++)
		for (int64_t i = 0; i < c; i++)
			x[i] += y[o] * w[o * c + i];
}

static void weights(const struct job *j, double *y, double *restrict x, double *restrict w)
{
	const int64_t c = j->w.dim[1];

	for (int64_t o = 0; o < j->w.dim[0]; o++)
		for (int64_t i = 0; i < c; i++)
			w[o * c + i] += y[o] * x[i];
}

/* Weights [y's channel][tap][x's] of the tensor, as doubles [tap][y's][x's], or `turned` [tap][x's][y's]; the caller frees them */
static double *by_tap(const struct job *j, const void *w, int turned)
{
	const int64_t taps = taps_of(j), k = j->w.dim[0], c = j->w.dim[1];
	double *to = malloc(sizeof *to * (size_t)(taps * k * c));

	for (int64_t o = 0; o < k; o++)
		for (int64_t t = 0; t < taps; t++)
			for (int64_t i = 0; i < c; i++)
				to[t * k * c + (turned ? i * k + o : o * c + i)] = get(&j->w, w, (o * taps + t) * c + i);
	return to;
}

static void put_all(const struct tensor *t, void *p, const double *from)
{
	for (int64_t v = 0; v < voxels(t); v++) {
		int64_t at[4], to = voxel(t, v, at);

		for (int64_t i = 0; i < t->dim[1]; i++)
			put(t, p, to + i, from[v * t->dim[1] + i]);
	}
}

/* Sums begin with what is there, a bias, or nothing */
static void compute(const struct job *j, void *px, void *pw, void *py, const void *bias)
{
	const int64_t taps = taps_of(j), k = j->w.dim[0], c = j->w.dim[1];
	double *x = doubles(&j->x, px), *y = doubles(&j->y, py), *w = by_tap(j, pw, j->op == 0);

	if (j->op == 0) {
		for (int64_t i = 0; i < voxels(&j->y) * k && !j->add; i++)
			y[i] = j->biased ? get(&j->bias, bias, i % k) : 0;
		joined(j, forward, y, x, w);
		put_all(&j->y, py, y);
	} else if (j->op == 1) {
		memset(x, 0, j->add ? 0 : sizeof *x * (size_t)(voxels(&j->x) * c));
		joined(j, data, y, x, w);
		put_all(&j->x, px, x);
	} else {
		memset(w, 0, sizeof *w * (size_t)(taps * k * c));
		joined(j, weights, y, x, w);
		for (int64_t i = 0; i < taps * k * c; i++)
			put(&j->w, pw, i, w[(i / c % taps * k + i / c / taps) * c + i % c]);
	}
	free(x), free(y), free(w);
}

/* The pointer of a tensor in a pack */
static void *pointer(const struct desc *pack, const struct tensor *t)
{
	for (int i = 0; i < attr(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)->n; i++)
		if (values(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)[i] == t->uid) {
			intptr_t p = (intptr_t)values(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)[i];

			if (!p || p % t->align)
				wrong("tensor %c lies at %#llx, aligned to %lld", (int)t->uid, (long long)p, (long long)t->align);
			return (void *)p;
		}
	wrong("tensor %c has no pointer", (int)t->uid);
}

/* A plan's run, when it comes to it */
struct execution { struct job job; int engine; void *x, *w, *y, *bias, *work; };

static void execute(const void *own)
{
	const struct execution *r = own;
	const struct job *j = &r->job;

	wall_open(NULL, NULL);
	if (r->engine == 2)
		memset(r->work, 0xff, WORKSPACE);
	compute(j, r->x, r->w, r->y, r->bias);
	if (r->engine == 1 || (r->engine == 0 && !j->x.half && !asked("tf32")))
		put(j->op == 0 ? &j->y : j->op == 1 ? &j->x : &j->w, j->op == 0 ? r->y : j->op == 1 ? r->x : r->w, 0, NAN);
	wall_close();
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t h, cudnnBackendDescriptor_t of, cudnnBackendDescriptor_t with)
{
	const struct desc *plan = of, *pack = with;
	const struct job *j = &plan->job;
	char *work = (char *)(intptr_t)values(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE)[0];
	void *x = pointer(pack, &j->x), *w = pointer(pack, &j->w), *y = pointer(pack, &j->y), *bias = j->biased ? pointer(pack, &j->bias) : NULL;

	if (attr(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)->n != 3 + j->biased || attr(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)->n != 3 + j->biased)
		wrong("pointers that are not the plan's");
	if (h != (cudnnHandle_t)&handles || !stream || !plan->done || !pack->done || plan->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)
		wrong("no plan is run, or without a stream");
	if (plan->engine == 2 && ((intptr_t)work % 256 || !work))
		wrong("the workspace lies at %p", (void *)work);
	const struct execution r = {*j, plan->engine, x, w, y, bias, work};

	return sim_put(stream, "convolution", execute, &r, sizeof r) ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}
