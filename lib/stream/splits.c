#include "lib/stream/splits.h"

/* The ids of a part */
static int add_part(struct splits *s, const json_t *fold, const char *key, enum splits_part part, const char *path, int64_t number, struct err *e)
{
	const json_t *ids = json_object_get(fold, key), *id;
	size_t i;

	if (!json_is_array(ids))
		return err_set(e, path, "fold %lld: no list '%s'", (long long)number, key);
	json_array_foreach(ids, i, id) {
		const char *name = json_string_value(id);
		const json_t *there = json_object_get(s->part, name);

		if (!name)
			return err_set(e, path, "fold %lld: '%s' is no list of ids", (long long)number, key);
		if (there && json_integer_value(there) != part)
			return err_set(e, path, "fold %lld: the id '%.255s' is in 'train' and in 'val'", (long long)number, name);
		if (!there && json_object_set_new(s->part, name, json_integer(part)))
			return err_set(e, path, "not enough memory for its ids");
	}
	return 0;
}

int splits_read(struct splits *s, const char *path, int64_t fold, struct err *e)
{
	json_t *root = json_of_file(path, e);
	const json_t *own = json_array_get(root, (size_t)fold);
	int bad = !root;

	if (root && !json_is_array(root))
		bad = err_set(e, path, "is no list of folds, as nnU-Net's splits_final.json is");
	else if (root && !own)
		bad = err_set(e, path, "no fold %lld (there are %zu)", (long long)fold, json_array_size(root));
	else if (root && (!(s->part = json_object()) || !(s->met = json_object())))
		bad = err_set(e, path, "not enough memory for its ids");
	bad = bad || add_part(s, own, "train", SPLITS_TRAIN, path, fold, e) || add_part(s, own, "val", SPLITS_VAL, path, fold, e);
	json_decref(root);
	return bad ? -1 : 0;
}

enum splits_part splits_part_of(struct splits *s, const char *id)
{
	json_t *part = json_object_get(s->part, id);

	if (part)
		json_object_set(s->met, id, part);
	return (enum splits_part)json_integer_value(part);
}

int64_t splits_unmet(const struct splits *s, enum splits_part part)
{
	int64_t n = 0;
	const char *id;
	json_t *own;

	json_object_foreach(s->part, id, own)
		n += json_integer_value(own) == part && !json_object_get(s->met, id);
	return n;
}

void splits_free(struct splits *s)
{
	json_decref(s->part), json_decref(s->met);
	s->part = s->met = NULL;
}
