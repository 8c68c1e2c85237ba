#include "lib/net/train/loss.h"

#include <string.h>

enum { NO = -1 };

static const struct { int overlap, entropy, weighted; } losses[] = {
	[LOSS_DICECE] = {K_DICE, K_CE, 1},
	[LOSS_DICE] = {K_DICE, NO, 1},
	[LOSS_CE] = {NO, K_CE, 1},
	[LOSS_BCE] = {NO, K_BCE, 1},
	[LOSS_FOCAL] = {NO, K_FOCAL, 1},
	[LOSS_DICEFOCAL] = {K_DICE, K_FOCAL, 1},
	[LOSS_TVERSKY] = {K_TVERSKY, NO, 0},
	[LOSS_GDICE] = {K_GENERALISED, NO, 0},
	[LOSS_GDICEFOCAL] = {K_GENERALISED, K_FOCAL, 1},
	[LOSS_NNUNET] = {K_DICE, K_CE, 1},
};

static int take_weights(struct loss *l, const struct hyper *h, int classes, struct err *e)
{
	if (!h->weight.n)
		return 0;
	if (!losses[(int)h->loss].weighted)
		return err_set(e, NULL, "--class-weights has no meaning with this loss");
	if (h->weight.n != classes)
		return err_set(e, NULL, "--class-weights: %d given, the network has %d classes", h->weight.n, classes);
	for (int i = 0; i < classes; i++)
		l->weight[i] = (float)h->weight.v[i];
	l->terms.weight = l->weight;
	return 0;
}

/* What is a softmax's, or the background's, of which regions have neither. */
static int check_regions(const struct hyper *h, int classes, const struct regions *regions, struct err *e)
{
	const struct { int is; const char *option; } none[] = {
		{h->focal_softmax > 0, "focal-softmax"}, {!(h->background > 0), "no-background"}, {h->smoothing > 0, "label-smoothing"}};

	if (regions->n != classes)
		return err_set(e, NULL, "--regions: %d given, the network has %d classes", regions->n, classes);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		if (none[i].is)
			return err_set(e, NULL, "--%s has no meaning with regions", none[i].option);
	return 0;
}

/* Labels in no region are 0 or wrong. */
static const uint32_t *take_regions(struct loss *l, const struct regions *regions)
{
	for (int i = 0; i < 256; i++)
		l->regions[i] = regions_have(regions, i) ? regions->of[i] : K_NO_REGION;
	return l->regions;
}

int loss_make(struct loss *l, const struct hyper *h, int classes, const struct regions *regions, struct err *e)
{
	const int kind = (int)h->loss, overlap = losses[kind].overlap, entropy = losses[kind].entropy, nnunet = kind == LOSS_NNUNET;
	const int dice = overlap == K_DICE, alpha = h->focal_alpha >= 0, softmax = entropy == K_FOCAL && h->focal_softmax > 0;

	if (regions && check_regions(h, classes, regions, e))
		return -1;
	if (softmax && classes < 2)
		return err_set(e, NULL, "--focal-softmax needs classes: the network has one channel");
	memset(l, 0, sizeof *l);
	l->terms = (struct k_loss){
		.w_dice = overlap == NO ? 0 : (float)h->lambda_dice, .w_ce = entropy == NO ? 0 : (float)h->lambda_ce,
		.overlap = overlap == NO ? K_DICE : dice && h->jaccard > 0 ? K_JACCARD : (enum k_overlap)overlap,
		.entropy = entropy == NO ? K_CE : softmax ? K_FOCAL_SOFTMAX : (enum k_entropy)entropy,
		.regions = regions ? take_regions(l, regions) : NULL, .squared = dice && !nnunet && h->squared > 0, .batch = h->batch_dice > 0,
		.background = !nnunet && h->background > 0,
		.smooth_nr = (float)h->smooth_nr, .smooth_dr = (float)h->smooth_dr, .alpha = (float)h->alpha, .beta = (float)h->beta, .power = (int)h->volume,
		.smoothing = entropy == K_CE ? (float)h->smoothing : 0,
		.gamma = (float)h->gamma, .pos = alpha ? (float)h->focal_alpha : 1, .neg = alpha ? (float)(1 - h->focal_alpha) : 1,
		.masked = h->ignore >= 0, .ignore = h->ignore >= 0 ? (uint8_t)h->ignore : 0,
	};
	l->offset = nnunet ? -1 : 0;
	return take_weights(l, h, classes, e);
}
