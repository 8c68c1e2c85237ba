#include "lib/volume/score/score_bound.h"

#include <string.h>

int score_bound_parse(struct score_bound *b, const struct score_columns *c, const char *text, struct err *e)
{
	const char *eq = strchr(text, '=');

	b->column = eq ? score_columns_find(c, text, (size_t)(eq - text)) : -1;
	if (b->column < 0)
		return err_set(e, NULL, "'%.80s' is not METRIC=VALUE with a metric of the table", text);
	return arg_float(eq + 1, 0, 0, &b->v, e);
}

int score_bound_check(const struct score_bound *b, int n, int least, const struct score_table *t, const struct score_columns *c, struct err *e)
{
	char text[SCORE_LABEL];
	int64_t label = 0;

	for (int i = 0; i < n; i++)
		for (int first = 1; score_next_label(t, first, &label); first = 0) {
			double mean = score_mean(t, label, c->m[b[i].column]);

			if (!(least ? mean >= b[i].v : mean <= b[i].v))
				return err_set(e, NULL, "mean %s of %s %s is %.6g, %s %.6g", c->name[b[i].column], t->regions ? "region" : "label",
				               score_label(t, label, text), mean,
				               least ? "below" : "above", b[i].v);
		}
	return 0;
}
