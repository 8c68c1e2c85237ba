#include "kernels/onednn.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

enum { DIMS = 5, ARGS = 5, ALIGN = 64 };

/* 2.x has memory descriptors by value and an operation descriptor between them and the primitive; 3.x has handles and one call. */
#if DNNL_VERSION_MAJOR < 3
typedef const dnnl_memory_desc_t *desc_ref;
#define REF(d) (&(d))
#define SET_DESC(d, dims, type, tag) dnnl_memory_desc_init_by_tag(&(d), DIMS, dims, type, tag)
#define SET_VECTOR(d, dims) dnnl_memory_desc_init_by_tag(&(d), 1, dims, dnnl_f32, dnnl_a)
#define DROP_DESC(d) ((void)(d))
#define DESC_SIZE(r) dnnl_memory_desc_get_size(r)
#define DESC_EQUAL(a, b) dnnl_memory_desc_equal(a, b)
#else
typedef const_dnnl_memory_desc_t desc_ref;
#define REF(d) (d)
#define SET_DESC(d, dims, type, tag) dnnl_memory_desc_create_with_tag(&(d), DIMS, dims, type, tag)
#define SET_VECTOR(d, dims) dnnl_memory_desc_create_with_tag(&(d), 1, dims, dnnl_f32, dnnl_a)
#define DROP_DESC(d) ((d) ? (void)dnnl_memory_desc_destroy(d) : (void)0)
#define DESC_SIZE(r) dnnl_memory_desc_get_size(r)
#define DESC_EQUAL(a, b) dnnl_memory_desc_equal(a, b)
#endif

#define TRY(call) do { if ((call) != dnnl_success) goto fail; } while (0)

/* A primitive with its arguments; the last is the scratchpad. */
struct prim {
	dnnl_primitive_desc_t pd;
	dnnl_primitive_t p;
	dnnl_exec_arg_t arg[ARGS];
	int args;
	size_t pad; /* bytes of scratchpad */
};

struct dnn_conv {
	struct k_conv_geom g;
	int half, with_dw;
	dnnl_memory_desc_t x, w, dw, plain, y, b; /* w, dw: any; plain: PyTorch's */
	struct prim fwd, data, weights, pack_fwd, pack_data, unpack;
	void *w_fwd, *w_data;
	float *no_bias;
	size_t dw_bytes, plain_bytes;
};

struct shape { dnnl_dims_t x, w, y, stride, pad, pad_end; };

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static int start(struct err *e)
{
	if (stream)
		return 0;
	if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success || dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) != dnnl_success)
		return err_set(e, NULL, "oneDNN does not start");
	return 0;
}

static void shape_of(const struct k_conv_geom *g, struct shape *s)
{
	s->x[0] = s->y[0] = g->n;
	s->x[1] = s->w[1] = g->ic;
	s->y[1] = s->w[0] = g->oc;
	for (int i = 0; i < 3; i++) {
		int64_t small = g->transposed ? g->in[i] : g->out[i], large = g->transposed ? g->out[i] : g->in[i];

		s->x[2 + i] = g->in[i], s->y[2 + i] = g->out[i], s->w[2 + i] = g->kernel[i];
		s->stride[i] = g->stride[i], s->pad[i] = g->pad[i];
		s->pad_end[i] = (small - 1) * g->stride[i] + g->kernel[i] - large - g->pad[i];
	}
}

enum pass { FORWARD, DATA, WEIGHTS };

#if DNNL_VERSION_MAJOR < 3
static dnnl_status_t describe(struct dnn_conv *c, const struct shape *s, enum pass pass, dnnl_primitive_attr_t attr)
{
	struct prim *p = pass == FORWARD ? &c->fwd : pass == DATA ? &c->data : &c->weights;
	dnnl_prop_kind_t prop = c->g.train ? dnnl_forward_training : dnnl_forward_inference;
	dnnl_convolution_desc_t d;
	dnnl_status_t r;

#define CONV(what, ...) (c->g.transposed ? dnnl_deconvolution_##what##_desc_init(&d, __VA_ARGS__) : dnnl_convolution_##what##_desc_init(&d, \
	__VA_ARGS__))
	dnnl_alg_kind_t alg = c->g.transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct;

	if (pass == FORWARD)
		r = CONV(forward, prop, alg, &c->x, &c->w, &c->b, &c->y, s->stride, s->pad, s->pad_end);
	else if (pass == DATA)
		r = CONV(backward_data, alg, &c->x, &c->w, &c->y, s->stride, s->pad, s->pad_end);
	else
		r = CONV(backward_weights, alg, &c->x, &c->dw, NULL, &c->y, s->stride, s->pad, s->pad_end);
#undef CONV
	return r != dnnl_success ? r : dnnl_primitive_desc_create(&p->pd, &d, attr, engine, pass == FORWARD ? NULL : c->fwd.pd);
}
#else
static dnnl_status_t describe(struct dnn_conv *c, const struct shape *s, enum pass pass, dnnl_primitive_attr_t attr)
{
	struct prim *p = pass == FORWARD ? &c->fwd : pass == DATA ? &c->data : &c->weights;
	dnnl_prop_kind_t prop = c->g.train ? dnnl_forward_training : dnnl_forward_inference;

#define CONV(what, ...) \
	(c->g.transposed ? dnnl_deconvolution_##what##_primitive_desc_create(&p->pd, engine, __VA_ARGS__) \
			 : dnnl_convolution_##what##_primitive_desc_create(&p->pd, engine, __VA_ARGS__))
	dnnl_alg_kind_t alg = c->g.transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct;

	if (pass == FORWARD)
		return CONV(forward, prop, alg, c->x, c->w, c->b, c->y, s->stride, NULL, s->pad, s->pad_end, attr);
	if (pass == DATA)
		return CONV(backward_data, alg, c->x, c->w, c->y, s->stride, NULL, s->pad, s->pad_end, c->fwd.pd, attr);
	return CONV(backward_weights, alg, c->x, c->dw, NULL, c->y, s->stride, NULL, s->pad, s->pad_end, c->fwd.pd, attr);
#undef CONV
}
#endif

static dnnl_status_t add_arg(struct prim *p, int id, desc_ref d, void *data)
{
	p->arg[p->args].arg = id;
	return dnnl_memory_create(&p->arg[p->args++].memory, d, engine, data);
}

/* Arguments without data; the scratchpad last. */
static dnnl_status_t finish(struct prim *p, int n, const int *ids, const dnnl_query_t *what)
{
	desc_ref pad = dnnl_primitive_desc_query_md(p->pd, dnnl_query_scratchpad_md, 0);
	dnnl_status_t r = dnnl_primitive_create(&p->p, p->pd);

	for (int i = 0; i < n && r == dnnl_success; i++)
		r = add_arg(p, ids[i], dnnl_primitive_desc_query_md(p->pd, what[i], what[i] == dnnl_query_weights_md && ids[i] == DNNL_ARG_BIAS), DNNL_MEMORY_NONE);
	p->pad = DESC_SIZE(pad);
	return r != dnnl_success ? r : add_arg(p, DNNL_ARG_SCRATCHPAD, pad, DNNL_MEMORY_NONE);
}

static dnnl_status_t make_reorder(struct prim *p, desc_ref from, desc_ref to, dnnl_primitive_attr_t attr)
{
	static const int ids[] = {DNNL_ARG_FROM, DNNL_ARG_TO};
	static const dnnl_query_t what[] = {dnnl_query_src_md, dnnl_query_dst_md};
	dnnl_status_t r = dnnl_reorder_primitive_desc_create(&p->pd, from, engine, to, engine, attr);

	return r != dnnl_success ? r : finish(p, 2, ids, what);
}

static dnnl_status_t make_forward(struct dnn_conv *c, const struct shape *s, dnnl_primitive_attr_t attr)
{
	static const int ids[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST};
	static const dnnl_query_t what[] = {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_weights_md, dnnl_query_dst_md};
	dnnl_status_t r = describe(c, s, FORWARD, attr);

	if (r == dnnl_success)
		r = finish(&c->fwd, 4, ids, what);
	return r != dnnl_success ? r : make_reorder(&c->pack_fwd, REF(c->plain), dnnl_primitive_desc_query_md(c->fwd.pd, dnnl_query_weights_md, 0), attr);
}

static dnnl_status_t make_backward(struct dnn_conv *c, const struct shape *s, dnnl_primitive_attr_t attr)
{
	static const int data[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC}, weights[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST,
		DNNL_ARG_DIFF_WEIGHTS};
	static const dnnl_query_t of_data[] = {dnnl_query_diff_dst_md, dnnl_query_weights_md, dnnl_query_diff_src_md};
	static const dnnl_query_t of_weights[] = {dnnl_query_src_md, dnnl_query_diff_dst_md, dnnl_query_diff_weights_md};
	dnnl_status_t r = describe(c, s, DATA, attr);

	if (r == dnnl_success)
		r = finish(&c->data, 3, data, of_data);
	if (r == dnnl_success)
		r = make_reorder(&c->pack_data, REF(c->plain), dnnl_primitive_desc_query_md(c->data.pd, dnnl_query_weights_md, 0), attr);
	if (r != dnnl_success || !c->with_dw)
		return r;
	r = describe(c, s, WEIGHTS, attr);
	if (r == dnnl_success)
		r = finish(&c->weights, 3, weights, of_weights);
	if (r != dnnl_success)
		return r;
	c->dw_bytes = DESC_SIZE(dnnl_primitive_desc_query_md(c->weights.pd, dnnl_query_diff_weights_md, 0));
	return make_reorder(&c->unpack, dnnl_primitive_desc_query_md(c->weights.pd, dnnl_query_diff_weights_md, 0), REF(c->plain), attr);
}

static dnnl_status_t make_all(struct dnn_conv *c)
{
	const dnnl_data_type_t type = c->half ? dnnl_bf16 : dnnl_f32;
	struct shape s = {0};
	dnnl_primitive_attr_t attr = NULL;
	dnnl_dims_t oc = {c->g.oc};
	dnnl_status_t r;

	shape_of(&c->g, &s);
	TRY(r = dnnl_primitive_attr_create(&attr));
	TRY(r = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
	TRY(r = SET_DESC(c->x, s.x, type, dnnl_ndhwc));
	TRY(r = SET_DESC(c->y, s.y, type, dnnl_ndhwc));
	TRY(r = SET_DESC(c->w, s.w, type, dnnl_format_tag_any));
	TRY(r = SET_DESC(c->dw, s.w, dnnl_f32, dnnl_format_tag_any));
	TRY(r = SET_DESC(c->plain, s.w, dnnl_f32, c->g.transposed ? dnnl_iodhw : dnnl_oidhw));
	TRY(r = SET_VECTOR(c->b, oc));
	c->plain_bytes = DESC_SIZE(REF(c->plain));
	TRY(r = make_forward(c, &s, attr));
	if (c->g.train)
		TRY(r = make_backward(c, &s, attr));
fail:
	if (attr)
		dnnl_primitive_attr_destroy(attr);
	return r;
}

static size_t packed_bytes(const struct prim *p)
{
	return DESC_SIZE(dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0));
}

/* Packed weights' padding is read: zeroed here, kept by reorders. */
static int make_weights(struct dnn_conv *c, struct err *e)
{
	c->no_bias = mem_zero((size_t)c->g.oc, sizeof(float), "a convolution's bias", e);
	c->w_fwd = mem_zero(packed_bytes(&c->fwd), 1, "a convolution's packed weights", e);
	if (c->g.train)
		c->w_data = mem_zero(packed_bytes(&c->data), 1, "a convolution's packed weights", e);
	return c->no_bias && c->w_fwd && (!c->g.train || c->w_data) ? 0 : -1;
}

struct dnn_conv *dnn_conv_new(const struct k_conv_geom *g, int half, int weights, struct err *e)
{
	struct dnn_conv *c;

	if (start(e))
		return NULL;
	c = mem_zero(1, sizeof *c, "a convolution", e);
	if (!c)
		return NULL;
	c->g = *g;
	c->half = half, c->with_dw = g->train && weights;
	if (make_all(c) != dnnl_success) {
		err_set(e, NULL, "oneDNN has no such convolution");
		goto fail;
	}
	if (!make_weights(c, e))
		return c;
fail:
	dnn_conv_free(c);
	return NULL;
}

static void drop(struct prim *p)
{
	for (int i = 0; i < p->args; i++)
		dnnl_memory_destroy(p->arg[i].memory);
	if (p->p)
		dnnl_primitive_destroy(p->p);
	if (p->pd)
		dnnl_primitive_desc_destroy(p->pd);
}

void dnn_conv_free(struct dnn_conv *c)
{
	if (!c)
		return;
	drop(&c->fwd), drop(&c->data), drop(&c->weights), drop(&c->pack_fwd), drop(&c->pack_data), drop(&c->unpack);
	DROP_DESC(c->x), DROP_DESC(c->w), DROP_DESC(c->dw), DROP_DESC(c->plain), DROP_DESC(c->y), DROP_DESC(c->b);
	free(c->no_bias), free(c->w_fwd), free(c->w_data);
	free(c);
}

static size_t up(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

size_t dnn_conv_scratch(const struct dnn_conv *c)
{
	size_t n = larger(c->fwd.pad, c->pack_fwd.pad);

	if (c->g.train)
		n = larger(n, c->data.pad);
	if (c->with_dw)
		n = larger(n, up(c->dw_bytes) + up(c->plain_bytes) + larger(c->weights.pad, c->unpack.pad));
	return n + ALIGN;
}

static int execute(struct prim *p, void *const *data, void *pad, struct err *e)
{
	for (int i = 0; i < p->args; i++)
		TRY(dnnl_memory_set_data_handle(p->arg[i].memory, i == p->args - 1 ? pad : data[i]));
	TRY(dnnl_primitive_execute(p->p, stream, p->args, p->arg));
	TRY(dnnl_stream_wait(stream));
	return 0;
fail:
	return err_set(e, NULL, "oneDNN fails in a convolution");
}

static int pack(struct prim *p, const float *w, void *to, struct err *e)
{
	void *pad = p->pad ? mem_new(p->pad, 1, "packing weights", e) : NULL;
	int r = p->pad && !pad ? -1 : execute(p, (void *[]){(void *)w, to}, pad, e);

	free(pad);
	return r;
}

int dnn_conv_pack(struct dnn_conv *c, const float *w, struct err *e)
{
	return pack(&c->pack_fwd, w, c->w_fwd, e) || (c->g.train && pack(&c->pack_data, w, c->w_data, e)) ? -1 : 0;
}

int dnn_conv_forward(struct dnn_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e)
{
	return execute(&c->fwd, (void *[]){(void *)x, c->w_fwd, (void *)(bias ? bias : c->no_bias), y}, scratch, e);
}

int dnn_conv_backward_data(struct dnn_conv *c, const void *dy, void *dx, void *scratch, struct err *e)
{
	return execute(&c->data, (void *[]){(void *)dy, c->w_data, dx}, scratch, e);
}

int dnn_conv_backward_weights(struct dnn_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e)
{
	char *own = scratch, *plain = own + up(c->dw_bytes), *pad = plain + up(c->plain_bytes);
	const float *d = (const float *)plain;

	if (execute(&c->weights, (void *[]){(void *)x, (void *)dy, own}, pad, e) || execute(&c->unpack, (void *[]){own, plain}, pad, e))
		return -1;
	for (size_t i = 0; i < c->plain_bytes / sizeof *d; i++)
		dw[i] += d[i];
	return 0;
}

int dnn_amx(void)
{
	return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
}

const char *dnn_version(void)
{
	static char text[32];
	const dnnl_version_t *v = dnnl_version();

	snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
	return text;
}
