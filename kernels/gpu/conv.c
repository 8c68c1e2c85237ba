/* Convolutions through cuDNN (cudnn.h), those of 1x1x1 as matrix products through cuBLASLt (product.h), those of few channels by our own kernels
   (conv_narrow.c, conv_few.c), and what no library has, too (direct.c). A transposed convolution's forward is a convolution's data gradient and the
   other way round: `x` and `y` of cuDNN's shape are then our y and x. cuDNN has few engines for values in slices of wider ones: where it has none,
   dense copies are tried. Gradients of bf16 weights are bf16, as torch's autocast has them, and then fp32: those that write them in fp32 are slow
   (an H200: 61 ms of the 71 of a DynUNet's step). A bias is added by the plan of a convolution (not of a transposed one: of a data gradient cuDNN 9
   has none), a gradient by its own plan to what is there; where there is no such plan, by another kernel, the gradient from scratch. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/gpu/conv.h"
#include "kernels/gpu/product.h"
#include "kernels/gpu/runtime.h"
#include "kernels/gpu/tune.h"
#include "lib/base/mem.h"

enum { LINE = 256 };

/* -- cuDNN --------------------------------------------------------------------- */
static struct cudnn_shape shape_of(const struct k_conv *c, const struct pass *p)
{
	const struct k_conv_geom *g = &c->g;
	struct cudnn_shape s = {.n = g->n, .c = c->d.b, .k = c->d.a, .bf16 = c->bf16, .half_dw = p->half_dw, .tf32 = gpu_tf32};

	s.xpitch = p->dense ? s.c : g->transposed ? c->d.yp : c->d.xp, s.ypitch = p->dense ? s.k : g->transposed ? c->d.xp : c->d.yp;
	for (int i = 0; i < 3; i++) {
		s.x[i] = g->transposed ? g->out[i] : g->in[i], s.y[i] = g->transposed ? g->in[i] : g->out[i];
		s.kernel[i] = g->kernel[i], s.stride[i] = g->stride[i], s.pad[i] = g->pad[i];
	}
	return s;
}

static enum cudnn_pass pass_of(const struct k_conv *c, int which)
{
	return which == WEIGHTS ? CUDNN_PASS_WEIGHTS : (which == DATA) != c->g.transposed ? CUDNN_PASS_DATA : CUDNN_PASS_FORWARD;
}

/* The first one's with a bias, or adding to a value that is no copy; NULL: there is none */
static struct cudnn_conv *second_plan(const struct k_conv *c, int which)
{
	const struct pass *p = &c->pass[which];
	struct cudnn_shape s = shape_of(c, p);
	struct err why;
	int broken;

	s.bias = which == FORWARD, s.add = which == DATA;
	return (which == FORWARD ? c->g.transposed : p->dense) ? NULL : tune_conv(&s, pass_of(c, which), &broken, &why);
}

/* A plan, or none; -1 and an error: cuDNN does not start */
static int make_plan(struct k_conv *c, int which, struct err *e)
{
	int wide = c->d.xp != c->g.ic || c->d.yp != c->g.oc, broken = 0;
	struct pass *p = &c->pass[which];
	struct err why;

	for (int half = c->bf16 && which == WEIGHTS; half >= 0 && !p->plan[0]; half--)
		for (int dense = 0; dense <= wide && !p->plan[0]; dense++) {
			struct cudnn_shape s;

			p->dense = dense, p->half_dw = half;
			s = shape_of(c, p);
			p->plan[0] = tune_conv(&s, pass_of(c, which), &broken, &why);
			if (broken)
				return err_set(e, NULL, "%s", why.text);
		}
	if (!p->plan[0])
		p->dense = p->half_dw = 0;
	else if (which != WEIGHTS)
		p->plan[1] = second_plan(c, which);
	return 0;
}

/* -- matrix products -------------------------------------------------------------- */
static int is_product(const struct k_conv *c)
{
	return is_cube(&c->g, 1) && !gpu_asked("plain");
}

/* Bytes, at most 16, that a slice of c channels of a value as wide as `pitch` begins at a multiple of */
static int alignment(const struct k_conv *c, int64_t channels, int64_t pitch)
{
	int64_t bytes = 16, size = (int64_t)size_of(c);

	while (channels != pitch && (channels * size % bytes || pitch * size % bytes))
		bytes /= 2;
	return (int)bytes;
}

/* Of rows of channels: y' = w x', dx' = w' dy', dw' = x' dy, each matrix's columns being our rows; w is [oc][ic], of a transposed one [ic][oc]. */
static struct product *make_product(const struct k_conv *c, int which, int second, struct err *e)
{
	const struct k_conv_geom *g = &c->g;
	const int x = alignment(c, g->ic, c->d.xp), y = alignment(c, g->oc, c->d.yp);
	struct product_shape s = {.half = c->bf16, .half_d = c->bf16, .tf32 = gpu_tf32};

	if (which == WEIGHTS) {
		s.m = c->d.b, s.n = c->d.a, s.k = c->d.xvox, s.lda = g->transposed ? c->d.yp : c->d.xp, s.ldb = g->transposed ? c->d.xp : c->d.yp, s.ldd = c->d.b;
		s.turned_b = 1, s.half_d = 0, s.add = 1;
		s.align[0] = g->transposed ? y : x, s.align[1] = g->transposed ? x : y, s.align[2] = 4;
		return product_new(&s, e);
	}
	s.bias = second && which == FORWARD, s.add = second && which == DATA;
	s.n = c->d.xvox, s.lda = c->d.b, s.align[0] = 16;
	s.turned_a = (which == FORWARD) != g->transposed;
	s.m = which == FORWARD ? g->oc : g->ic, s.k = which == FORWARD ? g->ic : g->oc;
	s.ldb = which == FORWARD ? c->d.xp : c->d.yp, s.ldd = which == FORWARD ? c->d.yp : c->d.xp;
	s.align[1] = which == FORWARD ? x : y, s.align[2] = which == FORWARD ? y : x;
	return product_new(&s, e);
}

/* A product for a pass, if cuBLASLt has it */
static int take_product(struct k_conv *c, int which)
{
	struct pass *p = &c->pass[which];
	struct err why;

	for (int i = 0; i < (which == WEIGHTS ? 1 : 2); i++)
		if (!(p->product[i] = make_product(c, which, i, &why))) {
			product_free(p->product[0]);
			p->product[0] = NULL;
			return 0;
		}
	return 1;
}

/* -- made ready ------------------------------------------------------------------- */
static void report(const struct k_conv *c, int which)
{
	static const char *const names[PASSES] = {"forward", "data", "weights"};
	const struct pass *p = &c->pass[which];
	const struct k_conv_geom *g = &c->g;

	if (gpu_asked("report"))
		fprintf(stderr, "%s %lld -> %lld of %dx%dx%d step %d to %lldx%lldx%lld%s: %s%s%s\n", names[which], (long long)g->ic, (long long)g->oc, g->kernel[0],
			g->kernel[1], g->kernel[2], g->stride[0], (long long)g->out[0], (long long)g->out[1], (long long)g->out[2], g->transposed ? ", transposed" : "",
			p->product[0] ? "cuBLASLt" : p->narrow ? "own, by tensor cores" : p->few ? "own, of few channels" : p->plan[0] ? "cuDNN" : "own",
			p->dense ? ", dense copies" : "", p->half_dw ? ", bf16 gradient" : !p->plan[1] ? "" : which == FORWARD ? ", or with the bias" : ", or adding");
}

static int make_passes(struct k_conv *c, struct err *e)
{
	for (int i = 0; i < (c->g.train ? PASSES : 1); i++) {
		if (gpu_narrow_take(c, i, e))
			return -1;
		if (!c->pass[i].narrow && !gpu_few_take(c, i) && !gpu_asked("direct") && !(is_product(c) && take_product(c, i)) && make_plan(c, i, e))
			return -1;
		report(c, i);
	}
	return 0;
}

struct k_conv *gpu_conv_new(const struct k_conv_geom *g, int bf16, struct err *e)
{
	struct k_conv *c = k_conv_check(g, e) ? NULL : mem_zero(1, sizeof *c, "a convolution", e);

	if (!c)
		return NULL;
	c->g = *g, c->bf16 = bf16, c->d = k_conv_dims(g);
	if (!make_passes(c, e) && (c->w = gpu_alloc((size_t)weights(c) * size_of(c), e)) && (c->bias = gpu_alloc((size_t)g->oc * size_of(c), e)))
		return c;
	gpu_conv_free(c);
	return NULL;
}

void gpu_conv_free(struct k_conv *c)
{
	if (!c)
		return;
	for (int i = 0; i < PASSES; i++)
		gpu_release(c->pass[i].packed);
	for (int i = 0; i < PASSES; i++)
		for (int j = 0; j < 2; j++)
			cudnn_conv_free(c->pass[i].plan[j]), product_free(c->pass[i].product[j]);
	gpu_release(c->w), gpu_release(c->bias);
	free(c);
}

/* -- scratch: workspace, copies of x and y or their gradients, the weights' in fp32 and in bf16, column sums -- */
struct room { char *work, *x, *y, *dw, *half, *sums, *end; };

static size_t up(size_t n)
{
	return (n + LINE - 1) / LINE * LINE;
}

static size_t workspace(const struct k_conv *c)
{
	size_t most = 0;

	for (int i = 0; i < PASSES; i++)
		for (int j = 0; j < 2; j++) {
			const struct pass *p = &c->pass[i];
			size_t n = p->product[j] ? product_workspace(p->product[j]) : p->plan[j] ? cudnn_conv_workspace(p->plan[j]) : 0;

			most = n > most ? n : most;
		}
	return up(most);
}

static struct room room_of(const struct k_conv *c, void *scratch)
{
	const struct pass *p = c->pass;
	int dense = p[FORWARD].dense || p[DATA].dense || p[WEIGHTS].dense, train = c->g.train;
	struct room r;

	r.work = (char *)up((size_t)scratch);
	r.x = r.work + workspace(c);
	r.y = r.x + (p[DATA].plan[0] && !p[DATA].plan[1] ? up((size_t)(c->d.xvox * c->d.xp) * size_of(c)) : dense ?
		up((size_t)(c->d.xvox * c->g.ic) * size_of(c)) : 0);
	r.dw = r.y + (dense ? up((size_t)(c->d.yvox * c->g.oc) * size_of(c)) : 0);
	r.half = r.dw + (train && !p[WEIGHTS].product[0] ? up((size_t)weights(c) * 4) : 0) +
		up(gpu_narrow_scratch(c)) + up(gpu_few_scratch(c));
	r.sums = r.half + (p[WEIGHTS].half_dw ? up((size_t)weights(c) * 2) : 0);
	r.end = r.sums + (train ? own(c)->column_bytes(c->d.yvox, c->g.oc) : 0);
	return r;
}

size_t gpu_conv_scratch(const struct k_conv *c)
{
	return (size_t)(room_of(c, NULL).end - (char *)NULL) + LINE;
}

int gpu_conv_pack(struct k_conv *c, const float *w, struct err *e)
{
	if (gpu_narrow_pack(c, w, e))
		return -1;
	return gpu_check(own(c)->pack(w, c->w, c->d.a, c->d.b, c->d.taps), "pack", e);
}

/* -- passes ------------------------------------------------------------------------- */
struct gpu_direct gpu_conv_direct(const struct k_conv *c)
{
	const struct k_conv_geom *g = &c->g;
	struct gpu_direct d = {.a = c->d.a, .b = c->d.b, .taps = c->d.taps};

	d.svox = g->transposed ? c->d.xvox : c->d.yvox, d.lvox = g->transposed ? c->d.yvox : c->d.xvox;
	d.sp = g->transposed ? c->d.xp : c->d.yp, d.lp = g->transposed ? c->d.yp : c->d.xp;
	for (int i = 0; i < 3; i++) {
		d.small[i] = g->transposed ? g->in[i] : g->out[i], d.large[i] = g->transposed ? g->out[i] : g->in[i];
		d.kernel[i] = g->kernel[i], d.stride[i] = g->stride[i], d.pad[i] = g->pad[i];
	}
	return d;
}

/* The own kernel of a pass; w: read, or of WEIGHTS written in fp32. What x and y are depends on the pass, too. add: to what is there */
static int run_own(const struct k_conv *c, int which, const void *x, const void *w, const void *y, int add, struct err *e)
{
	const struct gpu_direct d = gpu_conv_direct(c);
	const void *small = c->g.transposed ? x : y, *large = c->g.transposed ? y : x;

	if (which == WEIGHTS)
		return gpu_check(own(c)->direct_weights(d, large, small, (float *)(uintptr_t)w), "convolution's weights", e);
	if ((which == FORWARD) != c->g.transposed)
		return gpu_check(own(c)->direct_shrink(d, large, w, (void *)(uintptr_t)small, add), "convolution", e);
	return gpu_check(own(c)->direct_grow(d, small, w, (void *)(uintptr_t)large, add), "convolution", e);
}

static int copy_rows(const struct k_conv *c, void *y, int64_t yp, const void *x, int64_t xp, int64_t vox, int64_t channels, int add, struct err *e)
{
	return gpu_check(own(c)->slice(y, yp, x, xp, vox, channels, add), "slice", e);
}

/* cuDNN's x, w, y of a plan, from ours */
static int run_plan(const struct k_conv *c, struct cudnn_conv *plan, const void *x, const void *w, const void *y, const void *bias,
	const struct room *r, struct err *e)
{
	return cudnn_conv_run(plan, c->g.transposed ? y : x, w, c->g.transposed ? x : y, bias, r->work, e) ? -1 : gpu_check(0, "convolution", e);
}

/* Is there a plan, and can it be run on these? */
static int fits(const struct k_conv *c, const struct cudnn_conv *plan, const void *x, const void *w, const void *y)
{
	return plan && cudnn_conv_fits(plan, c->g.transposed ? y : x, w, c->g.transposed ? x : y);
}

/* The bias in the type of y, at a multiple of 16 bytes: of matrices cuBLASLt asks how they are aligned, of a bias it takes that for granted. */
static const void *bias_of(struct k_conv *c, const float *bias, struct err *e)
{
	int bad = 0;

	if (c->bf16)
		bad = gpu_check(own(c)->from_floats(c->bias, c->g.oc, bias, 1, c->g.oc, 0), "bias", e);
	else if ((uintptr_t)bias % 16)
		bad = gpu_copy(c->bias, bias, (size_t)c->g.oc * sizeof *bias, K_ON_DEVICE, e);
	else
		return bias;
	return bad ? NULL : c->bias;
}

/* To 16 bytes, as kernels for few channels want it */
static int aligned(const void *p)
{
	return (uintptr_t)p % 16 == 0;
}

/* Those of 1x1x1 want it of x, or its gradient. */
static int few_fits(const struct k_conv *c, const struct pass *p, const void *x)
{
	return p->few && (c->d.taps > 1 || aligned(x));
}

int gpu_conv_forward(struct k_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e)
{
	const struct pass *p = &c->pass[FORWARD];
	const struct room r = room_of(c, scratch);
	const void *from = p->dense ? r.x : x, *b = NULL;
	void *to = p->dense ? r.y : y;
	struct cudnn_conv *plan = p->plan[bias && p->plan[1]];

	if (p->narrow && aligned(x) && aligned(y))
		return gpu_narrow_run(c, FORWARD, x, bias, y, 0, e);
	if (few_fits(c, p, x))
		return gpu_few_forward(c, x, bias, y, e);
	if (bias && (p->product[0] || p->plan[1]) && !(b = bias_of(c, bias, e)))
		return -1;
	if (p->product[0])
		return product_run(p->product[bias ? 1 : 0], c->w, x, b, y, r.work, e) ? -1 : gpu_check(0, "product", e);
	if (!fits(c, plan, from, c->w, to)) {
		if (run_own(c, FORWARD, x, c->w, y, 0, e))
			return -1;
	} else if ((p->dense && copy_rows(c, r.x, c->g.ic, x, c->d.xp, c->d.xvox, c->g.ic, 0, e)) || run_plan(c, plan, from, c->w, to, b, &r, e) ||
		   (p->dense && copy_rows(c, y, c->d.yp, r.y, c->g.oc, c->d.yvox, c->g.oc, 0, e))) {
		return -1;
	} else if (plan == p->plan[1]) {
		return 0;
	}
	return bias ? gpu_check(own(c)->add_bias(y, c->d.yp, bias, c->d.yvox, c->g.oc), "bias", e) : 0;
}

int gpu_conv_backward_data(struct k_conv *c, const void *dy, void *dx, int dx_add, void *scratch, struct err *e)
{
	const struct pass *p = &c->pass[DATA];
	const struct room r = room_of(c, scratch);
	const void *from = p->dense ? r.y : dy;
	struct cudnn_conv *plan = p->plan[dx_add && p->plan[1]];
	void *to = p->dense || (dx_add && !p->plan[1]) ? r.x : dx;

	if (p->narrow && aligned(dy) && aligned(dx))
		return gpu_narrow_run(c, DATA, dy, NULL, dx, dx_add, e);
	if (few_fits(c, p, dx))
		return gpu_few_data(c, dy, dx, dx_add, e);
	if (p->product[0])
		return product_run(p->product[dx_add ? 1 : 0], c->w, dy, NULL, dx, r.work, e) ? -1 : gpu_check(0, "product", e);
	if (!fits(c, plan, to, c->w, from))
		return run_own(c, DATA, dx, c->w, dy, dx_add, e);
	if ((p->dense && copy_rows(c, r.y, c->g.oc, dy, c->d.yp, c->d.yvox, c->g.oc, 0, e)) || run_plan(c, plan, to, c->w, from, NULL, &r, e))
		return -1;
	return to == dx ? 0 : copy_rows(c, dx, c->d.xp, to, p->dense ? c->g.ic : c->d.xp, c->d.xvox, c->g.ic, dx_add, e);
}

/* dw in r->dw, fp32 [a][taps][b] */
static int plan_weights(struct k_conv *c, const void *x, const void *dy, const struct room *r, struct err *e)
{
	const struct pass *p = &c->pass[WEIGHTS];
	const void *from = p->dense ? r->x : x, *back = p->dense ? r->y : dy;
	char *to = p->half_dw ? r->half : r->dw;

	if (!fits(c, p->plan[0], from, to, back))
		return run_own(c, WEIGHTS, x, r->dw, dy, 0, e);
	if (p->dense && (copy_rows(c, r->x, c->g.ic, x, c->d.xp, c->d.xvox, c->g.ic, 0, e) || copy_rows(c, r->y, c->g.oc, dy, c->d.yp,
		c->d.yvox, c->g.oc, 0, e)))
		return -1;
	if (run_plan(c, p->plan[0], from, to, back, NULL, r, e))
		return -1;
	return p->half_dw ? gpu_check(own(c)->to_floats((float *)r->dw, to, weights(c), 1, weights(c)), "conversion", e) : 0;
}

int gpu_conv_backward_weights(struct k_conv *c, const void *x, const void *dy, float *dw, float *db, void *scratch, struct err *e)
{
	const struct pass *p = &c->pass[WEIGHTS];
	const struct room r = room_of(c, scratch);
	const void *large = c->g.transposed ? dy : x, *small = c->g.transposed ? x : dy;

	if (p->narrow && aligned(x) && aligned(dy)) {
		if (gpu_narrow_weights(c, x, dy, dw, r.dw, e))
			return -1;
	} else if (few_fits(c, p, x)) {
		if (gpu_few_weights(c, x, dy, dw, r.dw, e))
			return -1;
	} else if (p->product[0]) {
		if (product_run(p->product[0], large, small, NULL, dw, r.work, e) || gpu_check(0, "product", e))
			return -1;
	} else if (plan_weights(c, x, dy, &r, e) || gpu_check(own(c)->unpack((float *)r.dw, dw, c->d.a, c->d.b, c->d.taps), "unpack", e)) {
		return -1;
	}
	return db ? gpu_check(own(c)->column_sum(dy, c->d.yp, c->d.yvox, c->g.oc, db, r.sums), "bias", e) : 0;
}

const char *gpu_conv_version(void)
{
	return cudnn_version();
}
