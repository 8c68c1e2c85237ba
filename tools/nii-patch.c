/* nii-patch: training patches from labelled volumes.
   In: volume frames with image [C,Z,Y,X] and label [Z,Y,X], from a saved stream (visited by index, again and again) or a pipe (volume by volume).
   Out: patch frames with the same tensors cut to --size; metadata patch = index, history with the box.
   Patch i is the same patch whatever --skip, --shard and -n. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arg.h"
#include "lib/base/progress.h"
#include "lib/volume/sampler.h"

struct opts {
	struct sampler_opts s;
	int64_t seed;
	const char *shard;
	double pos, overlap; /* -1: not given */
	struct arg_common c;
};

static void take_shard(const char *text, struct sampler_opts *s)
{
	const char *slash = strchr(text, '/');
	char first[24] = "";
	struct err e;

	if (slash && slash - text < (int)sizeof first)
		memcpy(first, text, (size_t)(slash - text));
	if (!slash || arg_int(first, 0, 65535, &s->shard, &e) || arg_int(slash + 1, 1, 65536, &s->shards, &e) || s->shard >= s->shards)
		err_usage("--shard: '%.80s' is not I/N with 0 <= I < N", text);
}

/* Options that exclude or ask for one another. */
static void settle(struct opts *o)
{
	if (!o->s.size[0])
		err_usage("--size X,Y,Z wanted: voxels of a patch");
	if (o->s.grid && o->pos >= 0)
		err_usage("--pos has no meaning with --grid");
	if (!o->s.grid && o->overlap >= 0)
		err_usage("--overlap has no meaning without --grid");
	if (o->pos >= 0)
		o->s.pos = o->pos;
	if (o->overlap >= 0)
		o->s.overlap = o->overlap;
	if (o->shard)
		take_shard(o->shard, &o->s);
	o->s.seed = (uint64_t)o->seed;
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

static int write_all(const struct opts *o, struct sampler *s, struct out *out, struct err *e)
{
	int64_t left = o->s.n > o->s.skip ? (o->s.n - o->s.skip) / o->s.shards : 0, done = 0;
	struct progress p;
	struct frame f = {0};
	int r;

	progress_start(&p, &o->c, "patch", left);
	while ((r = sampler_next(s, &f, e)) == 1) {
		r = frame_write(&f, out, e);
		if (!r && o->c.verbose)
			err_warn("%s: patch %s", frame_id(&f), frame_meta(&f, "patch"));
		frame_free(&f);
		if (r)
			return -1;
		progress_to(&p, ++done, NULL);
	}
	if (!r && !done)
		r = err_set(e, NULL, "no patch at all: the sequence ends before patch %lld", (long long)o->s.skip);
	if (!r)
		progress_end(&p);
	return r;
}

static int run(struct opts *o, struct err *e)
{
	struct sampler *s = sampler_open(o->c.argc ? o->c.argv[0] : NULL, &o->s, e);
	struct out out = {.fd = -1};
	int r = -1;

	if (!s)
		return -1;
	look_at_output(o, s);
	if (out_open(&out, o->c.out, 1, e))
		goto out;
	r = write_all(o, s, &out, e);
	if (!r)
		r = out_close(&out, e);
out:
	out_abort(&out);
	sampler_close(s);
	return r;
}

int main(int argc, char **argv)
{
	struct opts o = {.s = {.pos = 0.25, .per_volume = 1, .shards = 1}, .pos = -1, .overlap = -1};
	struct err e;
	const struct arg args[] = {
		{'s', "size", ARG_INT, o.s.size, "X,Y,Z", "size of a patch, voxels (must be given)", 1, 4096, 3},
		{0, "pos", ARG_FLOAT, &o.pos, "P", "fraction of patches centred on foreground (0.25)", 0, 1},
		{'n', "number", ARG_INT, &o.s.n, "N", "the sequence ends before patch N (a file: no end; a pipe: its end)", 1, 1e15},
		{0, "seed", ARG_INT, &o.seed, "S", "which sequence (0)", 0, 9e15},
		{0, "skip", ARG_INT, &o.s.skip, "K", "begin with patch K of the sequence (0)", 0, 1e15},
		{0, "shard", ARG_STR, &o.shard, "I/N", "only patches i of the sequence with i mod N = I (0/1)"},
		{0, "per-volume", ARG_INT, &o.s.per_volume, "K", "patches a visit to a volume (1)", 1, 1e9},
		{0, "grid", ARG_FLAG, &o.s.grid, NULL, "all patches of a grid over each volume instead of random ones"},
		{0, "overlap", ARG_FLOAT, &o.overlap, "F", "of the grid, fraction of the patch (0)", 0, 0.99},
		{0, "fill", ARG_FLOAT, &o.s.fill, "V", "image value outside the volume (0)"},
		{0},
	};
	const struct arg_spec spec = {"nii-patch", "[FILE]", "training patches from labelled volumes", args, ARG_OUT | ARG_PROGRESS, 0, 1};

	arg_parse(&spec, argc, argv, &o.c);
	settle(&o);
	if (run(&o, &e))
		err_die(&e);
	return 0;
}
