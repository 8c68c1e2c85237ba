/* Bytes as JSON that tools read: MONAI's description of a network, a bundle's, nnU-Net's plans and fingerprint, steps of a preparation. */
#include "tests/fuzz/fuzz.h"

#include "lib/net/arch/arch.h"
#include "lib/net/arch/archfile.h"
#include "lib/net/arch/axes.h"
#include "lib/net/planner/plans.h"
#include "lib/volume/fingerprint/fingerprint.h"
#include "lib/volume/history/replay.h"

static void network(json_t *arch)
{
	const int turned[3] = {2, 1, 0};
	const int64_t size[3] = {64, 32, 96};
	int64_t div[3];
	struct err e;

	for (int i = 0; i < 2; i++) {
		struct graph *g = arch_graph(arch, &e);

		if (g) {
			graph_next_size(g, size, div);
			(void)graph_fits(g, size, &e);
			(void)graph_takes(g, 3, &e);
			if (div[0] < 1 || div[1] < 1 || div[2] < 1 || g->floats < 0)
				abort();
		}
		graph_free(g);
		axes_turn(arch, turned);
	}
}

static void plan(const json_t *root)
{
	struct plans p;
	struct err e;

	if (!plans_read(&p, root, PLANS_CONFIGURATION, 1, &e)) {
		(void)replay_check(p.replay, &e);
		json_object_set_new(p.arch, arch_channels_key(p.arch), json_integer(1));
		json_object_set_new(p.arch, arch_classes_key(p.arch), json_integer(2));
		network(p.arch);
	}
	plans_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = fuzz_text(data, n);
	struct fingerprint p = {0};
	struct err e;
	json_t *root = *text == '{' || *text == '[' ? archfile_json(text, &e) : NULL, *net = root ? archfile_network(root, &e) : NULL;

	if (net)
		network(net);
	if (root) {
		plan(root);
		(void)fingerprint_parse(&p, root, &e);
		fingerprint_free(&p);
		(void)replay_check(root, &e);
	}
	json_decref(net);
	json_decref(root);
	free(text);
	return 0;
}
