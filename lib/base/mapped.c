#include "lib/base/mapped.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int mapped_open(struct mapped *m, const char *path, struct err *e)
{
	struct stat st;
	int fd, r = 0;
	void *b;

	*m = (struct mapped){0};
	if (!stat(path, &st) && S_ISFIFO(st.st_mode)) /* its writer would go with the first who closes it */
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, path, "cannot open");
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0) {
		b = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (b == MAP_FAILED)
			r = err_sys(e, path, "cannot map");
		else
			*m = (struct mapped){b, (size_t)st.st_size};
	}
	close(fd);
	return r;
}

void mapped_close(struct mapped *m)
{
	if (m->b)
		munmap((void *)m->b, m->n);
	*m = (struct mapped){0};
}
