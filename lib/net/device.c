#define _GNU_SOURCE
#include "lib/net/device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arg.h"

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
static int find_object(const char *name, char *path)
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

static const struct k_backend *load(const char *name, int index, enum k_precision precision, struct err *e)
{
	char path[PATH_LEN] = "";
	k_backend_get_fn *get;
	void *h;

	if (find_object(name, path)) {
		err_set(e, NULL, "device %s: no niipipe-%s.so beside the tool nor in ../lib/niipipe", name, name);
		return NULL;
	}
	h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) {
		err_set(e, NULL, "device %s: %.600s", name, dlerror());
		return NULL;
	}
	*(void **)&get = dlsym(h, "k_backend_get");
	if (!get) {
		err_set(e, path, "is not a niipipe backend: no k_backend_get");
		return NULL;
	}
	return get(K_ABI, index, precision, e);
}

const struct k_backend *device_open(const char *device, enum k_precision precision, struct err *e)
{
	const struct k_backend *b;
	int64_t index = 0;

	if (!strcmp(device, "cpu"))
		return load("cpu", 0, precision, e);
	if (!strcmp(device, "cuda") || !strncmp(device, "cuda:", 5)) {
		if (device[4] && arg_int(device + 5, 0, 1023, &index, e)) {
			err_prefix(e, "device %.80s", device);
			return NULL;
		}
		return load("cuda", (int)index, precision, e);
	}
	if (strcmp(device, "auto")) {
		err_set(e, NULL, "device '%.80s' is none of auto, cpu, cuda, cuda:N", device);
		return NULL;
	}
	b = load("cuda", 0, precision, e);
	return b ? b : load("cpu", 0, precision, e);
}
