#include "lib/net/run/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/arg.h"
#include "lib/base/object.h"

static const struct k_backend *load(const char *name, int index, enum k_precision precision, struct err *e)
{
	k_backend_get_fn *get;

	*(void **)&get = object_symbol(name, "k_backend_get", e);
	if (!get) {
		err_prefix(e, "device %s", name);
		return NULL;
	}
	return get(K_ABI, index, precision, e);
}

static struct err why;

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
	if (!object_is_there("libcuda.so.1")) { /* what the backend is linked with takes 160 MB, which only a GPU is worth */
		err_set(&why, NULL, K_NO_DRIVER);
		return load("cpu", 0, precision, e);
	}
	b = load("cuda", 0, precision, &why);
	return b ? b : load("cpu", 0, precision, e);
}

const char *device_why(void)
{
	return why.text;
}

/* The file that choices are kept in, its directories made; NULL: no place for it */
static const char *plans(void)
{
	const char *named = getenv("NIIPIPE_PLANS"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	static char path[4096];
	int base, n;

	if (named)
		return named;
	if (!(cache && *cache) && !(home && *home))
		return NULL;
	base = cache && *cache ? snprintf(path, sizeof path, "%s", cache) : snprintf(path, sizeof path, "%s/.cache", home);
	n = base < (int)sizeof path ? snprintf(path + base, sizeof path - (size_t)base, "/niipipe") : base;
	if (base + n + 20 > (int)sizeof path)
		return NULL;
	path[base] = 0, mkdir(path, 0777), path[base] = '/'; /* what fails is seen when the file is opened */
	mkdir(path, 0777);
	memcpy(path + base + n, "/plans.tsv", sizeof "/plans.tsv");
	return path;
}

void device_tune(const struct k_backend *k)
{
	if (k->tune)
		k->tune(plans());
}

int device_is_host(const struct k_backend *k)
{
	return !strcmp(k->name, "cpu");
}
