/* The CUDA backend's table (kernels/backend.h) of one precision (K_HALF: bf16): what a device does, by its runtime (runtime.h) and its kernels
   (kernels.h). */
#include <stdlib.h>
#include <string.h>

#include "kernels/gpu/kernels.h"
#include "kernels/gpu/runtime.h"
#include "kernels/gpu/tune.h"
#include "kernels/loss.h"
#include "kernels/pool.h"
#include "lib/base/mem.h"

#ifdef K_HALF
#define TABLE gpu_table_bf16
enum { HALF = 1 };
#else
#define TABLE gpu_table_f32
enum { HALF = 0 };
#endif

static int64_t or_c(int64_t pitch, int64_t c)
{
	return pitch ? pitch : c;
}

static void *stream(void)
{
	return gpu_stream;
}

static struct k_conv *conv_new(const struct k_conv_geom *g, struct err *e)
{
	return gpu_conv_new(g, HALF, e);
}

static int conv_identity(float *w, int64_t oc, int64_t taps, struct err *e)
{
	return gpu_check(gpu_identity(w, oc, taps), "convolution", e);
}

static size_t norm_scratch(const struct k_norm *g)
{
	return gpu_kernels(HALF)->norm_bytes(g);
}

static int norm_forward(const struct k_norm *g, const struct k_norm_fwd *a, void *scratch, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->norm_fwd(g, a, scratch), "norm", e);
}

static int norm_backward(const struct k_norm *g, const struct k_norm_bwd *a, void *scratch, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->norm_bwd(g, a, scratch), "norm backward", e);
}

static int layer_forward(const struct k_layer *g, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd,
	struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->layer(*g, x, gamma, beta, y, mean, rstd), "layer norm", e);
}

static size_t layer_scratch(const struct k_layer *g)
{
	return gpu_kernels(HALF)->column_bytes(g->vox, g->c);
}

static int layer_backward(const struct k_layer *g, const void *dy, const void *x, const float *gamma, const float *mean, const float *rstd, void *dx,
	int dx_add, float *dgamma, float *dbeta, void *scratch, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->layer_bwd(g, dy, x, gamma, mean, rstd, dx, dx_add, dgamma, dbeta, scratch), "layer norm backward", e);
}

static int across_forward(const struct k_across *g, const void *x, void *y, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->across(*g, x, y), "softmax", e);
}

static int across_backward(const struct k_across *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->across_back(*g, dy, x, dx, dx_add), "softmax backward", e);
}

static int merge_forward(const struct k_merge *g, const void *x, void *y, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->merge(*g, x, y), "merge", e);
}

static int merge_backward(const struct k_merge *g, const void *dy, void *dx, int dx_add, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->merge_back(*g, dy, dx, dx_add), "merge backward", e);
}

static int pool_forward(const struct k_pool *g, const void *x, void *y, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->pool(*g, x, y), "max pooling", e);
}

static int pool_backward(const struct k_pool *g, const void *dy, const void *x, void *dx, int dx_add, struct err *e)
{
	if (!dx_add && pool_leaves(g) && gpu_zero(dx, (size_t)(pool_voxels(g) * g->c) * (HALF ? 2 : 4), e))
		return -1;
	return gpu_check(gpu_kernels(HALF)->pool_back(*g, dy, x, dx, dx_add), "max pooling backward", e);
}

static size_t attention_scratch(const struct k_attention *g, int back)
{
	return gpu_kernels(HALF)->attention_bytes(g, back);
}

/* kernels/gpu/attention.h */
static int check_heads(const struct k_attention *g, struct err *e)
{
	return g->c / g->heads <= 64 ? 0 : err_set(e, NULL, "heads of %lld channels: a GPU's have 64 at most", (long long)(g->c / g->heads));
}

static int attention_forward(const struct k_attention *g, const struct k_attention_args *x, void *y, void *scratch, struct err *e)
{
	return check_heads(g, e) ? -1 : gpu_check(gpu_kernels(HALF)->attention_fwd(g, x, y, scratch), "attention", e);
}

static int attention_backward(const struct k_attention *g, const struct k_attention_args *x, const struct k_attention_grads *d, void *scratch,
	struct err *e)
{
	return check_heads(g, e) ? -1 : gpu_check(gpu_kernels(HALF)->attention_bwd(g, x, d, scratch), "attention backward", e);
}

static int scale(const struct k_scale *g, int back, const void *x, void *y, int add, struct err *e)
{
	int from_small = (g->kind == K_SCALE_LINEAR) != back;
	int64_t n = g->n * g->c, xp = or_c(g->xpitch, g->c), yp = or_c(g->ypitch, g->c);

	for (int i = 0; i < 3; i++) {
		if (g->factor[i] < 1 || g->factor[i] > 16)
			return err_set(e, NULL, "a change of resolution by %d (1 to 16)", g->factor[i]);
		n *= g->small[i] * (from_small ? g->factor[i] : 1);
	}
	return gpu_check(gpu_kernels(HALF)->scale(*g, from_small, x, back ? yp : xp, y, back ? xp : yp, add, n), "scale", e);
}

static int drop(const struct k_drop *g, const void *x, int64_t xpitch, void *y, int64_t ypitch, int64_t vox, int64_t c, int add, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->drop(*g, x, or_c(xpitch, c), y, or_c(ypitch, c), vox, c, add), "dropout", e);
}

static int gate(const void *x, int64_t xpitch, const void *g, void *y, int64_t ypitch, int64_t vox, int64_t c, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->gate(x, or_c(xpitch, c), g, y, or_c(ypitch, c), vox, c), "gate", e);
}

static int gate_back(const void *dy, int64_t ypitch, const void *x, int64_t xpitch, const void *g, void *dx, void *dgate, int add, int gate_add,
	int64_t vox, int64_t c, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->gate_back(dy, or_c(ypitch, c), x, or_c(xpitch, c), g, dx, dgate, add, gate_add, vox, c), "gate backward", e);
}

static int slice_copy(void *y, int64_t ypitch, const void *x, int64_t xpitch, int64_t vox, int64_t c, int add, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->slice(y, or_c(ypitch, c), x, or_c(xpitch, c), vox, c, add), "slice", e);
}

static int to_floats(float *y, const void *x, int64_t xpitch, int64_t vox, int64_t c, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->to_floats(y, x, or_c(xpitch, c), vox, c), "conversion", e);
}

static int from_floats(void *y, int64_t ypitch, const float *x, int64_t vox, int64_t c, int add, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->from_floats(y, or_c(ypitch, c), x, vox, c, add), "conversion", e);
}

static size_t column_scratch(int64_t vox, int64_t c)
{
	return gpu_kernels(HALF)->column_bytes(vox, c);
}

static int column_sum(const void *x, int64_t xpitch, int64_t vox, int64_t c, float *out, void *scratch, struct err *e)
{
	return gpu_check(gpu_kernels(HALF)->column_sum(x, or_c(xpitch, c), vox, c, out, scratch), "sums", e);
}

static int label_down(uint8_t *to, const uint8_t *label, int64_t n, const int64_t small[3], const int factor[3], struct err *e)
{
	return gpu_check(gpu_label_down(to, label, n * small[0], small[1], small[2], factor[0], factor[1], factor[2]), "labels", e);
}

static size_t loss_scratch(const struct k_loss *g)
{
	return gpu_loss_bytes(g);
}

/* The first label that is no class, or in no region */
static int wrong_label(const struct k_loss *g, const uint8_t *label, struct err *e)
{
	int64_t n = g->n * g->vox, v = 0;
	int bad;
	uint8_t *own = mem_new((size_t)n, 1, "labels", e);

	bad = !own || gpu_copy(own, label, (size_t)n, K_TO_HOST, e);
	while (!bad && v < n && (!loss_wrong(g, own[v]) || loss_ignored(g, own[v])))
		v++;
	if (!bad)
		loss_refuse(g, v < n ? own[v] : 0, v, e);
	free(own);
	return -1;
}

/* The table of regions as what gpu_put_few takes, bit for bit */
static struct gpu_few bits_of(const uint32_t *regions)
{
	struct gpu_few few;

	memcpy(few.v, regions, sizeof few.v);
	return few;
}

static int loss_later(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double *out, void *scratch, struct err *e)
{
	struct gpu_few weights;

	if (g->weight && g->k > (int64_t)(sizeof weights.v / sizeof *weights.v))
		return err_set(e, NULL, "weights of %lld classes", (long long)g->k);
	for (int64_t c = 0; g->weight && c < g->k; c++)
		weights.v[c] = g->weight[c];
	if (g->weight && gpu_check(gpu_put_few(weights, gpu_loss_weights(g, scratch), g->k), "loss", e))
		return -1;
	if (g->regions && gpu_check(gpu_put_few(bits_of(g->regions), gpu_loss_regions(g, scratch), 256), "loss", e))
		return -1;
	return gpu_check(gpu_loss_run(g, logits, label, dlogits, out, scratch), "loss", e);
}

static int loss(const struct k_loss *g, const float *logits, const uint8_t *label, float *dlogits, double out[3], void *scratch, struct err *e)
{
	double r[K_LOSS_RESULTS];

	if (loss_later(g, logits, label, dlogits, NULL, scratch, e) || gpu_copy(r, scratch, sizeof r, K_TO_HOST, e))
		return -1;
	if (r[K_LOSS_WRONG] > 0)
		return wrong_label(g, label, e);
	out[0] = r[K_LOSS_TOTAL], out[1] = r[K_LOSS_OVERLAP], out[2] = r[K_LOSS_ENTROPY];
	return 0;
}

static int optimize(const struct k_optim *a, float *w, const float *g, float *m, float *v, int64_t n, struct err *e)
{
	return gpu_check(gpu_optimize(a, w, g, m, v, n), "optimizer", e);
}

static int lerp(float *y, const float *x, double t, int64_t n, struct err *e)
{
	return gpu_check(gpu_lerp(y, x, (float)t, n), "average", e);
}

static int number(uint64_t *to, uint64_t first, uint64_t step, int64_t n, struct err *e)
{
	return gpu_check(gpu_number(to, first, step, n), "numbers of dropout", e);
}

/* Room for n partial sums, the same one each time: giving it back would wait for all that is under way. */
static double *parts(int64_t n, struct err *e)
{
	static double *room;
	static int64_t most;

	if (n <= most)
		return room;
	gpu_release(room);
	most = 0;
	room = gpu_alloc((size_t)n * sizeof *room, e);
	most = room ? n : 0;
	return room;
}

/* n partial sums each of many values, added up in their order */
static int add_up(const double *part, int64_t n, int64_t many, double *out, struct err *e)
{
	double *own = mem_new((size_t)(n * many), sizeof *own, "partial sums", e);
	int bad = !own || gpu_copy(own, part, (size_t)(n * many) * sizeof *own, K_TO_HOST, e);

	for (int64_t k = 0; k < many; k++) {
		out[k] = 0;
		for (int64_t i = 0; i < n && !bad; i++)
			out[k] += own[k * n + i];
	}
	free(own);
	return bad ? -1 : 0;
}

static int64_t pieces(int64_t n)
{
	return (n + GPU_SQUARES - 1) / GPU_SQUARES;
}

static int sum_squares(const float *x, int64_t n, double *out, struct err *e)
{
	double *part = parts(pieces(n), e);

	return part && !gpu_check(gpu_squares(x, n, part), "sum of squares", e) ? add_up(part, pieces(n), 1, out, e) : -1;
}

static size_t judge_scratch(int64_t n)
{
	return (size_t)pieces(n) * sizeof(double);
}

static int judge(const float *g, int64_t n, double scale, double clip, const double *results, int64_t losses, struct k_verdict *v, void *scratch,
	struct err *e)
{
	return gpu_check(gpu_squares(g, n, scratch), "sum of squares", e) ||
		gpu_check(gpu_judge(scratch, pieces(n), scale, clip, results, losses, v), "norm of gradients", e) ? -1 : 0;
}

static int pace(const struct k_optim *a, double t, struct k_pace *to, struct err *e)
{
	return gpu_check(gpu_pace(a, t, to), "optimizer", e);
}

static int average(float *y, const float *x, int64_t n, const struct k_pace *p, const struct k_verdict *v, struct err *e)
{
	return gpu_check(gpu_average(y, x, n, p, v), "average", e);
}

static int window_gather(const struct k_gather *g, const float *image, float *x, struct err *e)
{
	return gpu_check(gpu_window_gather(*g, image, x), "window", e);
}

static int window_blend(const struct k_blend *g, const float *logits, float *acc, float *sum, struct err *e)
{
	return gpu_check(gpu_window_blend(*g, logits, acc, sum), "blend", e);
}

static int window_divide(float *y, const float *acc, const float *sum, int64_t vox, int64_t classes, const float none[2], struct err *e)
{
	return gpu_check(gpu_window_divide(y, acc, sum, vox, classes, none[0], none[1]), "blend", e);
}

static int window_decide(const struct k_decide *g, const struct k_cover *c, const float *acc, const float *sum, uint8_t *pred, struct err *e)
{
	return gpu_check(gpu_window_decide(*g, acc, sum, c->slab[0] * c->slab[1] * c->slab[2], pred), "decision", e);
}

static int window_spread(const struct k_blend *g, float near, const float *logits, const float *acc, const float *sum, struct k_apart *apart,
                         struct err *e)
{
	const int64_t n = gpu_window_parts(g->roi);
	double *part = parts(2 * n, e);

	return !part || gpu_check(gpu_window_spread(*g, near, logits, acc, sum, n, part), "window", e) ||
		gpu_check(gpu_window_apart(part, n, apart), "window", e) ? -1 : 0;
}

/* All of them are begun before one is read. */
static int window_doubt(const struct k_doubt *g, int64_t n, double *doubt, struct err *e)
{
	const int64_t each = n ? gpu_window_parts(g->roi) : 0;
	double *part = n ? parts(n * each, e) : NULL;

	for (int64_t i = 0; i < n; i += GPU_DOUBTS) {
		const int64_t some = n - i < GPU_DOUBTS ? n - i : GPU_DOUBTS;
		struct gpu_doubts d = {0};

		memcpy(d.of, g + i, (size_t)some * sizeof *g);
		if (!part || gpu_check(gpu_window_doubt(d, some, each, part + i * each), "window", e))
			return -1;
	}
	return n ? add_up(part, each, n, doubt, e) : 0;
}

static int window_count(const struct k_unsure *u, const float *acc, const float *sum, int64_t vox, int64_t k, int64_t *n, struct err *e)
{
	double *part = parts(pieces(vox), e), all;

	if (!part || gpu_check(gpu_window_count(*u, acc, sum, vox, k, part), "window", e) || add_up(part, pieces(vox), 1, &all, e))
		return -1;
	*n = (int64_t)all;
	return 0;
}

struct k_backend TABLE = {
	.abi = K_ABI, .name = "cuda", .precision = HALF ? K_BF16 : K_FP32,
	.alloc = gpu_alloc, .release = gpu_release, .copy = gpu_copy, .zero = gpu_zero,
	.available = gpu_available, .host_alloc = gpu_host_alloc, .host_release = gpu_host_release, .stream = stream, .tune = tune_begin,
	.lost = gpu_lost, .queue = gpu_queue, .mark_new = gpu_mark_new, .mark_free = gpu_mark_free, .mark = gpu_mark, .follow = gpu_follow,
		.await = gpu_await, .between = gpu_between,
	.record = gpu_record, .recorded = gpu_recorded, .replay = gpu_replay, .record_free = gpu_record_free, .number = number,
	.conv_new = conv_new, .conv_free = gpu_conv_free, .conv_scratch = gpu_conv_scratch, .conv_pack = gpu_conv_pack, .conv_identity = conv_identity,
	.conv_forward = gpu_conv_forward, .conv_backward_data = gpu_conv_backward_data, .conv_backward_weights = gpu_conv_backward_weights,
	.norm_scratch = norm_scratch, .norm_forward = norm_forward, .norm_backward = norm_backward,
	.layer_forward = layer_forward, .layer_scratch = layer_scratch, .layer_backward = layer_backward,
	.across_forward = across_forward, .across_backward = across_backward,
	.merge_forward = merge_forward, .merge_backward = merge_backward,
	.pool_forward = pool_forward, .pool_backward = pool_backward,
	.attention_scratch = attention_scratch, .attention_forward = attention_forward, .attention_backward = attention_backward,
	.scale = scale, .drop = drop, .gate = gate, .gate_back = gate_back, .slice_copy = slice_copy, .to_floats = to_floats,
		.from_floats = from_floats, .column_scratch = column_scratch, .column_sum = column_sum, .label_down = label_down,
	.loss_scratch = loss_scratch, .loss = loss, .loss_later = loss_later, .loss_wrong = wrong_label, .judge_scratch = judge_scratch,
		.judge = judge, .pace = pace, .average = average, .optimize = optimize, .lerp = lerp, .sum_squares = sum_squares,
	.window_gather = window_gather, .window_blend = window_blend, .window_divide = window_divide, .window_decide = window_decide,
		.window_spread = window_spread, .window_doubt = window_doubt, .window_count = window_count,
};
