/* Bytes as a checkpoint: the model, the state of the optimizer, the preparation that the model asks for. See README. */
#include "tests/fuzz/fuzz.h"

#include "lib/net/arch/arch.h"
#include "lib/net/run/checkpoint.h"
#include "lib/net/train/resume.h"
#include "lib/net/window/window.h"
#include "lib/volume/history/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char path[FUZZ_PATH];
	struct resume at = {0};
	struct frame f = {0};
	struct model m;
	char orient[4];
	struct err e;
	int fd = fuzz_file(data, n, path);

	if (!model_open(&m, path, &e)) {
		(void)window_roi_get(&m.frame, at.roi, &e);
		(void)resume_read(&at, &m, &f, &e);
		graph_free(arch_graph(m.arch, &e));
		json_decref(at.options);
		frame_free(&f);
		model_close(&m);
	}
	json_decref(replay_read(path, orient, NULL, &e));
	close(fd);
	return 0;
}
