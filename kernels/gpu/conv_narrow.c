/* Convolutions of bf16 between few channels by our own kernels (narrow.c, narrow_weights.c), and those whose large end has very few (first.c,
   first_weights.c, first_grow.c), which cuDNN makes slowly. */
#include "kernels/gpu/conv.h"
#include "kernels/gpu/narrow.h"
#include "kernels/gpu/runtime.h"

/* By which of them: pass.narrow */
enum { NARROW = 1, FIRST, GROW, TWOS };

/* As narrow.c takes a pass; of the data's gradient the ends are turned. */
static struct gpu_narrow narrow_of(const struct k_conv *c, int which)
{
	const struct k_conv_geom *g = &c->g;
	struct gpu_narrow n = {.n = (int)g->n, .ic = (int)g->ic, .oc = (int)g->oc, .xp = c->d.xp, .yp = c->d.yp};

	for (int i = 0; i < 3; i++)
		n.size[i] = (int)(which == DATA ? g->in[i] : g->out[i]);
	if (which == DATA)
		n.ic = (int)g->oc, n.oc = (int)g->ic, n.xp = c->d.yp, n.yp = c->d.xp;
	return n;
}

/* The same of a pass of first.c: the small end as y */
static struct gpu_narrow first_of(const struct k_conv *c)
{
	const struct gpu_direct d = gpu_conv_direct(c);
	struct gpu_narrow n = {.n = (int)c->g.n, .ic = (int)d.b, .oc = (int)d.a, .xp = d.lp, .yp = d.sp};

	for (int i = 0; i < 3; i++)
		n.size[i] = (int)d.small[i];
	return n;
}

/* Of a large end of very few channels: FIRST from it, or GROW to it, or 0 */
static int which_first(const struct k_conv *c, int which)
{
	const struct gpu_direct d = gpu_conv_direct(c);
	const int few = d.b <= FIRST_CHANNELS && d.taps > 1 && first_depth(d.taps * d.b) && d.sp % 8 == 0;

	if (which == WEIGHTS || (which == DATA) == c->g.transposed)
		return few && first_bytes(&d, BLOCK_D) <= FIRST_ROOM && narrow_out(d.a) ? FIRST : 0;
	return few && d.a % 32 == 0 && own(c)->grow_fits(first_of(c), d) ? GROW : 0;
}

static int is_narrow(const struct k_conv *c, int which)
{
	const struct k_conv_geom *g = &c->g;
	const struct gpu_narrow n = narrow_of(c, which);
	const int in = which == WEIGHTS ? narrow_square(n.ic, n.oc).ic : n.ic <= NARROW_X && n.oc <= NARROW_Y;
	int yes = !g->transposed && c->d.xp % 8 == 0 && c->d.yp % 8 == 0 && in && narrow_in(n.ic) && narrow_out(n.oc);

	for (int i = 0; i < 3; i++)
		yes &= g->kernel[i] == 3 && g->stride[i] == 1 && g->pad[i] == 1;
	return yes;
}

/* As twos.c takes it: the small end, and as y the large one */
static struct gpu_narrow twos_of(const struct k_conv *c)
{
	const struct gpu_direct d = gpu_conv_direct(c);
	struct gpu_narrow n = {.n = (int)c->g.n, .ic = (int)d.a, .oc = (int)d.b, .xp = d.sp, .yp = d.lp};

	for (int i = 0; i < 3; i++)
		n.size[i] = (int)d.small[i];
	return n;
}

static int is_twos(const struct k_conv *c)
{
	const struct gpu_direct d = gpu_conv_direct(c);
	int yes = d.sp % 8 == 0 && d.lp % 8 == 0 && twos_part(d.a) && twos_square(d.b) && d.svox < INT32_MAX;

	for (int i = 0; i < 3; i++)
		yes &= d.kernel[i] == 2 && d.stride[i] == 2 && d.pad[i] == 0 && d.large[i] == 2 * d.small[i];
	return yes;
}

/* Does a pass go from the small end to the large one? */
static int grows(const struct k_conv *c, int which)
{
	return (which == FORWARD) == c->g.transposed;
}

/* Which kernels make a pass; 0: none of these */
static int kind_of(const struct k_conv *c, int which)
{
	const int first = which_first(c, which);

	return first ? first : is_narrow(c, which) ? NARROW : is_twos(c) ? TWOS : 0;
}

int gpu_narrow_take(struct k_conv *c, int which, struct err *e)
{
	const int kind = c->bf16 && !gpu_asked("libraries") && !gpu_asked("direct") ? kind_of(c, which) : 0;
	const int64_t deep = kind == FIRST || kind == GROW ? c->d.a * first_depth(c->d.taps * c->d.b) : weights(c);

	c->pass[which].narrow = kind;
	if (!kind || which == WEIGHTS)
		return 0;
	c->pass[which].packed = gpu_alloc((size_t)deep * size_of(c), e);
	return c->pass[which].packed ? 0 : -1;
}

static int pack(const struct k_conv *c, int which, const float *w)
{
	void *to = c->pass[which].packed;

	if (c->pass[which].narrow == FIRST)
		return own(c)->first_pack(c->d.a, c->d.b, c->d.taps, w, to);
	if (c->pass[which].narrow == GROW)
		return own(c)->grow_pack(c->d.a, c->d.b, c->d.taps, w, to);
	if (c->pass[which].narrow == TWOS)
		return own(c)->twos_pack(twos_of(c), grows(c, which), w, to);
	return own(c)->narrow_pack(narrow_of(c, which), w, to, which == DATA);
}

int gpu_narrow_pack(const struct k_conv *c, const float *w, struct err *e)
{
	for (int i = FORWARD; i <= DATA; i++)
		if (c->pass[i].narrow && gpu_check(pack(c, i, w), "pack", e))
			return -1;
	return 0;
}

int gpu_narrow_run(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add, struct err *e)
{
	const void *packed = c->pass[which].packed;
	int bad;

	if (c->pass[which].narrow == FIRST)
		bad = own(c)->first(first_of(c), gpu_conv_direct(c), x, packed, bias, y, add);
	else if (c->pass[which].narrow == GROW)
		bad = own(c)->grow(first_of(c), gpu_conv_direct(c), x, packed, bias, y, add);
	else if (c->pass[which].narrow == TWOS)
		bad = own(c)->twos(twos_of(c), grows(c, which), x, packed, bias, y, add);
	else
		bad = own(c)->narrow(narrow_of(c, which), x, packed, bias, y, add);
	return gpu_check(bad, "convolution", e);
}

size_t gpu_narrow_scratch(const struct k_conv *c)
{
	const int kind = c->pass[WEIGHTS].narrow;

	if (kind == FIRST)
		return own(c)->first_weights_bytes(first_of(c), gpu_conv_direct(c));
	if (kind == TWOS)
		return own(c)->twos_bytes(twos_of(c));
	return kind ? own(c)->narrow_weights_bytes(narrow_of(c, WEIGHTS)) : 0;
}

int gpu_narrow_weights(const struct k_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e)
{
	const void *large = c->g.transposed ? dy : x, *small = c->g.transposed ? x : dy;
	int bad;

	if (c->pass[WEIGHTS].narrow == FIRST)
		bad = own(c)->first_weights(first_of(c), gpu_conv_direct(c), large, small, dw, scratch);
	else if (c->pass[WEIGHTS].narrow == TWOS)
		bad = own(c)->twos_weights(twos_of(c), small, large, dw, scratch);
	else
		bad = own(c)->narrow_weights(narrow_of(c, WEIGHTS), x, dy, dw, scratch);
	return gpu_check(bad, "convolution's weights", e);
}
