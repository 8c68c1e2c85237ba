/* Convolutions through cuDNN (cudnn.h). A transposed convolution's forward is a convolution's data gradient and the other way round: `x` and `y` of
   cuDNN's shape are then our y and x. What cuDNN cannot add to goes through scratch. */
#include <stdlib.h>

#include "kernels/geom.h"
#include "kernels/gpu/cudnn.h"
#include "kernels/gpu/kernels.h"
#include "kernels/gpu/runtime.h"
#include "lib/base/mem.h"

struct k_conv {
	struct k_conv_geom g;
	int bf16;
	struct k_conv_dims d;
	struct cudnn_conv *fwd, *data, *weights;
	void *w;                        /* [a][taps][b] on the device */
};

static size_t size_of(const struct k_conv *c)
{
	return c->bf16 ? 2 : 4;
}

static struct cudnn_shape shape_of(const struct k_conv *c)
{
	const struct k_conv_geom *g = &c->g;
	struct cudnn_shape s = {.n = g->n, .c = c->d.b, .k = c->d.a, .bf16 = c->bf16};

	s.xpitch = g->transposed ? c->d.yp : c->d.xp, s.ypitch = g->transposed ? c->d.xp : c->d.yp;
	for (int i = 0; i < 3; i++) {
		s.x[i] = g->transposed ? g->out[i] : g->in[i], s.y[i] = g->transposed ? g->in[i] : g->out[i];
		s.kernel[i] = g->kernel[i], s.stride[i] = g->stride[i], s.pad[i] = g->pad[i];
		s.pad_end[i] = (s.y[i] - 1) * g->stride[i] + g->kernel[i] - s.x[i] - g->pad[i];
		if (s.pad_end[i] < 0)
			s.pad_end[i] = 0; /* voxels at the end that no window reaches */
	}
	return s;
}

static int make_plans(struct k_conv *c, struct err *e)
{
	struct cudnn_shape s = shape_of(c);
	int turned = c->g.transposed;

	c->fwd = cudnn_conv_new(&s, turned ? CUDNN_PASS_DATA : CUDNN_PASS_FORWARD, e);
	if (!c->fwd || !c->g.train)
		return c->fwd ? 0 : -1;
	c->data = cudnn_conv_new(&s, turned ? CUDNN_PASS_FORWARD : CUDNN_PASS_DATA, e);
	c->weights = c->data ? cudnn_conv_new(&s, CUDNN_PASS_WEIGHTS, e) : NULL;
	return c->weights ? 0 : -1;
}

struct k_conv *gpu_conv_new(const struct k_conv_geom *g, int bf16, struct err *e)
{
	struct k_conv *c = k_conv_check(g, e) ? NULL : mem_zero(1, sizeof *c, "a convolution", e);

	if (!c)
		return NULL;
	c->g = *g, c->bf16 = bf16, c->d = k_conv_dims(g);
	if (!make_plans(c, e))
		c->w = gpu_alloc((size_t)(c->d.a * c->d.b * c->d.taps) * size_of(c), e);
	if (c->w)
		return c;
	gpu_conv_free(c);
	return NULL;
}

void gpu_conv_free(struct k_conv *c)
{
	if (!c)
		return;
	cudnn_conv_free(c->fwd), cudnn_conv_free(c->data), cudnn_conv_free(c->weights);
	gpu_release(c->w);
	free(c);
}

static size_t up(size_t n)
{
	return (n + 255) / 256 * 256;
}

/* Scratch: workspace; behind it the gradient that is added, or the weights' in cuDNN's layout and the column sums. */
static size_t workspace(const struct k_conv *c)
{
	struct cudnn_conv *own[] = {c->fwd, c->data, c->weights};
	size_t most = 0;

	for (int i = 0; i < 3; i++)
		if (own[i] && cudnn_conv_workspace(own[i]) > most)
			most = cudnn_conv_workspace(own[i]);
	return up(most);
}

size_t gpu_conv_scratch(const struct k_conv *c)
{
	size_t dx = up((size_t)(c->d.xvox * c->d.xp) * size_of(c)), dw = up((size_t)(c->d.a * c->d.b * c->d.taps) * 4),
		db = gpu_kernels(c->bf16)->column_bytes(c->d.yvox, c->g.oc);

	return workspace(c) + (!c->g.train ? 0 : dx > dw + db ? dx : dw + db);
}

int gpu_conv_pack(struct k_conv *c, const float *w, struct err *e)
{
	return gpu_check(gpu_kernels(c->bf16)->pack(w, c->w, c->d.a, c->d.b, c->d.taps), "pack", e);
}

/* cuDNN's x, w, y of a plan, from ours */
static int run(const struct k_conv *c, struct cudnn_conv *plan, const void *x, const void *w, const void *y, void *scratch, struct err *e)
{
	return cudnn_conv_run(plan, c->g.transposed ? y : x, w, c->g.transposed ? x : y, scratch, e);
}

int gpu_conv_forward(struct k_conv *c, const void *x, const float *bias, void *y, void *scratch, struct err *e)
{
	if (run(c, c->fwd, x, c->w, y, scratch, e))
		return -1;
	return bias ? gpu_check(gpu_kernels(c->bf16)->add_bias(y, c->d.yp, bias, c->d.yvox, c->g.oc), "bias", e) : 0;
}

int gpu_conv_backward_data(struct k_conv *c, const void *dy, void *dx, int dx_add, void *scratch, struct err *e)
{
	void *to = dx_add ? (char *)scratch + workspace(c) : dx;

	if (run(c, c->data, to, c->w, dy, scratch, e))
		return -1;
	return dx_add ? gpu_check(gpu_kernels(c->bf16)->slice(dx, c->d.xp, to, c->d.xp, c->d.xvox, c->g.ic, 1), "slice", e) : 0;
}

int gpu_conv_backward_weights(struct k_conv *c, const void *x, const void *dy, float *dw, float *db, void *scratch, struct err *e)
{
	char *to = (char *)scratch + workspace(c), *sums = to + up((size_t)(c->d.a * c->d.b * c->d.taps) * 4);

	if (run(c, c->weights, x, to, dy, scratch, e) || gpu_check(gpu_kernels(c->bf16)->unpack((float *)to, dw, c->d.a, c->d.b, c->d.taps), "unpack", e))
		return -1;
	return db ? gpu_check(gpu_kernels(c->bf16)->column_sum(dy, c->d.yp, c->d.yvox, c->g.oc, db, sums), "bias", e) : 0;
}

const char *gpu_conv_version(void)
{
	return cudnn_version();
}
