#include "lib/net/train/known.h"

int known_ignored(const struct known *k, double label)
{
	return k->ignore >= 0 && label == k->ignore;
}

int known_is(const struct known *k, double label)
{
	return (k->regions ? regions_have(k->regions, label) : label >= 0 && label < (double)k->classes) || known_ignored(k, label);
}

int known_refuse(const struct known *k, double label, const char *place, struct err *e)
{
	if (k->regions)
		return err_set(e, NULL, "label %.0f%s (in no region)", label, place);
	return err_set(e, NULL, "label %.0f%s (the network has %lld classes: 0 to %lld)", label, place, (long long)k->classes, (long long)k->classes - 1);
}
