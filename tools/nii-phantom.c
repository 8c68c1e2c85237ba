/* nii-phantom: synthetic chest CTs with tumours and truth.

   Reads nothing; writes -n volume frames: image (int16, HU; with --pet float32, HU and SUV), label (1 = tumour). Phantom i depends on the seed and
   i alone: the same patient whatever the grid, --skip or --threads. Without --spacing the grid covers 345.6 x 345.6 x 288 mm, without --size it is as
   many voxels as cover that. With --into: reads volume frames and plants tumours into their lungs. */
#include "lib/base/arg.h"
#include "lib/base/progress.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"
#include "lib/volume/phantom/phantom.h"

struct opts {
	const char *into;
	int64_t n, skip, seed, size[3], seen;
	double spacing[3], healthy, volume[2];
	int pet;
};

static int record(const struct opts *o, uint64_t index, struct frame *f, struct err *e)
{
	json_t *args = json_pack("{s:I, s:I, s:f, s:o}", "seed", (json_int_t)o->seed, "skip", (json_int_t)index, "healthy", o->healthy, "volume",
	                         json_reals(o->volume, 2));

	if (o->pet)
		json_object_set_new(args, "pet", json_true());
	if (o->into)
		json_object_set_new(args, "into", json_true());
	else {
		json_object_set_new(args, "size", json_ints(o->size, 3));
		json_object_set_new(args, "spacing", json_reals(o->spacing, 3));
	}
	return history_push(f, "nii-phantom", args, NULL, NULL, e);
}

static struct phantom_opts what(const struct opts *o)
{
	return (struct phantom_opts){(uint64_t)o->seed, {o->size[0], o->size[1], o->size[2]}, {o->spacing[0], o->spacing[1], o->spacing[2]},
	                             o->healthy, {o->volume[0], o->volume[1]}, o->pet};
}

static int plant(struct frame *f, void *arg, struct err *e)
{
	struct opts *o = arg;
	struct phantom_opts p = what(o);
	uint64_t index = (uint64_t)(o->skip + o->seen++);

	return phantom_plant(&p, index, f, e) || record(o, index, f, e) ? -1 : 0;
}

static int plant_all(struct opts *o, struct arg_common *c, struct err *e)
{
	char *file = (char *)o->into;

	c->argc = 1, c->argv = &file;
	return stream_filter(c, plant, o, e);
}

static int run(const struct opts *o, const struct arg_common *c, struct err *e)
{
	struct phantom_opts p = what(o);
	struct progress bar;
	struct out out;

	if (out_open(&out, c->out, 1, e))
		return -1;
	progress_start(&bar, c, "case", o->n);
	for (int64_t i = 0; i < o->n; i++) {
		uint64_t index = (uint64_t)(o->skip + i);
		struct frame f = {0};
		int r = phantom_make(&p, index, &f, e) || record(o, index, &f, e) || frame_write(&f, &out, e);

		frame_free(&f);
		if (r) {
			out_abort(&out);
			return -1;
		}
		progress_to(&bar, i + 1, NULL);
	}
	progress_end(&bar);
	return out_close(&out, e);
}

int main(int argc, char **argv)
{
	struct opts o = {.seed = 1, .healthy = 0.05, .volume = {0.5, 60}};
	struct arg_common c;
	struct err e;
	const struct arg args[] = {
		{'n', "number", ARG_INT, &o.n, "N", "how many phantoms (default 1)", 1, 1e9},
		{0, "skip", ARG_INT, &o.skip, "K", "begin with phantom K + 1 (default 0)", 0, 1e9},
		{'s', "size", ARG_INT, o.size, "X,Y,Z", "voxels (default 192,192,96)", 1, 4096, 3},
		{0, "spacing", ARG_FLOAT, o.spacing, "X,Y,Z", "mm (default: 345.6,345.6,288 over the size)", 0.05, 1000, 3},
		{0, "seed", ARG_INT, &o.seed, "S", "which patients (default 1)", 0, 9e15},
		{0, "healthy", ARG_FLOAT, &o.healthy, "F", "fraction of cases without a tumour (default 0.05)", 0, 1},
		{0, "volume", ARG_FLOAT, o.volume, "LO,HI", "range of a tumour's volume, mL (default 0.5,60)", 0.05, 200, 2},
		{0, "pet", ARG_FLAG, &o.pet, NULL, "a second channel: the uptake that a PET shows, SUV", 0, 0},
		{0, "into", ARG_STR, &o.into, "FILE", "plant tumours into the scans of a stream (-: standard input)", 0, 0},
		{0}};
	const struct arg_spec spec = {"nii-phantom", "", "Write synthetic chest CTs with tumours and truth.", args, ARG_OUT | ARG_PROGRESS, 0, 0};

	arg_parse(&spec, argc, argv, &c);
	if (o.volume[0] > o.volume[1])
		err_usage("--volume: %g is more than %g", o.volume[0], o.volume[1]);
	if (o.into && (o.n || o.size[0] || o.spacing[0] > 0))
		err_usage("--into takes number and grid from the scans: no -n, --size, --spacing");
	if (o.into && o.pet)
		err_usage("--pet and --into exclude each other");
	o.n = o.n ? o.n : 1;
	if (!o.into)
		phantom_grid(o.size, o.spacing);
	if (o.into ? plant_all(&o, &c, &e) : run(&o, &c, &e))
		err_die(&e);
	return 0;
}
