/* SwinUNETR against MONAI's own numbers (tests/golden/make_swin.py): logits, loss, norms of all gradients; weights and
   input by the script's formula. */
#include "tests/unit/cpu.h"

#include <zlib.h>

#include "lib/net/net.h"

static const struct k_backend *k;
static struct err e;

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

static void fill(struct net *n)
{
	const struct net_param *p;
	int count;

	p = net_params(n, &count);
	for (int i = 0; i < count; i++) {
		double scale = p[i].rank == 1 ? 0.2 : ends(p[i].name, "table") ? 0.5 : 1.5 / sqrt((double)(p[i].count / p[i].shape[0]));
		double middle = p[i].rank == 1 && ends(p[i].name, "weight");
		uint32_t crc = crc_of(p[i].name);

		for (int64_t j = 0; j < p[i].count; j++)
			p[i].w[j] = (float)(noise(crc, j) * scale + middle);
	}
	net_changed(n);
}

static struct net *open_case(const char *name, const char *text, int64_t batch, const int64_t size[3], uint8_t **label)
{
	json_t *arch = json_loads(text, 0, NULL);
	struct net *n = net_new(arch, k, &e);
	int64_t vox = batch * size[0] * size[1] * size[2], one = vox / batch, c;

	ok(n && !net_plan(n, batch, size, 1, &e), "%s%s%s", name, n ? "" : ": ", n ? "" : e.text);
	json_decref(arch);
	if (!n)
		return NULL;
	fill(n);
	c = net_channels(n);
	for (int64_t v = 0; v < vox; v++)
		for (int64_t i = 0; i < c; i++)
			net_input(n)[v * c + i] = (float)noise(crc_of("input"), (v / one * c + i) * one + v % one);
	*label = malloc((size_t)vox);
	for (int64_t v = 0; v < vox; v++)
		(*label)[v] = (uint8_t)((noise(crc_of("label"), v) + 1) / 2 * net_classes(n));
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
enum { GRADS = 400 };
struct seen { double off, size; int logits, grads, wrong; double got[GRADS], want[GRADS]; };

static void logit(struct net *n, const float *got, int64_t batch, const char *line, struct seen *s)
{
	long long i;
	double want;
	int64_t one = net_vox(n) / batch, classes = net_classes(n);

	if (!got || sscanf(line, "logit %lld %lf", &i, &want) != 2) {
		s->wrong++;
		return;
	}
	s->off = fmax(s->off, fabs(got[(i / (classes * one) * one + i % one) * classes + i / one % classes] - want));
	s->size = fmax(s->size, fabs(want));
	s->logits++;
}

static void gradient(struct net *n, const char *line, struct seen *s)
{
	const struct net_param *p;
	char name[200];
	double want, sum = 0;

	if (sscanf(line, "grad %lf %199s", &want, name) != 2 || !(p = param(n, name)) || s->grads == GRADS) {
		printf("# no %s", line);
		s->wrong++;
		return;
	}
	for (int64_t j = 0; j < p->count; j++)
		sum += (double)p->g[j] * p->g[j];
	s->got[s->grads] = sqrt(sum);
	s->want[s->grads++] = want;
}

/* Largest difference of two norms, against the norm and a thousandth of the largest. */
static double gradients_off(const struct seen *s)
{
	double largest = 0, bad = 0;

	for (int i = 0; i < s->grads; i++)
		largest = fmax(largest, s->want[i]);
	for (int i = 0; i < s->grads; i++) {
		double off = fabs(s->got[i] - s->want[i]) / (s->want[i] + 1e-3 * largest);

		bad = off <= bad ? bad : off;
	}
	return bad;
}

static void finish(struct net *n, const char *name, const struct seen *s)
{
	int count = 0;
	double off = gradients_off(s);

	if (!n)
		return;
	net_params(n, &count);
	ok(!s->wrong && s->logits > 300 && s->off < 1e-4 * s->size, "%s: %d logits, off by %.1e of their largest", name, s->logits, s->off / s->size);
	ok(s->grads == count && off < 1e-3, "%s: norms of %d gradients of %d, off by %.1e", name, s->grads, count, off);
	net_free(n);
}

int main(void)
{
	const struct k_loss terms = {.w_dice = 1, .w_ce = 1, .squared = 1, .background = 1, .smooth_nr = 1e-5f, .smooth_dr = 1e-5f};
	FILE *f = fopen("tests/golden/swin.tsv", "r");
	char line[2000], name[40] = "", arch[1500];
	struct net *n = NULL;
	struct seen seen = {0};
	uint8_t *label = NULL;
	const float *got = NULL;
	long long batch = 1, d, h, w;
	double out[3], want;

	k = cpu(getenv("P") ? K_BF16 : K_FP32);
	ok(!!f, "tests/golden/swin.tsv");
	while (k && f && fgets(line, sizeof line, f)) {
		if (!strncmp(line, "case", 4)) {
			finish(n, name, &seen);
			n = NULL;
			if (sscanf(line, "case %39s %1499s %lld %lld %lld %lld", name, arch, &batch, &d, &h, &w) != 6)
				break;
			free(label);
			label = NULL;
			seen = (struct seen){0};
			n = open_case(name, arch, batch, (int64_t[]){d, h, w}, &label);
			if (!n)
				break;
			net_zero_grad(n, &e);
			got = net_forward(n, &e);
		} else if (!strncmp(line, "logit", 5)) {
			logit(n, got, batch, line, &seen);
		} else if (sscanf(line, "loss %lf", &want) == 1) {
			ok(!net_backward(n, &terms, label, out, &e) && near_to(out[0], want, 0, 1e-5), "%s: loss %.7f, MONAI %.7f", name, out[0], want);
		} else {
			gradient(n, line, &seen);
		}
	}
	finish(n, name, &seen);
	free(label);
	if (f)
		fclose(f);
	return tap_done();
}
