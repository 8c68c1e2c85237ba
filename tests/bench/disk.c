/* disk FILE FRAME HEAD N [ahead]: what nii-patch must read for N patches of 160x160x64 at random places of a stream of volumes 311x324x95 (image F32,
   then label U8; each frame FRAME bytes, its data from byte HEAD on), by bare pread of each slice's rows; ahead: the patch's slices are announced
   together first. Prints wall ms a patch and MB/s. The file's pages are dropped from memory before. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { X = 311, Y = 324, Z = 95, PX = 160, PY = 160, PZ = 64 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* The slices of a box in a tensor of elements of `size` bytes at `base`: bytes read, or -1. */
static long slices(int fd, char *to, off_t base, long first, long size, int ahead)
{
	long all = 0, n = size * ((PY - 1) * X + PX);

	for (long z = 0; z < PZ; z++) {
		off_t at = base + size * (first + z * X * Y);

		if (ahead ? readahead(fd, at, (size_t)n) != 0 : pread(fd, to, (size_t)n, at) != n)
			return -1;
		all += n;
	}
	return all;
}

int main(int argc, char **argv)
{
	char *to = malloc(4 * X * Y);
	double bytes = 0, start;
	long frame, head, n, frames;
	int fd;

	if (argc < 5 || !to || (fd = open(argv[1], O_RDONLY)) < 0)
		return 2;
	frame = atol(argv[2]);
	head = atol(argv[3]);
	n = atol(argv[4]);
	frames = lseek(fd, 0, SEEK_END) / frame;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	srand(1);
	start = now();
	for (long i = 0; i < n; i++) {
		off_t image = rand() % frames * frame + head, label = image + 4L * X * Y * Z;
		long first = (rand() % (Z - PZ) * (long)Y + rand() % (Y - PY)) * X + rand() % (X - PX);

		for (int ahead = argc > 5; ahead >= 0; ahead--) {
			long a = slices(fd, to, image, first, 4, ahead), b = slices(fd, to, label, first, 1, ahead);

			if (a < 0 || b < 0)
				return 1;
			bytes += ahead ? 0 : (double)(a + b);
		}
	}
	printf("%.2f %.0f\n", (now() - start) / (double)n, bytes / (now() - start) * 1e-3);
	return 0;
}
