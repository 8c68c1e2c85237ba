/* Shapes of steps, as the backend has them, and room for their statistics. */
#include "lib/net/graph/plan.h"

#include <math.h>
#include <string.h>

static int norm_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	const struct plan_value *v = &p->value[s->out];

	s->norm.n = p->batch;
	s->norm.vox = v->vox / p->batch;
	s->norm.c = v->c;
	if (s->norm.norm == K_NORM_NONE)
		return 0;
	return plan_floats(p, p->batch, v->c, &s->mean, e) || plan_floats(p, p->batch, v->c, &s->rstd, e) ? -1 : 0;
}

static int scale_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	const struct graph_op *op = &p->graph->op[s->op];
	const struct plan_value *x = &p->value[s->x], *y = &p->value[s->out];

	s->scale = (struct k_scale){.kind = op->scale, .n = p->batch, .c = x->c};
	for (int k = 0; k < 3; k++) {
		int64_t small = op->scale == K_SCALE_MEAN ? y->size[k] : x->size[k], large = op->scale == K_SCALE_MEAN ? x->size[k] : y->size[k];

		s->scale.small[k] = small;
		s->scale.factor[k] = op->factor[k];
		if (small * op->factor[k] != large)
			return err_set(e, NULL, "%.200s: %lld along %c are not %d times %lld", op->name, (long long)large, "dhw"[k], op->factor[k], (long long)small);
	}
	return 0;
}

static int layer_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	const struct plan_value *v = &p->value[s->out];

	s->layer = (struct k_layer){.vox = v->vox, .c = v->c, .eps = 1e-5f};
	return p->train && (plan_floats(p, v->vox, 1, &s->mean, e) || plan_floats(p, v->vox, 1, &s->rstd, e)) ? -1 : 0;
}

/* Windows are not larger than the volume, and not shifted where there is but one (MONAI's get_window_size). */
static int attention_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	const struct graph_attention *a = &p->graph->op[s->op].attention;
	const struct plan_value *v = &p->value[s->out];

	(void)e;
	s->attention = (struct k_attention){.n = p->batch, .c = v->c, .heads = a->heads, .turned = a->turned,
		.scale = 1 / sqrtf((float)(v->c / a->heads))};
	for (int k = 0; k < 3; k++) {
		s->attention.size[k] = v->size[k];
		s->attention.table[k] = a->window[k];
		s->attention.window[k] = v->size[k] <= a->window[k] ? v->size[k] : a->window[k];
		s->attention.shift[k] = v->size[k] <= a->window[k] ? 0 : a->shift[k];
	}
	return 0;
}

static int merge_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	const struct plan_value *x = &p->value[s->x];

	(void)e;
	s->merge = (struct k_merge){.n = p->batch, .c = x->c, .parts = (int)(p->value[s->out].c / x->c)};
	memcpy(s->merge.size, x->size, sizeof s->merge.size);
	memcpy(s->merge.order, p->graph->op[s->op].order, sizeof s->merge.order);
	return 0;
}

static int across_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	(void)e;
	s->across = p->graph->op[s->op].across;
	s->across.vox = p->value[s->out].vox;
	s->across.c = p->value[s->out].c;
	return 0;
}

static int no_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	(void)p, (void)s, (void)e;
	return 0;
}

static int pool_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	(void)e;
	s->pool = (struct k_pool){.n = p->batch, .c = p->value[s->out].c};
	memcpy(s->pool.small, p->value[s->out].size, sizeof s->pool.small);
	memcpy(s->pool.large, p->value[s->x].size, sizeof s->pool.large);
	memcpy(s->pool.factor, p->graph->op[s->op].factor, sizeof s->pool.factor);
	return 0;
}

int plan_shape(struct plan *p, struct plan_step *s, struct err *e)
{
	static int (*const shape[])(struct plan *, struct plan_step *, struct err *) = {
		[PLAN_CONV] = plan_conv_shape, [PLAN_NORM] = norm_shape, [PLAN_CONCAT] = no_shape, [PLAN_DROP] = no_shape, [PLAN_SCALE] = scale_shape,
		[PLAN_GATE] = no_shape, [PLAN_LAYER] = layer_shape, [PLAN_ATTENTION] = attention_shape, [PLAN_MERGE] = merge_shape,
		[PLAN_ACROSS] = across_shape, [PLAN_POOL] = pool_shape, [PLAN_POSITION] = no_shape,
		[PLAN_EDGE] = no_shape,
	};

	return shape[s->kind](p, s, e);
}
