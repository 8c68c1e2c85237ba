/* Convolutions of bf16 between few channels by our own kernels (narrow.c, narrow_weights.c), and from one (first.c), which cuDNN makes slowly. */
#include "kernels/gpu/conv.h"
#include "kernels/gpu/narrow.h"
#include "kernels/gpu/runtime.h"

/* By which of them: pass.narrow */
enum { NARROW = 1, FIRST, TWOS };

/* As narrow.c and first.c take a pass; of the data's gradient the ends are turned. */
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

/* Of one channel */
static int is_first(const struct k_conv *c, int which)
{
	return which == FORWARD && c->g.ic == 1 && c->d.taps > 1 && first_depth(c->d.taps);
}

static int is_narrow(const struct k_conv *c, int which)
{
	const struct k_conv_geom *g = &c->g;
	const struct gpu_narrow n = narrow_of(c, which);
	const int in = which == WEIGHTS ? narrow_square(n.ic, n.oc).ic : n.ic <= NARROW_X && n.oc <= NARROW_Y;
	int yes = c->d.xp % 8 == 0 && in && narrow_in(n.ic);

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

int gpu_narrow_take(struct k_conv *c, int which, struct err *e)
{
	const struct gpu_narrow n = narrow_of(c, which);
	const int first = is_first(c, which), fits = c->bf16 && !c->g.transposed && narrow_out(n.oc) && c->d.yp % 8 == 0;

	if (gpu_asked("libraries") || gpu_asked("direct"))
		return 0;
	c->pass[which].narrow = fits && first ? FIRST : fits && is_narrow(c, which) ? NARROW : c->bf16 && is_twos(c) ? TWOS : 0;
	if (!c->pass[which].narrow)
		return 0;
	if (which == WEIGHTS)
		return 0;
	c->pass[which].packed = gpu_alloc((size_t)(first ? n.oc * first_depth(c->d.taps) : weights(c)) * size_of(c), e);
	return c->pass[which].packed ? 0 : -1;
}

static int pack(const struct k_conv *c, int which, const float *w)
{
	void *to = c->pass[which].packed;

	if (c->pass[which].narrow == TWOS)
		return own(c)->twos_pack(twos_of(c), grows(c, which), w, to);
	return is_first(c, which) ? own(c)->first_pack(c->g.oc, c->d.taps, w, to) : own(c)->narrow_pack(narrow_of(c, which), w, to, which == DATA);
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
	const struct gpu_narrow g = narrow_of(c, which);
	const void *packed = c->pass[which].packed;
	const int bad = c->pass[which].narrow == TWOS ? own(c)->twos(twos_of(c), grows(c, which), x, packed, bias, y, add) : is_first(c, which) ? own(c)->first(g, gpu_conv_direct(c), x, packed, bias, y) : own(c)->narrow(g, x, packed, bias, y, add);

	return gpu_check(bad, "convolution", e);
}

size_t gpu_narrow_scratch(const struct k_conv *c)
{
	if (c->pass[WEIGHTS].narrow == TWOS)
		return own(c)->twos_bytes(twos_of(c));
	return c->pass[WEIGHTS].narrow ? own(c)->narrow_weights_bytes(narrow_of(c, WEIGHTS)) : 0;
}

int gpu_narrow_weights(const struct k_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e)
{
	if (c->pass[WEIGHTS].narrow == TWOS)
		return gpu_check(own(c)->twos_weights(twos_of(c), c->g.transposed ? x : dy, c->g.transposed ? dy : x, dw, scratch), "convolution's weights", e);
	return gpu_check(own(c)->narrow_weights(narrow_of(c, WEIGHTS), x, dy, dw, scratch), "convolution's weights", e);
}
