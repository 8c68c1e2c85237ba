/* make_model [FILE]: a randomly initialised model for volumes prepared like the first frame of FILE (its history is the model's replay).
   For benchmarks. */
#include <stdio.h>

#include "lib/base/arg.h"
#include "lib/net/run/device.h"
#include "lib/net/window/window.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"

static const char unet[] = "{\"_target_\": \"UNet\", \"spatial_dims\": 3, \"in_channels\": 1, \"out_channels\": 2, "
                           "\"channels\": [16, 32, 64, 128, 256], \"strides\": [2, 2, 2, 2], \"num_res_units\": 2}";

static int set_json(struct frame *f, const char *key, json_t *v, struct err *e)
{
	char *text = v ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	int r = text ? frame_set_meta(f, key, text, e) : -1;

	free(text);
	json_decref(v);
	return r;
}

static int fill(struct frame *model, const struct frame *like, const char *arch, const int64_t xyz[3], struct err *e)
{
	const int64_t roi[3] = {xyz[2], xyz[1], xyz[0]};
	const struct k_backend *k = device_open("cpu", K_FP32, e);
	json_t *a = json_loads(arch, 0, NULL);
	struct net *n = k && a ? net_new(a, k, e) : NULL;
	int r = !n || net_init(n, 1, e) || net_store(n, model, e) || window_roi_set(model, roi, e);

	net_free(n);
	return set_json(model, "arch", a, e) || r || set_json(model, "replay", history_replay(like, e), e) ? -1 : 0;
}

int main(int argc, char **argv)
{
	const char *arch = unet;
	int64_t roi[3] = {160, 160, 64};
	const struct arg args[] = {
		{0, "arch", ARG_STR, &arch, "JSON", "the network (UNet 16-32-64-128-256)"},
		{0, "roi", ARG_INT, roi, "X,Y,Z", "patch size (160,160,64)", 1, 4096, 3},
		{0},
	};
	const struct arg_spec spec = {"make_model", "[FILE]", "a model with random weights", args, ARG_OUT, 0, 1};
	struct arg_common c;
	struct err e = {"bad JSON"};
	struct stream *s;
	struct frame like, model;
	struct out o;

	arg_parse(&spec, argc, argv, &c);
	s = stream_open(c.argc ? c.argv[0] : NULL, &e);
	if (!s || stream_next_header(s, &like, &e) != 1 || frame_init(&model, "model", "random", &e) || fill(&model, &like, arch, roi, &e))
		err_die(&e);
	if (out_open(&o, c.out, 1, &e) || frame_write(&model, &o, &e) || out_close(&o, &e))
		err_die(&e);
	frame_free(&like);
	frame_free(&model);
	stream_close(s);
	return 0;
}
