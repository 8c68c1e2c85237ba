#include <stdlib.h>

#include "lib/net/arch/arch.h"
#include "lib/net/arch/arch_preset.h"
#include "lib/net/train/train_begin.h"
#include "lib/stream/names.h"

static int fits(const struct train *r, int64_t classes, struct err *e)
{
	const int64_t labels = classes == 1 ? 2 : classes; /* of one channel, a sigmoid: two */
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)r->o->names, key, v)
		if (strtoll(key, NULL, 10) >= labels)
			return err_set(e, r->o->names_file, "names label %s, '%.80s' (the network has %lld classes)", key, json_string_value(v), (long long)classes);
	return 0;
}

int train_settle_names(struct train *r, struct err *e)
{
	const json_t *asked = json_object_get(r->o->arch, arch_classes_key(r->o->arch));
	const int from = r->o->resume || (r->o->init && (!asked || json_integer_value(asked) == arch_classes(r->from.arch)));
	json_t *names = NULL;

	if (r->o->names && r->regions.n)
		return err_set(e, r->o->names_file, "--labels has no meaning with regions, which have names of their own");
	if (r->o->names ? fits(r, from ? arch_classes(r->from.arch) : arch_classes(r->o->arch), e) : from && names_get(&r->from.frame, &names, e))
		return -1;
	if (r->o->names)
		names = json_incref((json_t *)r->o->names);
	if (names && !r->regions.n)
		json_object_set(r->at.options, "labels", names);
	json_decref(names);
	return 0;
}
