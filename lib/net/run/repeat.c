#include "lib/net/run/repeat.h"

#include <assert.h>
#include <string.h>

void repeat_drop(struct repeat *r, const struct k_backend *k)
{
	if (r->record)
		k->record_free(r->record);
	memset(r, 0, sizeof *r);
}

/* Note the calls, if that can be; nothing is done yet. */
static void record(struct repeat *r, const struct k_backend *k, int (*calls)(void *arg, struct err *e), void *arg, struct err *plain)
{
	struct err why, ignored;
	int begun = k->record(&why), bad;

	if (begun) {
		r->refused = 1;
		if (begun < 0)
			*plain = why;
		return;
	}
	bad = calls(arg, &why);
	r->record = k->recorded(bad ? &ignored : &why);
	if (bad)
		k->record_free(r->record), r->record = NULL;
	if (!r->record) {
		r->refused = 1;
		*plain = why;
	}
}

int repeat_run(struct repeat *r, const struct k_backend *k, const void *key, size_t bytes, int (*calls)(void *arg, struct err *e), void *arg,
               struct err *plain, struct err *e)
{
	assert(bytes <= sizeof r->key);
	if (!k->record)
		return calls(arg, e);
	if (memcmp(key, r->key, bytes)) {
		repeat_drop(r, k);
		memcpy(r->key, key, bytes);
	}
	if (r->times++ && !r->refused && !r->record)
		record(r, k, calls, arg, plain);
	return r->record ? k->replay(r->record, e) : calls(arg, e);
}
