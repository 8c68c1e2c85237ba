#define _GNU_SOURCE
#include "lib/base/object.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_LEN = 4096 };

static int exe_dir(char *dir)
{
	ssize_t n = readlink("/proc/self/exe", dir, PATH_LEN - 1);
	char *slash;

	if (n < 0)
		return -1;
	dir[n] = 0;
	slash = strrchr(dir, '/');
	if (!slash)
		return -1;
	*slash = 0;
	return 0;
}

/* The shared object's path: the first place that has it. */
static int find(const char *name, char *path)
{
	const char *env = getenv("NIIPIPE_BACKENDS");
	char dir[PATH_LEN];

	if (env) {
		snprintf(path, PATH_LEN, "%s/niipipe-%s.so", env, name);
		return access(path, R_OK);
	}
	if (exe_dir(dir))
		return -1;
	if (snprintf(path, PATH_LEN, "%s/niipipe-%s.so", dir, name) < PATH_LEN && !access(path, R_OK))
		return 0;
	if (snprintf(path, PATH_LEN, "%s/../lib/niipipe/niipipe-%s.so", dir, name) >= PATH_LEN)
		return -1;
	return access(path, R_OK);
}

void *object_symbol(const char *name, const char *symbol, struct err *e)
{
	char path[PATH_LEN] = "";
	void *h, *p;

	if (find(name, path)) {
		err_set(e, NULL, "no niipipe-%s.so beside the tool nor in ../lib/niipipe", name);
		return NULL;
	}
	h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) {
		err_set(e, NULL, "%.600s", dlerror());
		return NULL;
	}
	p = dlsym(h, symbol);
	if (!p)
		err_set(e, path, "is not niipipe's: no %s", symbol);
	return p;
}

int object_is_there(const char *library)
{
	return dlopen(library, RTLD_LAZY | RTLD_LOCAL) != NULL;
}
