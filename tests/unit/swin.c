/* SwinUNETR, UNETR, also of two dimensions, and VNet against MONAI's own numbers (tests/golden/make_swin.py): logits, loss, all gradients by their
   norms, a product and up to 48 of each one's values; weights and input by the script's formula. */
#include "tests/unit/cpu.h"

#include <inttypes.h>
#include <zlib.h>

#include "lib/net/run/net_run.h"
#include "lib/stream/stream.h"

#define AS_FAR 2.2 /* bf16: times as far from MONAI's numbers as torch's own autocast is, at most: it is up to 2.0 of itself (make_swin.py), we 0.9 */

static const struct k_backend *k;
static struct err e;
static long long batch;
static int64_t input[3]; /* the size of the case's input */

/* Number i of a name, in [-1, 1) */
static double noise(uint32_t crc, int64_t i)
{
	uint32_t z = (uint32_t)i * 0x9E3779B1u + crc;

	z ^= z >> 16;
	z *= 0x85EBCA6Bu;
	z ^= z >> 13;
	return (z >> 8) / 8388608.0 - 1;
}

static uint32_t crc_of(const char *name)
{
	return (uint32_t)crc32(0, (const unsigned char *)name, (unsigned)strlen(name));
}

static int ends(const char *s, const char *with)
{
	return strlen(s) >= strlen(with) && !strcmp(s + strlen(s) - strlen(with), with);
}

static void fill_each(const struct net_param *p, int count)
{
	for (int i = 0; i < count; i++) {
		double scale = strstr(p[i].name, "act_function") ? 0.01 : p[i].rank <= 1 ? 0.2
			: ends(p[i].name, "table") ? 0.5 : 1.5 / sqrt((double)(p[i].count / p[i].shape[0]));
		double middle = p[i].rank == 1 && (ends(p[i].name, "weight") || ends(p[i].name, "running_var"));
		uint32_t crc = crc_of(p[i].name);

		for (int64_t j = 0; j < p[i].count; j++)
			p[i].w[j] = (float)(noise(crc, j) * scale + middle);
	}
}

static void fill(struct net *n)
{
	const struct net_param *p;
	int count;

	p = net_params(n, &count);
	fill_each(p, count);
	p = net_buffers(n, &count);
	fill_each(p, count);
	net_changed(n);
}

static void fill_input(struct net *n)
{
	int64_t c = net_channels(n), vox = net_vox(n), one = vox / batch;
	const uint32_t crc = crc_of("input");

	for (int64_t v = 0; v < vox; v++)
		for (int64_t i = 0; i < c; i++)
			net_input(n)[v * c + i] = (float)noise(crc, (v / one * c + i) * one + v % one);
}

/* Dropout is nothing here: its numbers are not torch's. */
static void keep_all(struct net *n)
{
	for (int i = 0; n && i < n->graph->n; i++)
		n->graph->op[i].rate = 0;
}

static struct net *open_case(const char *name, const char *text, uint8_t **label)
{
	json_t *arch = json_loads(text, 0, NULL);
	struct net *n = net_new(arch, k, &e);
	int64_t vox = batch * input[0] * input[1] * input[2];
	const uint32_t crc = crc_of("label");

	keep_all(n);
	ok(n && !net_plan(n, batch, input, 1, &e), "%s%s%s", name, n ? "" : ": ", n ? "" : e.text);
	json_decref(arch);
	if (!n)
		return NULL;
	fill(n);
	fill_input(n);
	*label = on_device(k, NULL, (size_t)vox);
	for (int64_t v = 0; v < vox; v++)
		(*label)[v] = (uint8_t)((noise(crc, v) + 1) / 2 * net_classes(n));
	return n;
}

static const struct net_param *param(const struct net *n, const char *name)
{
	int count;
	const struct net_param *p = net_params(n, &count);

	for (int i = 0; i < count; i++)
		if (!strcmp(p[i].name, name))
			return &p[i];
	return NULL;
}

/* What the lines that follow a case say. */
enum { GRADS = 400, VALUES = 48 };
struct seen {
	const struct tensor *values; /* MONAI's, [gradients, VALUES] */
	double half;             /* how far torch's own autocast to bf16 is from them */
	const struct net_param *param[GRADS];
	double off, size;
	int logits, grads, wrong, steps;
	double got[GRADS], want[GRADS], product_got[GRADS], product_want[GRADS], value_off[GRADS], value_size[GRADS];
	double all_off, all; /* squares of all values' differences and of MONAI's */
	double step_off;
	float *m, *v;            /* moments of the steps */
	float *eval;             /* logits by running statistics */
};

/* By running statistics, where there are any; malloced */
static float *evaluated(struct net *n)
{
	const size_t bytes = sizeof(float) * (size_t)(net_vox(n) * net_classes(n));
	float *copy = n->graph->buffer_floats && !net_plan(n, batch, input, 0, &e) ? malloc(bytes) : NULL;
	const float *got;

	if (!copy)
		return NULL;
	fill_input(n);
	got = net_forward(n, &e);
	if (got)
		memcpy(copy, got, bytes);
	if (!got || net_plan(n, batch, input, 1, &e)) {
		free(copy);
		return NULL;
	}
	fill_input(n);
	return copy;
}

static void logit(struct net *n, const float *got, const char *line, struct seen *s)
{
	long long i;
	double want;
	int64_t one = net_vox(n) / batch, classes = net_classes(n);

	if (!got || sscanf(line, "%*s %lld %lf", &i, &want) != 2) {
		s->wrong++;
		return;
	}
	s->off = fmax(s->off, fabs(got[(i / (classes * one) * one + i % one) * classes + i / one % classes] - want));
	s->size = fmax(s->size, fabs(want));
	s->logits++;
}

/* p's gradient, i of MONAI's: its norm, its product with the noise of its name; every step-th value against row i of MONAI's */
static void compare_values(const struct net_param *p, int i, struct seen *s)
{
	const float *want = (const float *)s->values->data + (int64_t)i * VALUES;
	int64_t step = (p->count + VALUES - 1) / VALUES;
	double sum = 0, along = 0;
	uint32_t crc;
	char seed[210];

	snprintf(seed, sizeof seed, "grad%.200s", p->name), crc = crc_of(seed);
	for (int64_t j = 0; j < p->count; j++)
		sum += (double)p->g[j] * p->g[j], along += p->g[j] * noise(crc, j);
	s->got[i] = sqrt(sum), s->product_got[i] = along;
	for (int64_t j = 0; j * step < p->count; j++) {
		double off = p->g[j * step] - (double)want[j];

		s->value_off[i] = fmax(s->value_off[i], fabs(off));
		s->value_size[i] = fmax(s->value_size[i], fabs((double)want[j]));
		s->all_off += off * off;
		s->all += (double)want[j] * (double)want[j];
	}
}

/* Another slope of every leaky unit, and a plan of it. */
static int bend(struct net *n, double slope)
{
	for (int i = 0; i < n->graph->n; i++)
		if (n->graph->op[i].kind == GRAPH_ACT && n->graph->op[i].act.kind == K_ACT_LRELU)
			n->graph->op[i].act.slope = (float)slope;
	net_recompute(n, NET_NORMS); /* forgets the plan */
	net_recompute(n, NET_KEEP);
	return net_plan(n, batch, input, 1, &e);
}

/* The gradients of all that "grad" lines named, without kinks, at which roundings decide. */
static void gradient_values(struct net *n, const char *line, const struct k_loss *terms, const uint8_t *label, struct seen *s)
{
	double slope, out[3];

	if (sscanf(line, "values %lf %lf", &slope, &s->half) != 2 || bend(n, slope)) {
		s->wrong++;
		return;
	}
	fill_input(n);
	s->wrong += net_zero_grad(n, &e) || !net_forward(n, &e) || net_backward(n, terms, label, out, &e);
	for (int i = 0; i < s->grads; i++)
		compare_values(s->param[i], i, s);
	s->wrong += bend(n, 0.01);
}

static void gradient(struct net *n, const char *line, struct seen *s)
{
	const struct net_param *p;
	double want, product;
	char name[200];

	if (sscanf(line, "grad %lf %lf %199s", &want, &product, name) != 3 || !(p = param(n, name)) || s->grads == s->values->shape[0]) {
		printf("# no %s", line);
		s->wrong++;
		return;
	}
	s->param[s->grads] = p;
	s->want[s->grads] = want, s->product_want[s->grads++] = product;
}

/* One more step of AdamW, whose loss stands here. */
static void step(struct net *n, const char *line, const struct k_loss *terms, const uint8_t *label, struct seen *s)
{
	const struct k_optim a = {.lr = 1e-3, .decay = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = s->steps + 1, .scale = 1};
	float *w, *g;
	int64_t total;
	double want, out[3];

	net_block(n, &w, &g, &total);
	if (!s->m)
		s->m = on_device(k, NULL, (size_t)total * sizeof *s->m), s->v = on_device(k, NULL, (size_t)total * sizeof *s->v);
	fill_input(n);
	net_zero_grad(n, &e);
	if (sscanf(line, "step %lf", &want) != 1 || !net_forward(n, &e) || net_backward(n, terms, label, out, &e) ||
	    k->optimize(&a, w, g, s->m, s->v, total, &e))
		s->wrong++;
	net_changed(n);
	s->step_off = fmax(s->step_off, fabs(out[0] - want) / want);
	s->steps++;
}

/* Largest difference of two norms, of two products with noise, against the norm and a thousandth of the largest; of two values, against the
   gradient's largest value and a thousandth of the largest of all. */
static void gradients_off(const struct seen *s, double *norm, double *product, double *value)
{
	double largest = 0, largest_value = 0;

	for (int i = 0; i < s->grads; i++) {
		largest = fmax(largest, s->want[i]);
		largest_value = fmax(largest_value, s->value_size[i]);
	}
	for (int i = 0; i < s->grads; i++) {
		double size = s->want[i] + 1e-3 * largest;

		*norm = fmax(*norm, fabs(s->got[i] - s->want[i]) / size);
		*product = fmax(*product, fabs(s->product_got[i] - s->product_want[i]) / size);
		*value = fmax(*value, s->value_off[i] / (s->value_size[i] + 1e-3 * largest_value));
	}
}

static void finish(struct net *n, const char *name, const struct seen *s)
{
	int count = 0;
	double norm = 0, product = 0, value = 0, all = sqrt(s->all_off / s->all);
	const int half = k->precision == K_BF16; /* where small gradients are mostly rounding: all together must be as near as torch's autocast is */

	if (!n)
		return;
	gradients_off(s, &norm, &product, &value);
	net_params(n, &count);
	ok(!s->wrong && s->logits > (n->graph->buffer_floats ? 600 : 300) && s->off < (half ? 3e-2 : 1e-4) * s->size,
		"%s: %d logits, off by %.1e of their largest", name, s->logits, s->off / s->size);
	if (half)
		ok(s->grads == count && all < AS_FAR * s->half, "%s: values of %d gradients of %d, off by %.1e, torch's autocast by %.1e", name,
			s->grads, count, all, s->half);
	else
		ok(s->grads == count && norm < 1e-3 && product < 5e-3 && value < 1e-3,
			"%s: norms of %d gradients of %d, off by %.1e, their values by %.1e, their products with noise by %.1e", name, s->grads, count, norm, value,
			product);
	if (s->steps)
		ok(s->steps == 5 && s->step_off < (half ? 1e-2 : 1e-3), "%s: losses of five AdamW steps (%.1e)", name, s->step_off);
	k->release(s->m), k->release(s->v);
	net_free(n);
	free(s->eval);
}

static void cases(enum k_precision precision, const char *table, const char *tensors)
{
	const struct k_loss terms = {.w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f};
	FILE *f = fopen(table, "r");
	struct stream *values = stream_open(tensors, &e);
	struct frame v = {0};
	char line[2000], name[40] = "", arch[1500];
	struct net *n = NULL;
	struct seen seen = {0};
	uint8_t *label = NULL;
	const float *got = NULL;
	double out[3], want;

	k = cpu(precision);
	ok(f && values && stream_next(values, &v, &e) == 1, "%s and %s", table, tensors);
	while (k && f && fgets(line, sizeof line, f)) {
		if (!strncmp(line, "case", 4)) {
			finish(n, name, &seen);
			n = NULL;
			if (sscanf(line, "case %39s %1499s %lld %" SCNd64 " %" SCNd64 " %" SCNd64, name, arch, &batch, &input[0], &input[1], &input[2]) != 6)
				break;
			k->release(label);
			label = NULL;
			seen = (struct seen){.values = frame_need(&v, name, &e)};
			if (!seen.values)
				break;
			n = open_case(name, arch, &label);
			if (!n)
				break;
			seen.eval = evaluated(n);
			net_zero_grad(n, &e);
			got = net_forward(n, &e);
		} else if (!strncmp(line, "logit", 5)) {
			logit(n, got, line, &seen);
		} else if (!strncmp(line, "eval", 4)) {
			logit(n, seen.eval, line, &seen);
		} else if (sscanf(line, "loss %lf", &want) == 1) {
			ok(!net_backward(n, &terms, label, out, &e) && near_to(out[0], want, 0, k->precision == K_BF16 ? 1e-3 : 1e-5),
				"%s: loss %.7f, MONAI %.7f", name, out[0], want);
		} else if (!strncmp(line, "values", 6)) {
			gradient_values(n, line, &terms, label, &seen);
		} else if (!strncmp(line, "step", 4)) {
			step(n, line, &terms, label, &seen);
		} else {
			gradient(n, line, &seen);
		}
	}
	finish(n, name, &seen);
	if (k)
		k->release(label);
	frame_free(&v);
	stream_close(values);
	if (f)
		fclose(f);
}

/* swin [FILE...]: of these alone */
int main(int argc, char **argv)
{
	static const enum k_precision each[] = {K_FP32, K_BF16};
	static const char *const all[] = {"swin", "unetr", "vnet", "flat"};
	const char *const *of = argc > 1 ? (const char *const *)argv + 1 : all;
	const int files = argc > 1 ? argc - 1 : (int)(sizeof all / sizeof *all);

	for (int i = 0; i < 2 * files; i++) {
		char table[100], tensors[100];

		snprintf(table, sizeof table, "tests/golden/%.60s.tsv", of[i % files]);
		snprintf(tensors, sizeof tensors, "tests/golden/%.60s.ts", of[i % files]);
		cases(each[i / files], table, tensors);
	}
	return tap_done();
}
