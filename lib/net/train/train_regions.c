#include "lib/net/arch/arch.h"
#include "lib/net/train/train_begin.h"

const struct regions *train_regions(const struct train *r)
{
	return r->regions.n ? &r->regions : NULL;
}

int train_settle_regions(struct train *r, struct err *e)
{
	const struct regions *given = &r->o->regions, *from = &r->from.regions;
	json_t *is, *was;
	int other;

	r->regions = given->n || (r->o->init && json_object_get(r->o->arch, arch_classes_key(r->o->arch))) ? *given : *from;
	is = regions_json(&r->regions), was = regions_json(from);
	other = r->o->resume && !json_equal(is, was);
	if (r->regions.n)
		json_object_set(r->at.options, "regions", is);
	json_decref(is);
	json_decref(was);
	if (!other)
		return 0;
	return err_set(e, r->from.file, "was trained on %s (--init takes the weights alone)", from->n ? "other regions" : "classes, not on regions");
}
