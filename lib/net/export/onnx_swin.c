/* Transformers' operations: layer normalisation, patch merging, attention within shifted windows as MONAI's SwinTransformerBlock has it. What depends
   on the input's size (windows, padding, shifts, regions) is computed by nodes, so that any size goes in. Formulas: kernels/attention.h. */
#include "lib/net/export/onnx_node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/mem.h"

#define N(...) ((int)(sizeof (const int64_t[]){__VA_ARGS__} / sizeof(int64_t)))
#define INTS(s, ...) onnx_ints(s, (const int64_t[]){__VA_ARGS__}, N(__VA_ARGS__))
#define OP(s, type, ...) onnx_node(s, type, __VA_ARGS__, NULL)
#define TRANSPOSE(s, x, ...) transpose(s, x, (const int64_t[]){__VA_ARGS__}, N(__VA_ARGS__))
#define CONCAT(s, ...) concat(s, (const char *const[CONCATS]){__VA_ARGS__})

enum { CONCATS = 6 };

#define MASKED (-100.0f) /* added to the scores of tokens of different regions */

static struct onnx_name transpose(struct onnx_site *s, const char *x, const int64_t *perm, int n)
{
	onnx_attr_ints(s, "perm", perm, n);
	return OP(s, "Transpose", x);
}

static struct onnx_name cast(struct onnx_site *s, const char *x)
{
	onnx_attr_int(s, "to", ONNX_INT64);
	return OP(s, "Cast", x);
}

/* Attributes are the next node's: they are set when its inputs are there. */
static struct onnx_name concat(struct onnx_site *s, const char *const x[CONCATS])
{
	onnx_attr_int(s, "axis", 0);
	return OP(s, "Concat", x[0], x[1], x[2], x[3], x[4]);
}

static struct onnx_name gather(struct onnx_site *s, const char *x, const char *index, int64_t axis)
{
	onnx_attr_int(s, "axis", axis);
	return OP(s, "Gather", x, index);
}

/* x[i], along the first axis, which goes away */
static struct onnx_name entry(struct onnx_site *s, const char *x, int64_t i)
{
	struct onnx_name index;

	onnx_attr_int(s, "value_int", i);
	index = onnx_node(s, "Constant", NULL);
	return gather(s, x, index.s, 0);
}

int onnx_layer(struct onnx_site *s)
{
	struct onnx_name x, ones, zeros;

	onnx_attr_channels(s, 1);
	x = OP(s, "Transpose", s->x);

	if (s->op->w < 0)
		ones = onnx_filled(s, 1, s->op->c), zeros = onnx_filled(s, 0, s->op->c);
	onnx_attr_int(s, "axis", -1);
	onnx_attr_float(s, "epsilon", 1e-5f);
	x = OP(s, "LayerNormalization", x.s, s->op->w < 0 ? ones.s : onnx_param(s, s->op->w), s->op->b < 0 ? zeros.s : onnx_param(s, s->op->b));
	onnx_attr_channels(s, 0);
	onnx_last(s, "Transpose", x.s, NULL);
	return 0;
}

int onnx_merge(struct onnx_site *s)
{
	const unsigned char *o = s->op->order;
	const int n = onnx_axes(s->w->g), flat = 3 - n; /* flat: what is left out is d */
	const struct onnx_name end = onnx_ints(s, (const int64_t[]){INT64_MAX, INT64_MAX, INT64_MAX}, n), axes = onnx_ints(s, (const int64_t[]){2, 3, 4}, n);
	const struct onnx_name steps = onnx_ints(s, (const int64_t[]){2, 2, 2}, n);
	struct onnx_name v[8];

	for (int i = 0; i < 1 << n; i++) {
		const int64_t from[3] = {o[i] >> 2, o[i] >> 1 & 1, o[i] & 1};

		v[i] = OP(s, "Slice", s->x, onnx_ints(s, from + flat, n).s, end.s, axes.s, steps.s);
	}
	onnx_attr_int(s, "axis", 1);
	onnx_last(s, "Concat", v[0].s, v[1].s, v[2].s, v[3].s, flat ? NULL : v[4].s, v[5].s, v[6].s, v[7].s, NULL);
	return 0;
}

int onnx_position(struct onnx_site *s)
{
	const int n = onnx_axes(s->w->g), flat = 3 - n;
	int64_t shape[5] = {1};
	struct onnx_name p;

	for (int k = flat; k < 3; k++)
		shape[1 + k - flat] = s->w->g->fixed[k] / s->op->down[k];
	shape[1 + n] = s->op->c;
	onnx_attr_channels(s, 0);
	p = OP(s, "Transpose", onnx_param_as(s, s->op->w, 2 + n, shape));
	onnx_last(s, "Add", s->x, p.s, NULL);
	return 0;
}

/* -- attention: sizes, [3] each, and places along each axis; a slice is a volume of one for that long -- */

struct place { struct onnx_name n, at, shift; }; /* of a padded axis: how many, 0 1 2 ..., by how much it is shifted */
struct sizes {
	struct onnx_name x;      /* what goes in */
	struct onnx_name size, window, count, padded, split, tokens; /* split: count and window in turn, [6]; tokens of a window, [1] */
	int slow, fast;          /* axes of a window as its tokens count */
	struct place axis[3];
};

/* A window is at most the input's size, and then not shifted. */
static void measure(struct onnx_site *s, struct sizes *z)
{
	const struct graph_attention *a = &s->op->attention;
	const struct onnx_name whole = INTS(s, a->window[0], a->window[1], a->window[2]), one = INTS(s, 1);
	struct onnx_name t, shift;

	z->slow = a->turned ? 2 : 0, z->fast = 2 - z->slow;
	snprintf(z->x.s, sizeof z->x.s, "%s", s->x);
	if (onnx_axes(s->w->g) < 3)
		z->x = OP(s, "Unsqueeze", s->x, INTS(s, 2).s);
	onnx_attr_int(s, "start", 2);
	z->size = OP(s, "Shape", z->x.s);
	z->window = OP(s, "Min", z->size.s, whole.s);
	t = OP(s, "Sub", OP(s, "Add", z->size.s, z->window.s).s, one.s);
	z->count = OP(s, "Div", t.s, z->window.s);
	z->padded = OP(s, "Mul", z->count.s, z->window.s);
	t = CONCAT(s, z->count.s, z->window.s);
	z->split = gather(s, t.s, INTS(s, 0, 3, 1, 4, 2, 5).s, 0);
	z->tokens = OP(s, "ReduceProd", z->window.s);
	t = cast(s, OP(s, "Greater", z->size.s, whole.s).s);
	shift = OP(s, "Mul", t.s, INTS(s, a->shift[0], a->shift[1], a->shift[2]).s);
	for (int k = 0; k < 3; k++) {
		z->axis[k].n = entry(s, z->padded.s, k);
		z->axis[k].shift = entry(s, shift.s, k);
		z->axis[k].at = OP(s, "Range", entry(s, INTS(s, 0).s, 0).s, z->axis[k].n.s, entry(s, one.s, 0).s);
	}
}

/* x, forwards or back, round the end of every axis by its shift */
static struct onnx_name roll(struct onnx_site *s, const struct sizes *z, struct onnx_name x, int back)
{
	for (int k = 0; k < 3; k++) {
		const struct place *p = &z->axis[k];
		struct onnx_name by = back ? OP(s, "Sub", p->n.s, p->shift.s) : p->shift, from = OP(s, "Mod", OP(s, "Add", p->at.s, by.s).s, p->n.s);

		x = gather(s, x.s, from.s, 2 + k);
	}
	return x;
}

/* Padding was zero before the projection: behind it, it has the bias alone. */
static struct onnx_name pad(struct onnx_site *s, const struct sizes *z)
{
	const struct graph_op *projection = &s->w->g->op[s->op->in[0]];
	const struct onnx_name more = OP(s, "Sub", z->padded.s, z->size.s), pads = CONCAT(s, INTS(s, 0, 0, 0, 0, 0, 0, 0).s, more.s);
	struct onnx_name bias;

	if (projection->b < 0)
		return OP(s, "Pad", z->x.s, pads.s);
	bias = OP(s, "Reshape", s->w->g->param[projection->b].name, INTS(s, -1, 1, 1, 1).s);
	return OP(s, "Add", OP(s, "Pad", OP(s, "Sub", z->x.s, bias.s).s, pads.s).s, bias.s);
}

/* [3,n,windows,heads,tokens,channels of a head] */
static struct onnx_name windows(struct onnx_site *s, const struct sizes *z, const char *x)
{
	const int64_t heads = s->op->attention.heads, each = s->op->c / heads;
	struct onnx_name t = OP(s, "Reshape", x, CONCAT(s, INTS(s, 0, 3, heads, each).s, z->split.s).s);

	t = TRANSPOSE(s, t.s, 1, 0, 4, 6, 8, 2, 5 + 2 * z->slow, 7, 5 + 2 * z->fast, 3);
	return OP(s, "Reshape", t.s, CONCAT(s, INTS(s, 0, 0, -1, heads).s, z->tokens.s, INTS(s, each).s).s);
}

/* [heads,tokens,tokens]. A token's place in the table counts in the whole window, also where the one in use is smaller. */
static struct onnx_name bias(struct onnx_site *s, const struct sizes *z, int64_t *code)
{
	const int *w = s->op->attention.window;
	const int64_t fast = w[z->fast], all = (int64_t)w[0] * w[1] * w[2], middle = (int64_t)(2 * w[0] - 1) * (2 * w[1] - 1) * (2 * w[2] - 1) / 2;
	struct onnx_name place, i, j, t;

	for (int64_t k = 0; k < all; k++)
		code[k] = (k / (w[1] * fast) * (2 * w[1] - 1) + k / fast % w[1]) * (2 * fast - 1) + k % fast;
	place = OP(s, "Slice", onnx_ints(s, code, (int)all).s, INTS(s, 0).s, z->tokens.s);
	i = OP(s, "Reshape", place.s, INTS(s, -1, 1).s);
	j = OP(s, "Sub", place.s, INTS(s, middle).s);
	t = gather(s, onnx_param(s, s->op->w), OP(s, "Sub", i.s, j.s).s, 0);
	return TRANSPOSE(s, t.s, 2, 0, 1);
}

/* [windows,1,tokens,tokens]: what the shift brought together from two ends must not meet */
static struct onnx_name mask(struct onnx_site *s, const struct sizes *z)
{
	struct onnx_name region, t;

	for (int k = 0; k < 3; k++) {
		const struct place *p = &z->axis[k];
		struct onnx_name window = entry(s, z->window.s, k), last = OP(s, "GreaterOrEqual", p->at.s, OP(s, "Sub", p->n.s, window.s).s);
		struct onnx_name moved = OP(s, "GreaterOrEqual", p->at.s, OP(s, "Sub", p->n.s, p->shift.s).s);

		t = OP(s, "Add", cast(s, last.s).s, cast(s, moved.s).s);
		if (k)
			region = OP(s, "Mul", OP(s, "Reshape", region.s, k == 1 ? INTS(s, -1, 1).s : INTS(s, 0, 0, 1).s).s, INTS(s, 3).s);
		region = k ? OP(s, "Add", region.s, t.s) : t;
	}
	t = OP(s, "Reshape", region.s, z->split.s);
	t = TRANSPOSE(s, t.s, 0, 2, 4, 1 + 2 * z->slow, 3, 1 + 2 * z->fast);
	t = OP(s, "Reshape", t.s, CONCAT(s, INTS(s, -1, 1, 1).s, z->tokens.s).s);
	t = OP(s, "Equal", t.s, TRANSPOSE(s, t.s, 0, 1, 3, 2).s);
	return OP(s, "Where", t.s, onnx_number(s, 0).s, onnx_number(s, MASKED).s);
}

/* [n,windows,heads,tokens,channels of a head] back to [n,c,d,h,w] padded */
static struct onnx_name together(struct onnx_site *s, const struct sizes *z, const char *x)
{
	const int64_t heads = s->op->attention.heads, each = s->op->c / heads;
	struct onnx_name window = gather(s, z->window.s, INTS(s, z->slow, 1, z->fast).s, 0);
	struct onnx_name t = OP(s, "Reshape", x, CONCAT(s, INTS(s, -1).s, z->count.s, INTS(s, heads).s, window.s, INTS(s, each).s).s);

	t = TRANSPOSE(s, t.s, 0, 4, 8, 1, 5 + z->slow, 2, 6, 3, 5 + z->fast);
	return OP(s, "Reshape", t.s, CONCAT(s, INTS(s, 0, s->op->c).s, z->padded.s).s);
}

int onnx_attention(struct onnx_site *s)
{
	const struct graph_attention *a = &s->op->attention;
	const int shifted = a->shift[0] || a->shift[1] || a->shift[2], n = onnx_axes(s->w->g);
	int64_t *code = mem_new((size_t)a->window[0] * (size_t)a->window[1] * (size_t)a->window[2], sizeof *code, "ONNX", s->w->e);
	struct sizes z;
	struct onnx_name x, q, k, scores;

	if (!code)
		return -1;
	measure(s, &z);
	x = pad(s, &z);
	x = windows(s, &z, shifted ? roll(s, &z, x, 0).s : x.s);
	q = OP(s, "Mul", entry(s, x.s, 0).s, onnx_number(s, 1 / sqrtf((float)(s->op->c / a->heads))).s);
	k = TRANSPOSE(s, entry(s, x.s, 1).s, 0, 1, 2, 4, 3);
	scores = OP(s, "MatMul", q.s, k.s);
	if (!a->bare)
		scores = OP(s, "Add", scores.s, bias(s, &z, code).s);
	if (shifted)
		scores = OP(s, "Add", scores.s, mask(s, &z).s);
	onnx_attr_int(s, "axis", -1);
	scores = OP(s, "Softmax", scores.s);
	x = together(s, &z, OP(s, "MatMul", scores.s, entry(s, x.s, 2).s).s);
	if (shifted)
		x = roll(s, &z, x, 1);
	if (n < 3)
		x = OP(s, "Squeeze", x.s, INTS(s, 2).s), z.size = OP(s, "Slice", z.size.s, INTS(s, 1).s, INTS(s, 3).s);
	onnx_last(s, "Slice", x.s, onnx_ints(s, (const int64_t[]){0, 0, 0}, n).s, z.size.s, onnx_ints(s, (const int64_t[]){2, 3, 4}, n).s, NULL);
	free(code);
	return 0;
}
