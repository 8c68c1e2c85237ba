#include "lib/net/import/folder_files.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/net/arch/archfile.h"

int folder_path(char path[FOLDER_PATH], struct err *e, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, FOLDER_PATH, fmt, ap);
	va_end(ap);
	return n >= 0 && n < FOLDER_PATH ? 0 : err_set(e, NULL, "a path of more than %d bytes", FOLDER_PATH);
}

int folder_has(const char *dir, const char *name)
{
	char path[FOLDER_PATH];
	struct err e;

	return !folder_path(path, &e, "%s/%s", dir, name) && !access(path, F_OK);
}

void folder_list(struct folder_names *l, const char *dir, folder_want *want, void *arg)
{
	struct dirent **entry;
	int n = scandir(dir, &entry, NULL, alphasort);

	l->n = 0;
	for (int i = 0; i < n; i++) {
		const char *name = entry[i]->d_name;

		if (*name != '.' && strlen(name) < FOLDER_TEXT && l->n < FOLDER_MOST && want(dir, name, arg))
			memcpy(l->name[l->n++], name, strlen(name) + 1);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
}

const char *folder_text(const struct folder_names *l, char text[FOLDER_TEXT])
{
	size_t n = 0;

	text[0] = 0;
	for (int i = 0; i < l->n && n < FOLDER_TEXT; i++)
		n += (size_t)snprintf(text + n, FOLDER_TEXT - n, "%s%s", i ? ", " : "", l->name[i]);
	return text;
}

json_t *folder_json(const char *dir, const char *name, int *missing, struct err *e)
{
	char path[FOLDER_PATH];

	if (missing)
		*missing = !folder_has(dir, name);
	return (missing && *missing) || folder_path(path, e, "%s/%s", dir, name) ? NULL : archfile_json(path, e);
}
