/* libFuzzer: bytes as a stream of frames, from a mapped file, header by header and by index; then as the header alone.
   clang -g -O1 -fsanitize=fuzzer,address,undefined: see run.sh. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/outfile.h"
#include "lib/stream/describe.h"
#include "lib/stream/frame_parse.h"
#include "lib/stream/history.h"
#include "lib/stream/stream.h"

static struct stream *open_bytes(const uint8_t *p, size_t n, int pipe_it, struct err *e)
{
	struct stream *s;
	char path[FUZZ_PATH];
	int fd[2];

	if (!pipe_it) {
		fd[0] = fuzz_file(p, n, path);
	} else {
		if (pipe(fd) || write(fd[1], p, n) != (ssize_t)n)
			abort();
		close(fd[1]);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd[0]);
	}
	s = stream_open(path, e);
	close(fd[0]);
	return s;
}

static void use(struct frame *f, struct out *null)
{
	struct err e;
	struct grid g;

	(void)frame_grid(f, &g, &e);
	json_decref(frame_describe(f, 1, &e));
	json_decref(history_replay(f, &e));
	(void)history_push(f, "fuzz", NULL, NULL, NULL, &e);
	(void)frame_write(f, null, &e);
	frame_free(f);
}

static void headers(const uint8_t *p, size_t n)
{
	struct frame f = {0};
	struct err e;
	size_t *begin, data;

	(void)frame_parse(&f, (const char *)p, n, "fuzz", 8, &begin, &data, &e);
	free(begin);
	frame_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct out null;
	struct frame f;
	struct err e;

	if (!null.name && out_open(&null, "/dev/null", 0, &e))
		abort();
	if (n > 60000)
		return 0;
	headers(p, n);
	for (int pipe_it = 0; pipe_it < 2; pipe_it++) {
		struct stream *s = open_bytes(p, n, pipe_it, &e);

		while (s && stream_next(s, &f, &e) == 1)
			use(&f, &null);
		if (s && !pipe_it)
			for (int64_t i = stream_count(s, &e) - 1; i >= 0; i--)
				if (!stream_at(s, i, &f, &e))
					frame_free(&f);
		stream_close(s);
	}
	return 0;
}
