/* nii-patch: training patches from labelled volumes.
   In: volume frames with image [C,Z,Y,X] and label [Z,Y,X], from a saved stream (visited by index, again and again) or a pipe (volume by volume).
   Out: patch frames with the same tensors cut to a box; metadata patch = index, history with the box.
   Patch i is the same patch whatever --skip, --shard and -n. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arg.h"
#include "lib/base/progress.h"
#include "lib/comm/launcher.h"
#include "lib/net/planner/plans.h"
#include "lib/stream/turns.h"
#include "lib/volume/patch/sampler.h"

struct opts {
	struct sampler_opts s;
	struct arg_floats classes, above, fill;
	double pos, oversample, overlap;  /* -1: not given */
	int64_t batch, per_volume, seed, ignore;  /* -1: not given */
	int grid, whole;
	const char *shard, *plan, *configuration, *regions_text;
	struct regions regions;
	struct arg_common c;
};

/* One option for each enum sampler_by. */
static const char *const way[] = {"pos", "classes", "oversample", "weight", "grid", "whole"};
enum { WAYS = sizeof way / sizeof *way };
_Static_assert((int)ARG_LIST <= (int)SAMPLER_CLASSES_MAX, "--classes takes more ratios than the sampler");

/* nnU-Net's share of patches around foreground (nnUNetTrainer: oversample_foreground_percent). */
static const double FOREGROUND = 0.33;

static void take_shard(const char *text, struct sampler_opts *s)
{
	const char *slash = strchr(text, '/');
	char first[24] = "";
	struct launcher l;
	struct err e;

	if (!strcmp(text, "auto")) {
		if (launcher_read(&l, &e))
			err_die(&e);
		s->shard = l.rank;
		s->shards = l.size;
		return;
	}
	if (slash && slash - text < (int)sizeof first)
		memcpy(first, text, (size_t)(slash - text));
	if (!slash || arg_int(first, 0, 65535, &s->shard, &e) || arg_int(slash + 1, 1, 65536, &s->shards, &e) || s->shard >= s->shards)
		err_usage("--shard: '%.80s' is neither I/N with 0 <= I < N nor auto", text);
}

static void choose_way(struct opts *o)
{
	const int given[WAYS] = {o->pos >= 0, o->classes.n > 0, o->oversample >= 0, o->s.weight != NULL, o->grid, o->whole};
	int n = 0;

	for (int i = 0; i < WAYS; i++)
		if (given[i]) {
			if (n++)
				err_usage("--%s and --%s exclude each other", way[o->s.by], way[i]);
			o->s.by = (enum sampler_by)i;
		}
}

/* Options that say something in some of the ways only. */
static void refuse_strangers(const struct opts *o)
{
	enum { POS = 1 << SAMPLER_POS, CLASSES = 1 << SAMPLER_CLASSES, OVERSAMPLE = 1 << SAMPLER_OVERSAMPLE, GRID = 1 << SAMPLER_GRID,
	       WHOLE = 1 << SAMPLER_WHOLE };
	const struct { const char *name; int given, in; } option[] = {
		{"size", o->s.size[0] > 0, ~WHOLE},       {"fill", o->fill.n, ~WHOLE},
		{"seed", o->seed >= 0, ~GRID},            {"per-volume", o->per_volume > 0, ~(GRID | WHOLE)},
		{"above", o->above.n, POS | CLASSES},     {"batch", o->batch > 0, OVERSAMPLE},
		{"final", o->s.final[0] > 0, OVERSAMPLE}, {"overlap", o->overlap >= 0, GRID},
		{"ignore-label", o->ignore >= 0, POS | CLASSES | OVERSAMPLE}, {"regions", o->regions_text != NULL, OVERSAMPLE},
	};

	for (size_t i = 0; i < sizeof option / sizeof *option; i++)
		if (option[i].given && !(option[i].in >> o->s.by & 1))
			err_usage("--%s has no meaning with --%s", option[i].name, way[o->s.by]);
}

static double one(const char *name, const struct arg_floats *v)
{
	if (v->n > 1)
		err_usage("--%s: 1 value wanted, %d given", name, v->n);
	return v->v[0];
}

static void take_classes(const struct arg_floats *v, struct sampler_opts *s)
{
	double sum = 0;

	s->classes = v->n;
	for (int i = 0; i < v->n; i++)
		sum += s->ratio[i] = v->v[i];
	if (v->n && !(sum > 0))
		err_usage("--classes: all of them have a ratio of 0");
}

static void take_final(struct sampler_opts *s)
{
	for (int a = 0; a < 3; a++) {
		if (!s->final[a])
			s->final[a] = s->size[a];
		if (s->final[a] > s->size[a])
			err_usage("--final is larger than --size");
	}
}

static int check(const struct frame *f, void *arg, struct err *e)
{
	return plans_check_frame(arg, f, e);
}

/* What was not given comes from the plan; volumes must be those that it was made of, prepared as it says. */
static void take_plan(struct opts *o)
{
	static struct plans p;
	const double given[] = {o->pos, o->oversample, o->grid - 1, o->whole - 1, o->classes.n - 1, (o->s.weight != NULL) - 1};
	struct err e;
	int ways = 0;

	if (plans_load(&p, o->plan, o->configuration, &e))
		err_die(&e);
	for (size_t i = 0; i < sizeof given / sizeof *given; i++)
		ways += given[i] >= 0;
	for (int k = 0; k < 3 && !o->whole; k++)
		o->s.size[k] = o->s.size[k] ? o->s.size[k] : p.roi[2 - k];
	if (!ways) {
		o->oversample = FOREGROUND;
		o->batch = o->batch > 0 ? o->batch : p.batch;
	}
	o->s.check = check;
	o->s.arg = &p;
}

static void take_regions(struct opts *o)
{
	struct err e;

	if (!o->regions_text)
		return;
	if (regions_parse(&o->regions, o->regions_text, &e) || regions_ignore(&o->regions, &o->ignore, &e))
		err_usage("--regions: %s", e.text);
	o->s.regions = &o->regions;
}

static void settle(struct opts *o)
{
	if (o->plan)
		take_plan(o);
	choose_way(o);
	refuse_strangers(o);
	take_regions(o);
	if (!o->s.size[0] && !o->whole)
		err_usage("--size X,Y,Z wanted: voxels of a patch");
	o->s.pos = o->pos >= 0 ? o->pos : 0.25;
	o->s.oversample = o->oversample;
	o->s.overlap = o->overlap >= 0 ? o->overlap : 0;
	o->s.batch = o->batch > 0 ? o->batch : 0;
	o->s.per_volume = o->per_volume > 0 ? o->per_volume : 1;
	o->s.seed = o->seed >= 0 ? (uint64_t)o->seed : 0;
	o->s.fill = one("fill", &o->fill);
	o->s.masked = o->above.n > 0;
	o->s.ignores = o->ignore >= 0;
	o->s.ignore = (int)o->ignore;
	o->s.threshold = one("above", &o->above);
	take_classes(&o->classes, &o->s);
	take_final(&o->s);
	if (o->shard)
		take_shard(o->shard, &o->s);
}

/* A file would be filled to the disk's end by a sequence without one; two bars in one pipeline would write over each other. */
static void look_at_output(struct opts *o, const struct sampler *s)
{
	struct stat st = {0};
	int known = o->c.out ? !stat(o->c.out, &st) : !fstat(STDOUT_FILENO, &st);

	if (sampler_endless(s) && (known ? S_ISREG(st.st_mode) : 1))
		err_usage("-n N wanted: the patches of a saved stream have no end, and the output is a file");
	if (!o->c.progress && known && S_ISFIFO(st.st_mode))
		o->c.progress = 3;
}

/* Networks see voxels and no world. */
static void look_at_axes(const struct opts *o, const struct sampler *s)
{
	const char *code[2];
	int64_t n = sampler_turned(s, code);

	if (n && !o->c.quiet)
		err_warn("the axes of %lld volume%s run otherwise (%s) than those of the first (%s): nii-resample --orient makes all alike", (long long)n,
		         n == 1 ? "" : "s", code[1], code[0]);
}

/* One thread cuts the next patch while another writes. */
struct run { const struct opts *o; struct sampler *s; struct out out; struct progress bar; int64_t done; int warned; };

static int take(struct frame *f, void *arg, struct err *e)
{
	struct run *r = arg;
	int got = sampler_next(r->s, f, e);
	int64_t barren = r->warned || r->o->c.quiet ? 0 : sampler_barren(r->s);

	if (barren && got >= 0) {
		err_warn("no foreground in any volume (%lld): every patch is around background", (long long)barren);
		r->warned = 1;
	}
	return got;
}

static int put(struct frame *f, int got, void *arg, struct err *e)
{
	struct run *r = arg;
	const struct sampler_opts *s = &r->o->s;

	if (!got && !r->done)
		return err_set(e, NULL, "no patch at all: the sequence ends before patch %lld",
		               (long long)(s->skip + ((s->shard - s->skip) % s->shards + s->shards) % s->shards));
	if (got != 1)
		return got;
	if (frame_give(f, &r->out, e))
		return -1;
	if (r->o->c.verbose)
		err_warn("%s: patch %s", frame_id(f), frame_meta(f, "patch"));
	progress_to(&r->bar, ++r->done, NULL);
	return 1;
}

static int run(struct opts *o, struct err *e)
{
	static const struct turns_of of = {take, NULL, put};
	static struct run r; /* a thread may be left with it */
	const int64_t left = o->s.n > o->s.skip ? (o->s.n - o->s.skip) / o->s.shards : 0;
	int bad, inside = 0;

	r.o = o;
	if (!(r.s = sampler_open(o->c.argc ? o->c.argv[0] : NULL, &o->s, e)))
		return -1;
	look_at_output(o, r.s);
	look_at_axes(o, r.s);
	bad = out_open(&r.out, o->c.out, 1, e);
	if (!bad) {
		progress_start(&r.bar, &o->c, "patch", left);
		bad = turns_run(2, &of, &r, &inside, e);
	}
	if (!bad) {
		progress_end(&r.bar);
		bad = out_close(&r.out, e);
	}
	out_abort(&r.out);
	if (!inside)
		sampler_close(r.s);
	return bad;
}

int main(int argc, char **argv)
{
	struct opts o = {.s = {.shards = 1}, .pos = -1, .oversample = -1, .overlap = -1, .batch = -1, .per_volume = -1, .seed = -1, .ignore = -1};
	struct err e;
	const struct arg args[] = {
		{'s', "size", ARG_INT, o.s.size, "X,Y,Z", "size of a patch, voxels (must be given, but for --whole)", 1, 4096, 3},
		{0, "pos", ARG_FLOAT, &o.pos, "P", "around a voxel: foreground for this fraction of patches, else background (0.25)", 0, 1},
		{0, "classes", ARG_FLOATS, &o.classes, "R,R,...", "around a voxel of label 0, 1, ...: ratios of patches", 0, 1e9},
		{0, "oversample", ARG_FLOAT, &o.oversample, "P", "anywhere, but this fraction of patches around foreground, as nnU-Net", 0, 1},
		{0, "weight", ARG_STR, &o.s.weight, "NAME", "around a voxel drawn by this tensor's weights"},
		{0, "grid", ARG_FLAG, &o.grid, NULL, "all patches of a grid over each volume"},
		{0, "whole", ARG_FLAG, &o.whole, NULL, "whole volumes"},
		{0, "above", ARG_FLOATS, &o.above, "T", "of pos, classes: background (any class) only where image is above T"},
		{0, "batch", ARG_INT, &o.batch, "N", "of oversample: the last ones of each N patches (each by chance)", 1, 65536},
		{0, "final", ARG_INT, o.s.final, "X,Y,Z", "of oversample: what augmentation leaves of a patch, voxels (all)", 1, 4096, 3},
		{0, "regions", ARG_STR, &o.regions_text, "R/R/...|JSON", "of oversample: around these sets of labels, each as often (each label)"},
		{0, "ignore-label", ARG_INT, &o.ignore, "N", "of pos, classes, oversample: no patch is around a voxel of this label (none)", 0, 255},
		{0, "overlap", ARG_FLOAT, &o.overlap, "F", "of the grid, fraction of the patch (0)", 0, 0.99},
		{'n', "number", ARG_INT, &o.s.n, "N", "the sequence ends before patch N (a file: no end; a pipe: its end)", 1, 1e15},
		{0, "seed", ARG_INT, &o.seed, "S", "which sequence (0)", 0, 9e15},
		{0, "skip", ARG_INT, &o.s.skip, "K", "begin with patch K of the sequence (0)", 0, 1e15},
		{0, "shard", ARG_STR, &o.shard, "I/N", "only patches i with i mod N = I; auto: what mpirun or srun says (0/1)"},
		{0, "per-volume", ARG_INT, &o.per_volume, "K", "patches a visit to a volume (1)", 1, 1e9},
		{0, "fill", ARG_FLOATS, &o.fill, "V", "image value outside the volume (0)"},
		{0, "plan", ARG_STR, &o.plan, "FILE", "size, --oversample 0.33 and --batch as seg-plan's or nnU-Net's plans.json says"},
		{0, "configuration", ARG_STR, &o.configuration, "NAME", "of the plan (" PLANS_CONFIGURATION ")"},
		{0},
	};
	const struct arg_spec spec = {"nii-patch", "[FILE]", "training patches from labelled volumes", args, ARG_OUT | ARG_PROGRESS, 0, 1};

	arg_parse(&spec, argc, argv, &o.c);
	settle(&o);
	if (run(&o, &e))
		err_die(&e);
	return 0;
}
