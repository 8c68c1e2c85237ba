#include <math.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/stream/history.h"
#include "lib/volume/nifti/nifti.h"

static double finite_or_0(double v)
{
	return isfinite(v) ? v : 0;
}

static json_t *reals(const double *v, int n)
{
	json_t *a = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(a, json_real(finite_or_0(v[i])));
	return a;
}

/* A header's text need not be UTF-8. */
static json_t *text(const char *s, size_t n)
{
	char out[128];
	size_t k = 0;

	for (; k < n && k < sizeof out - 1 && s[k]; k++)
		out[k] = s[k] < ' ' || s[k] > '~' ? '?' : s[k];
	out[k] = 0;
	return json_string(out);
}

json_t *nii_record(const struct nii_header *nh)
{
	nifti_2_header h = nh->h;
	const double quatern[] = {h.quatern_b, h.quatern_c, h.quatern_d}, offset[] = {h.qoffset_x, h.qoffset_y, h.qoffset_z};
	const double scl[] = {h.scl_slope, h.scl_inter}, intent[] = {h.intent_p1, h.intent_p2, h.intent_p3};
	double srow[12], pixdim[8];
	int64_t dim[8];
	json_t *o = json_object();

	memcpy(srow, h.srow_x, sizeof h.srow_x);
	memcpy(srow + 4, h.srow_y, sizeof h.srow_y);
	memcpy(srow + 8, h.srow_z, sizeof h.srow_z);
	memcpy(pixdim, h.pixdim, sizeof pixdim);
	memcpy(dim, h.dim, sizeof dim);
	json_object_set_new(o, "version", json_integer(nh->version));
	json_object_set_new(o, "datatype", json_integer(h.datatype));
	json_object_set_new(o, "dim", json_ints(dim, 8));
	json_object_set_new(o, "pixdim", reals(pixdim, 8));
	json_object_set_new(o, "xyzt_units", json_integer(h.xyzt_units));
	json_object_set_new(o, "qform_code", json_integer(h.qform_code));
	json_object_set_new(o, "sform_code", json_integer(h.sform_code));
	json_object_set_new(o, "quatern", reals(quatern, 3));
	json_object_set_new(o, "qoffset", reals(offset, 3));
	json_object_set_new(o, "srow", reals(srow, 12));
	json_object_set_new(o, "scl", reals(scl, 2));
	json_object_set_new(o, "intent_code", json_integer(h.intent_code));
	json_object_set_new(o, "intent_p", reals(intent, 3));
	json_object_set_new(o, "intent_name", text(nh->h.intent_name, sizeof h.intent_name));
	json_object_set_new(o, "descrip", text(nh->h.descrip, sizeof h.descrip));
	return o;
}

json_t *nii_record_of(const struct frame *f, struct err *e)
{
	json_t *all = history_get(f, e), *first = json_array_get(all, 0), *undo = json_object_get(first, "undo");
	const char *tool = json_string_value(json_object_get(first, "tool"));

	if (!all)
		return NULL;
	undo = undo && tool && !strcmp(tool, "nii-read") ? json_incref(undo) : json_null();
	json_decref(all);
	return undo;
}

int nii_is_origin(const struct frame *f, const char *path)
{
	struct err ignored;
	json_t *all = history_get(f, &ignored), *first = json_array_get(all, 0), *args = json_object_get(first, "args");
	const char *tool = json_string_value(json_object_get(first, "tool")), *scan = json_string_value(json_object_get(args, "hash"));
	const char *label = json_string_value(json_object_get(args, "label_hash"));
	const json_t *more = json_object_get(args, "more_hash");
	char now[HASH_TEXT];
	int r = tool && !strcmp(tool, "nii-read") && scan && (!label || strcmp(label, scan)) && !hash_file(path, now), is = r && !strcmp(now, scan);

	for (size_t i = 0; r && i < json_array_size(more); i++)
		is |= !strcmp(now, json_string_value(json_array_get(more, i)) ? json_string_value(json_array_get(more, i)) : "");
	json_decref(all);
	return is;
}

static int whole(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out, struct err *e)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi)
		return err_set(e, NULL, "metadata history: nii-read: undo: %s is not a whole number in %lld..%lld", key, (long long)lo, (long long)hi);
	*out = json_integer_value(v);
	return 0;
}

static int numbers(const json_t *o, const char *key, double *v, int n, struct err *e)
{
	if (json_get_reals(o, key, v, n))
		return err_set(e, NULL, "metadata history: nii-read: undo: %s is not %d numbers", key, n);
	return 0;
}

static int parse_text(const json_t *o, const char *key, char *to, size_t n, struct err *e)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) > n)
		return err_set(e, NULL, "metadata history: nii-read: undo: %s is not a text of at most %zu bytes", key, n);
	memcpy(to, s, strlen(s));
	return 0;
}

static int parse_codes(const json_t *o, struct nii_header *nh, struct err *e)
{
	int64_t version = 0, type = 0, units = 0, q = 0, s = 0, intent = 0, dim[8];

	if (whole(o, "version", 1, 2, &version, e) || whole(o, "datatype", 0, INT16_MAX, &type, e) ||
	    whole(o, "xyzt_units", INT32_MIN, INT32_MAX, &units, e) || whole(o, "qform_code", 0, 5, &q, e) || whole(o, "sform_code", 0, 5, &s, e) ||
	    whole(o, "intent_code", INT32_MIN, INT32_MAX, &intent, e))
		return -1;
	if (json_get_ints(o, "dim", dim, 8))
		return err_set(e, NULL, "metadata history: nii-read: undo: dim is not 8 whole numbers");
	nh->version = (int)version;
	nh->h.datatype = (int16_t)type;
	nh->h.xyzt_units = (int32_t)units;
	nh->h.qform_code = (int32_t)q;
	nh->h.sform_code = (int32_t)s;
	nh->h.intent_code = (int32_t)intent;
	memcpy(nh->h.dim, dim, sizeof dim);
	return 0;
}

static int parse_numbers(const json_t *o, nifti_2_header *h, struct err *e)
{
	double pixdim[8], quatern[3], offset[3], srow[12], scl[2], intent[3];

	if (numbers(o, "pixdim", pixdim, 8, e) || numbers(o, "quatern", quatern, 3, e) || numbers(o, "qoffset", offset, 3, e) ||
	    numbers(o, "srow", srow, 12, e) || numbers(o, "scl", scl, 2, e) || numbers(o, "intent_p", intent, 3, e))
		return -1;
	memcpy(h->pixdim, pixdim, sizeof pixdim);
	h->quatern_b = quatern[0], h->quatern_c = quatern[1], h->quatern_d = quatern[2];
	h->qoffset_x = offset[0], h->qoffset_y = offset[1], h->qoffset_z = offset[2];
	memcpy(h->srow_x, srow, sizeof h->srow_x);
	memcpy(h->srow_y, srow + 4, sizeof h->srow_y);
	memcpy(h->srow_z, srow + 8, sizeof h->srow_z);
	h->scl_slope = scl[0], h->scl_inter = scl[1];
	h->intent_p1 = intent[0], h->intent_p2 = intent[1], h->intent_p3 = intent[2];
	return 0;
}

int nii_record_parse(const json_t *o, struct nii_header *nh, struct err *e)
{
	memset(nh, 0, sizeof *nh);
	if (parse_codes(o, nh, e) || parse_numbers(o, &nh->h, e) ||
	    parse_text(o, "descrip", nh->h.descrip, sizeof nh->h.descrip, e) ||
	    parse_text(o, "intent_name", nh->h.intent_name, sizeof nh->h.intent_name, e))
		return -1;
	nh->h.bitpix = nii_type_bits(nh->h.datatype);
	nh->h.vox_offset = nh->version == 1 ? 352 : 544;
	return nii_header_check(nh, "metadata history: nii-read: undo", e);
}
