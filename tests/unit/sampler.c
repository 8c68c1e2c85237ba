/* lib/volume/locate, weight, sampler_way: counts against counting, how often each box is chosen against its probability, nnU-Net's own boxes
   (tests/golden/patch.txt), what is no volume to choose from. */
#include "tests/unit/tap.h"

#include "lib/volume/patch/sampler_way.h"

enum { X = 5, Y = 4, Z = 3, N = X * Y * Z, DRAWS = 60000, REACH = 16 };

static const int mixed[N] = {[0] = 1, [3] = 2, [19] = 1, [20] = 1, [21] = 3, [22] = 3, [40] = 200, [58] = 3, [59] = 3};

/* A volume of size x,y,z: image [2,z,y,x] F32, channel 0 its own index, channel 1 all 0; labels as given (NULL: no label); map F32 all 1. */
static void make(struct sampler_visit *v, const int64_t size[3], enum dtype t, const int *label)
{
	static const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
	int64_t n = size[0] * size[1] * size[2];
	struct tensor *to;
	struct err e;

	memset(v, 0, sizeof *v);
	v->index = calloc(1, sizeof *v->index);
	frame_init(&v->f, "volume", "a", &e);
	frame_set_affine(&v->f, affine, &e);
	to = frame_add(&v->f, "image", DT_F32, 4, (int64_t[]){2, size[2], size[1], size[0]}, &e);
	for (int64_t i = 0; i < 2 * n; i++)
		((float *)to->data)[i] = i < n ? (float)i : 0;
	to = frame_add(&v->f, "map", DT_F32, 3, (int64_t[]){size[2], size[1], size[0]}, &e);
	for (int64_t i = 0; i < n; i++)
		((float *)to->data)[i] = 1;
	if (label) {
		to = frame_add(&v->f, "label", t, 3, (int64_t[]){size[2], size[1], size[0]}, &e);
		for (int64_t i = 0; i < n; i++) {
			int64_t l = label[i];

			memcpy((char *)to->data + (size_t)i * dtype_size(t), &l, dtype_size(t));
		}
	}
	frame_grid(&v->f, &v->g, &e);
}

static void drop(struct sampler_visit *v)
{
	sampler_forget(v->index);
	free(v->index);
	frame_free(&v->f);
}

static int choose(const struct sampler_opts *o, struct sampler_visit *v, int64_t i, struct err *e)
{
	v->i = i;
	memcpy(v->size, o->size, sizeof v->size);
	rng_init(&v->r, 7, RNG_TEST, (uint64_t)i);
	return sampler_way(o->by)->choose(o, v, e);
}

static int *cell(int *hit, const int64_t start[3])
{
	return &hit[((start[2] + REACH) * 2 * REACH + start[1] + REACH) * 2 * REACH + start[0] + REACH];
}

/* Draw, and compare how often each start came with its probability p[start + REACH]; what has none must not come. */
static void frequencies(const char *name, const struct sampler_opts *o, struct sampler_visit *v, const double *p)
{
	enum { CELLS = 8 * REACH * REACH * REACH };
	int *hit = calloc(CELLS, sizeof *hit), bad = 0, some = 0;
	struct err e;

	for (int i = 0; i < DRAWS; i++)
		if (choose(o, v, i, &e))
			bad++;
		else
			++*cell(hit, v->start);
	for (int i = 0; i < CELLS; i++) {
		double mean = DRAWS * p[i];

		some += p[i] > 0;
		bad += p[i] > 0 ? fabs(hit[i] - mean) > 5 * sqrt(mean * (1 - p[i])) + 1 : hit[i] > 0;
	}
	ok(!bad && some, "%s: %d boxes as often as they should, %d not", name, some, bad);
	free(hit);
}

static double *none(void)
{
	return calloc(8 * REACH * REACH * REACH, sizeof(double));
}

static double *at(double *p, int64_t x, int64_t y, int64_t z)
{
	return &p[((z + REACH) * 2 * REACH + y + REACH) * 2 * REACH + x + REACH];
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static void counts(enum dtype t)
{
	static const struct locate_rule rule[] = {
		{.binary = 1, .last = 1}, {.last = 3}, {.first = 1, .last = 255, .strict = 1},
		{.binary = 1, .last = 1, .masked = 1, .threshold = 20}, {.last = 2, .masked = 3, .threshold = 0.5},
	};
	const int64_t size[3] = {X, Y, Z};

	for (size_t k = 0; k < sizeof rule / sizeof *rule; k++) {
		const struct locate_rule *r = &rule[k];
		int64_t want[LOCATE_CLASSES] = {0};
		struct sampler_visit v;
		struct err e;
		int bad = 0, n = 0;

		make(&v, size, t, mixed);
		for (int i = 0; i < N; i++) {
			int c = r->binary ? mixed[i] != 0 : mixed[i] >= r->first && mixed[i] <= r->last ? mixed[i] : -1;

			if (c >= 0 && (c >= r->masked || i > r->threshold))
				want[c]++;
		}
		bad += locate_make(&v.index->voxels, &v.f, &v.g, r, &e) != 0;
		for (int c = 0; c < LOCATE_CLASSES && !bad; c++)
			if (want[c]) {
				bad += v.index->voxels.class[n] != c || v.index->voxels.before[n * (Z + 1) + Z] != want[c];
				n++;
			}
		ok(!bad && n == v.index->voxels.n, "%s, rule %zu: %d classes counted", dtype_name(t), k, n);
		drop(&v);
	}
}

/* Around a voxel: MONAI's, expected from a probability a voxel. */
static double *placed(const double *voxel, const int64_t size[3])
{
	double *p = none();
	const int64_t dim[3] = {X, Y, Z};

	for (int i = 0; i < N; i++) {
		const int64_t c[3] = {i % X, i / X % Y, i / (X * Y)};
		int64_t s[3];

		for (int a = 0; a < 3; a++)
			s[a] = size[a] > dim[a] ? -((size[a] - dim[a]) / 2) : clamp(c[a] - size[a] / 2, 0, dim[a] - size[a]);
		*at(p, s[0], s[1], s[2]) += voxel[i];
	}
	return p;
}

static void by_class(const char *name, const struct sampler_opts *o, enum dtype t, const int *label, const double *voxel)
{
	struct sampler_visit v;
	double *p = placed(voxel, o->size);

	make(&v, (int64_t[]){X, Y, Z}, t, label);
	frequencies(name, o, &v, p);
	free(p);
	drop(&v);
}

static void pos_neg(void)
{
	static const double share[] = {0, 0.25, 1};
	static const enum dtype type[] = {DT_U8, DT_U16, DT_I32};
	int zero[N] = {0}, ones[N];
	double voxel[N];

	for (int k = 0; k < 3; k++) {
		struct sampler_opts o = {.by = SAMPLER_POS, .size = {1, 1, 1}, .pos = share[k]};

		for (int i = 0; i < N; i++)
			voxel[i] = mixed[i] ? o.pos / 9 : (1 - o.pos) / (N - 9);
		by_class("pos", &o, type[k], mixed, voxel);
	}
	for (int i = 0; i < N; i++) {
		voxel[i] = 1. / N;
		ones[i] = 1;
	}
	by_class("an empty mask", &(struct sampler_opts){.size = {3, 2, 1}, .pos = 1}, DT_U8, zero, voxel);
	by_class("foreground everywhere", &(struct sampler_opts){.size = {3, 3, 3}, .pos = 0}, DT_I64, ones, voxel);
	by_class("no label", &(struct sampler_opts){.size = {2, 7, 2}, .pos = 0}, DT_U8, NULL, voxel);
	for (int i = 0; i < N; i++)
		voxel[i] = mixed[i] ? 0.5 / 9 : i > 45 ? 0.5 / (N - 46 - 2) : 0;
	by_class("background above a threshold", &(struct sampler_opts){.size = {1, 2, 3}, .pos = 0.5, .masked = 1, .threshold = 45}, DT_U8, mixed, voxel);
}

/* Labels 0 to 3, 2:1:0:3; the label 200 is no class; then without those whose image is below 30, which leaves 0 and 3. */
static void classes(void)
{
	struct sampler_opts o = {.by = SAMPLER_CLASSES, .size = {1, 1, 1}, .classes = 4, .ratio = {2, 1, 0, 3}};
	double voxel[N];

	for (int i = 0; i < N; i++)
		voxel[i] = mixed[i] == 0 ? 2. / 6 / (N - 9) : mixed[i] == 1 ? 1. / 6 / 3 : mixed[i] == 3 ? 3. / 6 / 4 : 0;
	by_class("classes", &o, DT_I16, mixed, voxel);
	memcpy(o.size, (int64_t[]){4, 1, 2}, sizeof o.size);
	by_class("classes, larger patches", &o, DT_U8, mixed, voxel);
	o.masked = 1;
	o.threshold = 30;
	for (int i = 0; i < N; i++)
		voxel[i] = i <= 30 ? 0 : mixed[i] == 0 ? 2. / 5 / (29 - 3) : mixed[i] == 3 ? 3. / 5 / 2 : 0;
	by_class("classes above a threshold", &o, DT_I32, mixed, voxel);
}

/* Probability of each start: a class that is there, a voxel of it, the corner not below lo; else anywhere from lo to hi. */
static void nnunet(const int64_t size[3], const int64_t final[3], double oversample, const int *label, int kinds)
{
	struct sampler_opts o = {.by = SAMPLER_OVERSAMPLE, .oversample = oversample};
	const int64_t dim[3] = {X, Y, Z};
	int64_t lo[3], hi[3], places = 1;
	int of[LOCATE_CLASSES] = {0};
	double *p = none();
	struct sampler_visit v;
	char name[80];

	memcpy(o.size, size, sizeof o.size);
	memcpy(o.final, final, sizeof o.final);
	for (int a = 0; a < 3; a++) {
		int64_t pad = size[a] - final[a] > size[a] - dim[a] ? size[a] - final[a] : size[a] - dim[a];

		lo[a] = -(pad / 2 + pad % 2);
		hi[a] = dim[a] + pad / 2 + pad % 2 - size[a];
		places *= hi[a] - lo[a] + 1;
	}
	for (int i = 0; i < N; i++)
		of[label[i]]++;
	for (int i = 0; i < N && kinds; i++)
		if (label[i])
			*at(p, clamp(i % X - size[0] / 2, lo[0], X), clamp(i / X % Y - size[1] / 2, lo[1], Y), clamp(i / (X * Y) - size[2] / 2, lo[2], Z)) +=
				oversample / kinds / of[label[i]];
	for (int64_t z = lo[2]; z <= hi[2]; z++)
		for (int64_t y = lo[1]; y <= hi[1]; y++)
			for (int64_t x = lo[0]; x <= hi[0]; x++)
				*at(p, x, y, z) += (kinds ? 1 - oversample : 1) / (double)places;
	make(&v, dim, DT_I16, label);
	snprintf(name, sizeof name, "oversample %g, %lld,%lld,%lld", oversample, (long long)size[0], (long long)size[1], (long long)size[2]);
	frequencies(name, &o, &v, p);
	free(p);
	drop(&v);
}

/* The label 200 is to be ignored: no centre, nor, as in nnU-Net, that of a patch from anywhere. */
static void ignored(void)
{
	struct sampler_opts o = {.by = SAMPLER_POS, .size = {1, 1, 1}, .final = {1, 1, 1}, .pos = 0.3, .oversample = 0.4, .ignores = 1, .ignore = 200};
	double voxel[N];

	for (int i = 0; i < N; i++)
		voxel[i] = mixed[i] == 200 ? 0 : mixed[i] ? 0.3 / 8 : 0.7 / (N - 9);
	by_class("pos with a label to be ignored", &o, DT_U8, mixed, voxel);
	o.by = SAMPLER_OVERSAMPLE;
	for (int i = 0; i < N; i++)
		voxel[i] = mixed[i] == 200 ? 0 : 0.6 / (N - 1) + (mixed[i] ? 0.4 / 3 / (mixed[i] == 1 ? 3 : mixed[i] == 2 ? 1 : 4) : 0);
	by_class("oversample with a label to be ignored", &o, DT_I16, mixed, voxel);
}

/* Boxes and batches that nnU-Net itself gave. */
static void nnunet_golden(void)
{
	FILE *f = fopen("tests/golden/patch.txt", "r");
	char line[4096];
	int bad = 0, n = 0;

	while (f && fgets(line, sizeof line, f)) {
		long long patch, final, length, voxel, start, batch, first;
		struct sampler_visit v;
		struct err e;
		double percent;

		if (sscanf(line, "forced %lld %lld %lld %lld %lld", &patch, &final, &length, &voxel, &start) == 5) {
			struct sampler_opts o = {.by = SAMPLER_OVERSAMPLE, .size = {patch, 1, 1}, .final = {final, 1, 1}, .oversample = 1};
			int label[64] = {0};

			label[voxel] = 5;
			make(&v, (int64_t[]){length, 1, 1}, DT_U8, label);
			bad += choose(&o, &v, n, &e) || v.start[0] != start;
			n++;
			drop(&v);
		} else if (sscanf(line, "batch %lld %lf %lld", &batch, &percent, &first) == 3) {
			struct sampler_opts o = {.by = SAMPLER_OVERSAMPLE, .size = {1, 1, 1}, .final = {1, 1, 1}, .oversample = percent, .batch = batch};
			int64_t missed = 0;

			make(&v, (int64_t[]){X, Y, Z}, DT_U8, (int[N]){[33] = 1});
			for (int i = 0; i < 40 * batch; i++) {
				bad += choose(&o, &v, i, &e) != 0;
				if (v.start[0] == 3 && v.start[1] == 2 && v.start[2] == 1)
					continue;
				missed++;
				bad += i % batch >= first;
			}
			bad += first ? missed < 40 * first * 9 / 10 : missed > 0;
			n++;
			drop(&v);
		}
	}
	if (f)
		fclose(f);
	ok(n == 70 && !bad, "%d of nnU-Net's own boxes and batches, %d differ", n, bad);
}

static void weights(void)
{
	struct sampler_opts o = {.by = SAMPLER_WEIGHT, .size = {1, 1, 1}, .weight = "map"};
	struct sampler_visit v;
	double *p = none(), sum = 0;
	float *map;

	/* In MONAI's region the last voxel of an axis is no centre. */
	make(&v, (int64_t[]){X, Y, Z}, DT_U8, NULL);
	map = frame_find(&v.f, "map")->data;
	for (int i = 0; i < N; i++)
		map[i] = i / X % Y == 1 || i == 25 ? 0 : (float)(i % 7) + 0.25f;
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < N; i++)
			if (i % X < X - 1 && i / X % Y < Y - 1 && i / (X * Y) < Z - 1) {
				if (k)
					*at(p, i % X, i / X % Y, i / (X * Y)) = map[i] / sum;
				else
					sum += map[i];
			}
	frequencies("weights", &o, &v, p);
	free(p);
	sampler_forget(v.index);

	for (int i = 0; i < N; i++)
		map[i] = i == N - 1;
	p = none();
	for (int i = 0; i < 24; i++)
		*at(p, i % 4, i / 4 % 3, i / 12) = 1. / 24;
	frequencies("weights that are all 0", &o, &v, p);
	free(p);
	sampler_forget(v.index);

	map[0] = map[33] = 1e-40f;
	p = none();
	*at(p, 0, 0, 0) = *at(p, 3, 2, 1) = 0.5;
	frequencies("two tiny weights", &o, &v, p);
	free(p);
	sampler_forget(v.index);

	/* Of several channels the first: 0, 1, 2, ... */
	o.weight = "image";
	p = none();
	sum = 0;
	for (int i = 0; i < 24; i++)
		sum += i % 4 + i / 4 % 3 * X + i / 12 * X * Y;
	for (int i = 0; i < 24; i++)
		*at(p, i % 4, i / 4 % 3, i / 12) = (i % 4 + i / 4 % 3 * X + i / 12 * X * Y) / sum;
	frequencies("weights of a tensor with channels", &o, &v, p);
	free(p);
	sampler_forget(v.index);

	memcpy(o.size, (int64_t[]){9, 4, 2}, sizeof o.size);
	p = none();
	*at(p, -2, 0, 0) = 1;
	frequencies("weights, a patch longer than the volume", &o, &v, p);
	free(p);
	drop(&v);
}

static void refused(void)
{
	static const struct { float w; const char *text; } bad[] = {
		{-1, "map: weight -1 at voxel 2,1,1 (expected finite, 0 or more)"}, {NAN, "map: weight nan at voxel 2,1,1 (expected finite, 0 or more)"},
		{INFINITY, "map: weight inf at voxel 2,1,1 (expected finite, 0 or more)"},
	};
	struct sampler_opts o = {.by = SAMPLER_WEIGHT, .size = {1, 1, 1}, .final = {1, 1, 1}, .weight = "map"};
	struct sampler_visit v;
	struct err e;
	int large[N] = {[3] = 255, [27] = 256, [30] = 999};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		make(&v, (int64_t[]){X, Y, Z}, DT_U8, NULL);
		((float *)frame_find(&v.f, "map")->data)[27] = bad[i].w;
		ok(choose(&o, &v, 0, &e) == -1 && !strcmp(e.text, bad[i].text), "%s", e.text);
		drop(&v);
	}
	make(&v, (int64_t[]){X, Y, Z}, DT_I32, large);
	o.by = SAMPLER_OVERSAMPLE;
	o.oversample = 1;
	ok(choose(&o, &v, 0, &e) == -1 && !strcmp(e.text, "label 256 at voxel 2,1,1 (expected at most 255)"), "%s", e.text);
	o.by = SAMPLER_CLASSES;
	o.classes = 3;
	o.ratio[1] = 1;
	ok(choose(&o, &v, 0, &e) == -1 && !strcmp(e.text, "no voxel of the classes that --classes gives a share"), "%s", e.text);
	sampler_forget(v.index);
	memset(frame_find(&v.f, "label")->data, 0, N * 4);
	o.by = SAMPLER_POS;
	o.masked = 1;
	o.threshold = N;
	ok(choose(&o, &v, 0, &e) == -1 && !strcmp(e.text, "no voxel to centre a patch on: no foreground, and no image above 60"), "%s", e.text);
	drop(&v);
}

/* One voxel, patches larger than it: where each way puts them. */
static void one_voxel(void)
{
	static const enum sampler_by by[] = {SAMPLER_POS, SAMPLER_CLASSES, SAMPLER_OVERSAMPLE, SAMPLER_WEIGHT, SAMPLER_GRID};

	for (int size = 1; size < 4; size += 2)
		for (size_t k = 0; k < sizeof by / sizeof *by; k++) {
			struct sampler_opts o = {.by = by[k], .size = {size, size, size}, .final = {size, size, size}, .pos = 1, .classes = 2, .ratio = {1, 1},
			                         .oversample = 0.5, .weight = "map"};
			struct sampler_visit v;
			struct err e;
			int bad = 0;

			make(&v, (int64_t[]){1, 1, 1}, DT_U8, (int[]){1});
			for (int i = 0; i < 20; i++)
				bad += choose(&o, &v, i, &e) || v.start[0] != -(size / 2) || v.start[1] != -(size / 2) || v.start[2] != -(size / 2);
			ok(!bad, "one voxel, patch %d, way %d", size, (int)by[k]);
			drop(&v);
		}
}

int main(void)
{
	static const enum dtype type[] = {DT_U8, DT_U16, DT_I16, DT_U32, DT_I32, DT_U64, DT_I64};
	static const int empty[N] = {0};

	for (size_t i = 0; i < sizeof type / sizeof *type; i++)
		counts(type[i]);
	pos_neg();
	classes();
	ignored();
	nnunet((int64_t[]){1, 1, 1}, (int64_t[]){1, 1, 1}, 0.33, mixed, 4);
	nnunet((int64_t[]){3, 2, 2}, (int64_t[]){3, 2, 2}, 0.7, mixed, 4);
	nnunet((int64_t[]){5, 3, 2}, (int64_t[]){3, 3, 1}, 0.5, mixed, 4);
	nnunet((int64_t[]){8, 4, 6}, (int64_t[]){8, 4, 6}, 1, mixed, 4);
	nnunet((int64_t[]){2, 2, 2}, (int64_t[]){2, 2, 2}, 1, empty, 0);
	nnunet_golden();
	weights();
	refused();
	one_voxel();
	return tap_done();
}
