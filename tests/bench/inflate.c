/* The bare ISA-L inflate of a gzip file: what nii-read is measured against. inflate FILE [PIECE [INPUT]]: bytes a call, bytes a read.
   Prints bytes and seconds of process time on standard output. */
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t c)
{
	struct timespec t;

	clock_gettime(c, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	size_t piece = argc > 2 ? strtoul(argv[2], NULL, 10) : 1 << 18, input = argc > 3 ? strtoul(argv[3], NULL, 10) : 1 << 18;
	struct inflate_state *s = calloc(1, sizeof *s);
	uint8_t *in = malloc(input), *out = malloc(piece);
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1, r;
	size_t total = 0;
	double begun = seconds(CLOCK_MONOTONIC);

	if (fd < 0 || !s || !in || !out)
		return 1;
	isal_inflate_init(s);
	s->crc_flag = ISAL_GZIP;
	while (s->block_state != ISAL_BLOCK_FINISH) {
		if (!s->avail_in) {
			ssize_t n = read(fd, in, input);

			if (n <= 0)
				return 1;
			s->next_in = in;
			s->avail_in = (uint32_t)n;
		}
		s->next_out = out;
		s->avail_out = (uint32_t)piece;
		r = isal_inflate(s);
		if (r < 0)
			return 1;
		total += piece - s->avail_out;
	}
	printf("%zu bytes, %.4f s, cpu %.4f s\n", total, seconds(CLOCK_MONOTONIC) - begun, seconds(CLOCK_PROCESS_CPUTIME_ID));
	return 0;
}
