/* Convolutions of bf16 that cuDNN makes slowly, by our own kernels: between few channels (narrow.c, narrow_weights.c), those whose large end has very
   few (first.c, first_weights.c, first_grow.c), and of 2x2x2 with step 2 (twos.c, twos_weights.c). */
#include "kernels/gpu/conv.h"
#include "kernels/gpu/narrow.h"
#include "kernels/gpu/runtime.h"

/* By which of them: pass.narrow, 0 by none of these */
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

	return is_cube(g, 3) && !g->transposed && c->d.xp % 8 == 0 && c->d.yp % 8 == 0 && in && narrow_in(n.ic) && narrow_out(n.oc);
}

/* As twos.c takes it: the ends the other way round */
static struct gpu_narrow twos_of(const struct k_conv *c)
{
	const struct gpu_narrow f = first_of(c);
	struct gpu_narrow n = f;

	n.ic = f.oc, n.oc = f.ic, n.xp = f.yp, n.yp = f.xp;
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

/* -- each kind's: weights packed, a pass, scratch of the weights' gradient and that gradient -- */
static int narrow_pack(const struct k_conv *c, int which, const float *w, void *to)
{
	return own(c)->narrow_pack(narrow_of(c, which), w, to, which == DATA);
}

static int narrow_run(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add)
{
	return own(c)->narrow(narrow_of(c, which), x, c->pass[which].packed, bias, y, add);
}

static size_t narrow_bytes(const struct k_conv *c)
{
	return own(c)->narrow_weights_bytes(narrow_of(c, WEIGHTS));
}

static int narrow_weights(const struct k_conv *c, const void *large, const void *small, float *dw, void *scratch)
{
	return own(c)->narrow_weights(narrow_of(c, WEIGHTS), large, small, dw, scratch);
}

static int first_pack(const struct k_conv *c, int which, const float *w, void *to)
{
	(void)which;
	return own(c)->first_pack(c->d.a, c->d.b, c->d.taps, w, to);
}

static int first_run(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add)
{
	return own(c)->first(first_of(c), gpu_conv_direct(c), x, c->pass[which].packed, bias, y, add);
}

static size_t first_bytes_of(const struct k_conv *c)
{
	return own(c)->first_weights_bytes(first_of(c), gpu_conv_direct(c));
}

static int first_weights(const struct k_conv *c, const void *large, const void *small, float *dw, void *scratch)
{
	return own(c)->first_weights(first_of(c), gpu_conv_direct(c), large, small, dw, scratch);
}

static int grow_pack(const struct k_conv *c, int which, const float *w, void *to)
{
	(void)which;
	return own(c)->grow_pack(c->d.a, c->d.b, c->d.taps, w, to);
}

static int grow_run(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add)
{
	return own(c)->grow(first_of(c), gpu_conv_direct(c), x, c->pass[which].packed, bias, y, add);
}

static int twos_pack(const struct k_conv *c, int which, const float *w, void *to)
{
	return own(c)->twos_pack(twos_of(c), grows(c, which), w, to);
}

static int twos_run(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add)
{
	return own(c)->twos(twos_of(c), grows(c, which), x, c->pass[which].packed, bias, y, add);
}

static size_t twos_bytes(const struct k_conv *c)
{
	return own(c)->twos_bytes(twos_of(c));
}

static int twos_weights(const struct k_conv *c, const void *large, const void *small, float *dw, void *scratch)
{
	return own(c)->twos_weights(twos_of(c), small, large, dw, scratch);
}

static const struct kind {
	int (*pack)(const struct k_conv *c, int which, const float *w, void *to);
	int (*run)(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add);
	size_t (*bytes)(const struct k_conv *c);
	int (*weights)(const struct k_conv *c, const void *large, const void *small, float *dw, void *scratch);
} kinds[] = {
	[NARROW] = {narrow_pack, narrow_run, narrow_bytes, narrow_weights}, [FIRST] = {first_pack, first_run, first_bytes_of, first_weights},
	[GROW] = {grow_pack, grow_run, NULL, NULL}, [TWOS] = {twos_pack, twos_run, twos_bytes, twos_weights},
};

int gpu_narrow_pack(const struct k_conv *c, const float *w, struct err *e)
{
	for (int i = FORWARD; i <= DATA; i++)
		if (c->pass[i].narrow && gpu_check(kinds[c->pass[i].narrow].pack(c, i, w, c->pass[i].packed), "pack", e))
			return -1;
	return 0;
}

int gpu_narrow_run(const struct k_conv *c, int which, const void *x, const float *bias, void *y, int add, struct err *e)
{
	return gpu_check(kinds[c->pass[which].narrow].run(c, which, x, bias, y, add), "convolution", e);
}

size_t gpu_narrow_scratch(const struct k_conv *c)
{
	return c->pass[WEIGHTS].narrow ? kinds[c->pass[WEIGHTS].narrow].bytes(c) : 0;
}

int gpu_narrow_weights(const struct k_conv *c, const void *x, const void *dy, float *dw, void *scratch, struct err *e)
{
	const void *large = c->g.transposed ? dy : x, *small = c->g.transposed ? x : dy;

	return gpu_check(kinds[c->pass[WEIGHTS].narrow].weights(c, large, small, dw, scratch), "convolution's weights", e);
}
