/* A MONAI bundle: configs/inference.json (.yaml, .yml), configs/metadata.json, models/model.pt. Private to folder.c and
   bundle*.c. Source: MONAI's docs/source/mb_specification.rst. */
#ifndef NIIPIPE_BUNDLE_H
#define NIIPIPE_BUNDLE_H

#include "lib/net/import/folder_files.h"

/* As folder_open; dir without a slash at its end. */
int bundle_open(struct folder *f, const struct folder_ask *ask, const char *dir, struct err *e);

/* The same of a file that monai.bundle's ckpt_export wrote: its configs are in it. *f as it was: it is another file. */
int bundle_script(struct folder *f, const struct folder_ask *ask, struct err *e);

/* v with what its references stand for ('@name', '@a#b#0', '@a::b', '$@name' alone). Any other expression ('$...', '%...') is an error that says so
   of `what`. A new value, the caller json_decref()s it; NULL and an error. Source: monai/bundle/reference_resolver.py. */
json_t *bundle_value(const json_t *root, const json_t *v, const char *what, struct err *e);

/* Does Python take it for true? NULL: no. */
int bundle_flag(const json_t *v);

/* The last part of a _target_ that is MONAI's ("monai.inferers.SlidingWindowInferer", "UNet"); "" where it is another's. */
const char *bundle_target(const json_t *o);

/* The transforms of a Compose, resolved as an array, its entries not yet. NULL and an error; caller json_decref()s. */
json_t *bundle_transforms(const json_t *root, const char *key, struct err *e);

/* What may be said of a transform; a key that is in no rule is an error. only: NULL: used, resolved; "$": used as it stands; "?": whatever it is,
   nothing changes; "*float32": a type, what ends so; else the one value that is known, as JSON ("null": not said). */
struct bundle_rule { const char *key, *only; };
enum { BUNDLE_RULES = 12 };

/* Adds a transform's steps; a: of its keys those that are used and are said. 0, or -1 and an error. */
struct bundle_maker {
	const json_t *root;
	const char *image;
	json_t *steps;
	int place;  /* of the image in keys */
	int loaded; /* the image was */
};
typedef int bundle_make_fn(struct bundle_maker *m, const json_t *a, struct err *e);

/* make NULL: no voxel and no place changes. */
struct bundle_transform { const char *name; bundle_make_fn *make; struct bundle_rule rule[BUNDLE_RULES]; };

/* By its name of a transform of dictionaries: ScaleIntensityd, ScaleIntensityD, ScaleIntensityDict. NULL: not known. */
const struct bundle_transform *bundle_transform(const char *name);
const struct bundle_rule *bundle_rule(const struct bundle_transform *t, const char *key);

/* Steps of nii-resample, nii-normalize and nii-crop that do to a volume what the transforms of `preprocessing` do to the image. NULL and an error
   that names the transform and what of it is not known. Caller json_decref()s. */
json_t *bundle_steps(const json_t *root, struct err *e);

/* roi, as struct folder has it, apart, predict and more, of `inferer` and `postprocessing`. roi: it is asked for. 0 or -1. */
int bundle_predict(struct folder *f, const json_t *root, int roi, struct err *e);

#endif
