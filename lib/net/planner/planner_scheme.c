#include <string.h>
#include <strings.h>

#include "lib/net/planner/planner.h"

static const struct { const char *word, *class; int masked; } SCHEMES[] = {
	[PLANNER_CT] = {"ct", "CTNormalization", 0},
	[PLANNER_ZSCORE] = {"zscore", "ZScoreNormalization", 1},
	[PLANNER_NONORM] = {"nonorm", "NoNormalization", 0},
	[PLANNER_RESCALE] = {"rescale_to_0_1", "RescaleTo01Normalization", 0},
	[PLANNER_RGB] = {"rgb_to_0_1", "RGBTo01Normalization", 0},
};
static const double WHOLE = 0.75; /* where less is kept after cropping, what is 0 inside is left out, too */

int planner_scheme(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++)
		if (strlen(SCHEMES[i].word) == len && !strncasecmp(SCHEMES[i].word, word, len))
			return (int)i;
	return -1;
}

static enum planner_scheme scheme_of(const struct planner *o, const struct fingerprint *p, int channel)
{
	const char *name = json_string_value(json_array_get(p->names, (size_t)channel));
	int named = name ? planner_scheme(name, strlen(name)) : PLANNER_CT;

	return o->schemes ? o->scheme[o->schemes > 1 ? channel : 0] : named < 0 ? PLANNER_ZSCORE : (enum planner_scheme)named;
}

json_t *planner_schemes(const struct planner *o, const struct fingerprint *p, json_t **masks)
{
	json_t *schemes = json_array();

	*masks = json_array();
	for (int i = 0; i < p->channels; i++) {
		enum planner_scheme scheme = scheme_of(o, p, i);

		json_array_append_new(schemes, json_string(SCHEMES[scheme].class));
		json_array_append_new(*masks, json_boolean(SCHEMES[scheme].masked && p->kept < WHOLE));
	}
	return schemes;
}
