#include "lib/net/import/script.h"

#include <string.h>

#include "lib/base/mapped.h"
#include "lib/net/import/zip.h"

/* ROOT/extra/NAME, whatever ROOT is */
static const struct zip_entry *find(const struct zip *z, const char *name)
{
	static const char folder[] = "/extra/";
	const size_t n = strlen(name), before = strlen(folder);

	for (size_t i = 0; i < z->n; i++) {
		const struct zip_entry *x = &z->entry[i];

		if (x->len > n + before && !memcmp(x->name + x->len - n, name, n) && !memcmp(x->name + x->len - n - before, folder, before))
			return x;
	}
	return NULL;
}

static json_t *read(const struct zip_entry *x, const char *path, const char *name, struct err *e)
{
	json_error_t why;
	json_t *j = json_loadb((const char *)x->data, x->size, JSON_REJECT_DUPLICATES, &why);

	if (!j)
		err_set(e, path, "extra/%.80s: line %d: %.200s", name, why.line, why.text);
	return j;
}

int script_json(const char *path, const char *name, json_t **j, struct err *e)
{
	const struct zip_entry *x = NULL;
	struct mapped file;
	struct zip z = {0};
	int r = mapped_open(&file, path, e);

	*j = NULL;
	if (!r && file.n >= 4 && !memcmp(file.b, "PK\3\4", 4)) {
		r = zip_open(&z, file.b, file.n, path, e);
		x = r ? NULL : find(&z, name);
		*j = x ? read(x, path, name, e) : NULL;
		r = r || (x && !*j) ? -1 : 0;
	}
	zip_free(&z);
	mapped_close(&file);
	return r;
}
