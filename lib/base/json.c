#include "lib/base/json.h"

#include <stdio.h>

json_t *json_of_file(const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	json_error_t why;
	json_t *j;

	if (!f) {
		err_sys(e, path, "cannot open");
		return NULL;
	}
	j = json_loadf(f, JSON_REJECT_DUPLICATES, &why);
	fclose(f);
	if (!j)
		err_set(e, path, "line %d: %.200s", why.line, why.text);
	return j;
}
