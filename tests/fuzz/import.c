/* Bytes as a file of weights, safetensors or of torch.save: listed, made a model of a network that is told, and of the one its metadata say. See
   README. */
#include "tests/fuzz/fuzz.h"

#include "lib/net/arch/archfile.h"
#include "lib/net/import/import.h"

static const char NET[] = "{\"_target_\": \"UNet\", "
	"\"spatial_dims\": 3, \"in_channels\": 1, \"out_channels\": 2, \"channels\": [4, 8, 16], \"strides\": [2, 2], "
	"\"num_res_units\": 0}";

static void say(void *arg, int problem, const char *line)
{
	(void)arg, (void)problem;
	if (strchr(line, '\n'))
		abort(); /* a line is a line */
}

static void as_model(const char *path, const char *arch)
{
	const struct import im = {.input = path, .arch = arch, .configuration = "3d_fullres", .axes = {0, 1, 2}, .say = say};
	struct import_net n;
	struct frame f = {0};
	struct err e;

	(void)(import_open(&n, &im, &e) || import_frame(&n, &f, &e));
	frame_free(&f);
	import_close(&n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct out null;
	char path[FUZZ_PATH];
	struct err e;
	int fd = fuzz_file(data, n, path);

	if (!null.name && out_open(&null, "/dev/null", 0, &e))
		abort();
	(void)import_list(path, &null, &e);
	as_model(path, NET);
	as_model(path, NULL);
	close(fd);
	return 0;
}
