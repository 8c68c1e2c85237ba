/* Options of normalization: in the history, by name, and from nnU-Net's files. */
#include <math.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/option.h"
#include "lib/stream/history.h"
#include "lib/volume/intensity/normalize.h"

#define ZSCORES "all|nonzero|masked"

enum { OPTIONS = 10 };
enum given { RANGE, CLIP, ZSCORE, WISE, PERCENTILE, MASK, WINDOWS, CT, CHANNEL, GIVEN };

static void make_table(struct normalize *o, int *which, int given[GIVEN], struct option t[OPTIONS])
{
	const struct option table[OPTIONS] = {
		{"range", OPTION_REALS, o->range, 4, NULL, &given[RANGE]},
		{"clip", OPTION_BOOL, &o->clip, 1, NULL, &given[CLIP]},
		{"zscore", OPTION_WORD, which, 1, ZSCORES, &given[ZSCORE]},
		{"channel_wise", OPTION_BOOL, &o->channel_wise, 1, NULL, &given[WISE]},
		{"percentile", OPTION_REALS, o->percentile, 2, NULL, &given[PERCENTILE]},
		{"mask", OPTION_TEXT, o->mask, sizeof o->mask, NULL, &given[MASK]},
		{"windows", OPTION_LIST, o->list, NORMALIZE_LIST, NULL, &given[WINDOWS]},
		{"ct", OPTION_LIST, o->list, NORMALIZE_LIST, NULL, &given[CT]},
		{"channel", OPTION_INTS, &o->channel, 1, NULL, &given[CHANNEL]},
		{0},
	};

	memcpy(t, table, sizeof table);
}

json_t *normalize_json(const struct normalize *o)
{
	struct normalize v = *o;
	int range = o->mode == NORMALIZE_RANGE, score = o->mode >= NORMALIZE_ZSCORE && o->mode <= NORMALIZE_MASKED;
	int percentile = o->mode == NORMALIZE_PERCENTILE, which = score ? (int)o->mode - NORMALIZE_ZSCORE : 0;
	int given[GIVEN] = {range, range, score, score || percentile, percentile || o->clip_first, o->mask[0] != 0,
	                    o->mode == NORMALIZE_WINDOWS ? o->n : 0, o->mode == NORMALIZE_CT ? o->n : 0,
	                    o->alone};
	struct option table[OPTIONS];

	make_table(&v, &which, given, table);
	return option_json(table);
}

static int check_numbers(const struct normalize *o, struct err *e)
{
	if (o->mode == NORMALIZE_RANGE && !(o->range[0] < o->range[1]))
		return err_set(e, NULL, "range %g..%g is empty", o->range[0], o->range[1]);
	if ((o->mode == NORMALIZE_PERCENTILE || o->clip_first) && !(0 <= o->percentile[0] && o->percentile[0] < o->percentile[1] && o->percentile[1] <= 100))
		return err_set(e, NULL, "percentiles %g and %g are not two of 0..100 that rise", o->percentile[0], o->percentile[1]);
	if ((o->mode == NORMALIZE_WINDOWS && o->n % 2) || (o->mode == NORMALIZE_CT && o->n % 4))
		return err_set(e, NULL, "%d numbers are not whole windows (2 each) or channels (4 each)", o->n);
	for (int i = 0, k = o->mode == NORMALIZE_CT ? 4 : 2; i < o->n; i += k)
		if (!(o->list[i] < o->list[i + 1]))
			return err_set(e, NULL, "%g..%g is empty", o->list[i], o->list[i + 1]);
	if (o->alone && (o->channel < 0 || o->mode == NORMALIZE_WINDOWS || (o->mode == NORMALIZE_CT && o->n != 4)))
		return err_set(e, NULL, "of one channel, %lld, are made several, or of several one", (long long)o->channel);
	return 0;
}

int normalize_parse(struct normalize *o, const json_t *args, struct err *e)
{
	int given[GIVEN], which = 0, stats;
	struct option table[OPTIONS];

	memset(o, 0, sizeof *o);
	make_table(o, &which, given, table);
	if (option_parse(args, table, e))
		return -1;
	stats = given[ZSCORE] || given[PERCENTILE];
	if (given[RANGE] + stats + (given[WINDOWS] > 0) + (given[CT] > 0) != 1 || given[CLIP] != given[RANGE] || given[WISE] != stats ||
	    (given[MASK] && !stats) || (which && (given[PERCENTILE] || given[MASK])))
		return err_set(e, NULL, "arguments are not one of a range (range, clip), a z-score (zscore, channel_wise), percentiles (percentile, "
		                        "channel_wise), windows and ct");
	o->n = given[WINDOWS] ? given[WINDOWS] : given[CT];
	o->clip_first = given[ZSCORE] && given[PERCENTILE];
	o->alone = given[CHANNEL];
	o->mode = given[RANGE] ? NORMALIZE_RANGE : given[WINDOWS] ? NORMALIZE_WINDOWS : given[CT] ? NORMALIZE_CT :
	          !given[ZSCORE] ? NORMALIZE_PERCENTILE : (enum normalize_mode)(NORMALIZE_ZSCORE + which);
	return check_numbers(o, e);
}

/* -- windows by name: level -+ width / 2 -- */

static const struct { const char *name; double lo, hi; } presets[] = {
	{"lung", -1350, 150}, {"mediastinum", -125, 225}, {"bone", -500, 1300}, {"abdomen", -150, 250}, {"liver", -45, 105}, {"brain", 0, 80},
	{"lung-tumour", -1024, 325},
};

int normalize_preset(const char *name, size_t len, double window[2])
{
	for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
		if (strlen(presets[i].name) == len && !memcmp(presets[i].name, name, len)) {
			window[0] = presets[i].lo;
			window[1] = presets[i].hi;
			return 0;
		}
	return -1;
}

/* -- nnU-Net's statistics -- */

static const char *const properties[4] = {"percentile_00_5", "percentile_99_5", "mean", "std"};

int normalize_stats(const json_t *root, struct normalize *o, const char *path, struct err *e)
{
	const json_t *all = json_object_get(root, "foreground_intensity_properties_per_channel");
	size_t n = json_object_size(all);

	if (!n || 4 * n > NORMALIZE_LIST)
		return err_set(e, path, "no foreground_intensity_properties_per_channel of 1 to %d channels", NORMALIZE_LIST / 4);
	if (o->alone && o->channel >= (int64_t)n)
		return err_set(e, path, "has no statistics of channel %lld: they are of %zu", (long long)o->channel, n);
	o->n = 0;
	for (size_t i = o->alone ? (size_t)o->channel : 0; i < (o->alone ? (size_t)o->channel + 1 : n); i++) {
		const char key[] = {(char)(i < 10 ? '0' + i : '1'), (char)(i < 10 ? 0 : '0' + i - 10), 0};
		const json_t *channel = json_object_get(all, key);

		for (int k = 0; k < 4; k++) {
			const json_t *v = json_object_get(channel, properties[k]);

			if (!json_is_number(v) || !isfinite(json_number_value(v)))
				return err_set(e, path, "channel %s has no number %s", key, properties[k]);
			o->list[o->n++] = json_number_value(v);
		}
	}
	o->mode = NORMALIZE_CT;
	return check_numbers(o, e) ? path ? err_prefix(e, "%s", path) : -1 : 0;
}

int normalize_read_stats(const char *path, struct normalize *o, struct err *e)
{
	json_t *root = json_of_file(path, e);
	int r = root ? normalize_stats(root, o, path, e) : -1;

	json_decref(root);
	return r;
}
