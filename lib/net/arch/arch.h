/* Architectures: from MONAI's or nnU-Net's JSON to a graph. One file each (arch_*.c), one line in the table of arch.c. */
#ifndef NIIPIPE_ARCH_H
#define NIIPIPE_ARCH_H

#include <jansson.h>

#include "lib/net/graph/graph.h"

enum { ARCH_LEVELS = 12, ARCH_CHANNELS = 4096, ARCH_BLOCKS = 16 }; /* at most; blocks: in a level */

/* A class by its dotted name, without the modules: borrowed from it. */
const char *arch_class(const char *dotted);

/* Build what arch's "_target_" says. NULL and an error; freed with graph_free. */
struct graph *arch_graph(const json_t *arch, struct err *e);

/* What the architecture calls the number of channels that go in and of classes that come out ("in_channels", "num_classes"). */
const char *arch_channels_key(const json_t *arch);
const char *arch_classes_key(const json_t *arch);
int arch_classes_default(const json_t *arch); /* where that key is absent */

/* What a patch says: its channels; of an architecture that takes one size alone and does not say it ("img_size"), its size z,y,x; of one of two
   dimensions that does not say where slices lie, the axis along which the patch is one. */
void arch_take_patch(json_t *arch, int64_t channels, const int64_t size[3]);

/* Reading options. Each returns 0, or -1 and an error that names the key. An option that is absent keeps its value. */
struct arch_int { const char *key; int *to; int lo, hi; int required; };
int arch_known(const json_t *arch, const char *const *keys, struct err *e);              /* no other keys than these (NULL ends) and "_target_" */
int arch_ints(const json_t *arch, const struct arch_int *table, struct err *e);          /* ends with an all-zero entry */
int arch_flag(const json_t *arch, const char *key, int *to, struct err *e);              /* true or false */
int arch_rate(const json_t *arch, const char *key, float *to, struct err *e);            /* of dropout: null, or from 0 to below 1 */
/* "dropout": likewise, or "DROPOUT", or ["DROPOUT", {"p": 0.2}], or ALPHADROPOUT, and then *what is that */
int arch_dropout(const json_t *arch, float *to, enum graph_dropped *what, struct err *e);
int arch_triple(const json_t *value, const char *key, int hi, int odd, int to[3], struct err *e); /* a whole number, or three: d,h,w; in 1..hi */
int arch_word(const json_t *arch, const char *key, const char *only, struct err *e);     /* a word that has but one value here */

/* Required: one for all of n levels, or a list of n; in lo..hi, triples in 1..hi. */
int arch_list(const json_t *arch, const char *key, int n, int lo, int hi, int *to, struct err *e);
int arch_triples(const json_t *arch, const char *key, int n, int hi, int odd, int to[][3], struct err *e);

/* Numbers of blocks, a list of least to ARCH_LEVELS; *n: how many. "upsample_mode": nontrainable or deconv. */
int arch_counts(const json_t *arch, const char *key, int least, int *to, int *n, struct err *e);
int arch_up_mode(const json_t *arch, int *deconv, struct err *e);

/* "channels", a list of 2 to ARCH_LEVELS, each at least lo, and "strides", a list of one fewer; MONAI leaves what is beyond these unused. */
int arch_levels(const json_t *arch, int lo, int *n, int *channels, int stride[][3], struct err *e);

/* MONAI's way: "PRELU" or ["PRELU", {"init": 0.25, "num_parameters": 1}]; null and "": none. */
int arch_act(const json_t *arch, const char *key, struct graph_act *act, struct err *e);
int arch_norm(const json_t *arch, const char *key, struct graph_norm *norm, struct err *e);

/* nnU-Net's: classes by their dotted names, "nonlin" and "nonlin_kwargs", "norm_op" and "norm_op_kwargs"; null: none. arch_class_is: a class that
   must be this one, or null; only NULL: null alone. */
int arch_nonlin(const json_t *arch, struct graph_act *act, struct err *e);
int arch_norm_op(const json_t *arch, struct graph_norm *norm, struct err *e);
int arch_class_is(const json_t *arch, const char *key, const char *only, struct err *e);

/* Building. A convolution padded by (kernel - 1) / 2, a transposed one whose kernel is its stride. he: see graph.h. */
int arch_conv(struct graph *g, int x, const char *name, int64_t oc, const int kernel[3], const int stride[3], int bias, int he);
int arch_up(struct graph *g, int x, const char *name, int64_t oc, const int stride[3], int bias, int he);

/* What stands behind a convolution; any of it may be absent (kind NONE, dropout 0). arch_step: 'N', 'D' or 'A' of it. */
struct arch_adn { struct graph_norm norm; struct graph_act act; float dropout; enum graph_dropped dropped; };
int arch_step(struct graph *g, int x, const struct arch_adn *adn, char what, const char *name);

/* MONAI's get_conv_layer: NAME.conv, a convolution padded by (kernel - stride + 1) / 2 or (up) a transposed one, then dropout. UnetBasicBlock, or
   where `residual` UnetResBlock: two of them, the first with the stride, norm and activation behind each, plus x, or where it changes a convolution
   of it, before the last activation. */
struct arch_blocks { struct arch_adn adn; int he; };
int arch_layer(struct graph *g, int x, const struct arch_blocks *b, const char *name, int oc, const int kernel[3], const int stride[3], int bias,
               int up);
int arch_block(struct graph *g, int x, const struct arch_blocks *b, int ic, int oc, const int kernel[3], const int stride[3], int residual);

/* SegResBlock, ResBlock: norm1, activation, convolution, norm2, activation, convolution, plus x; names of what is no norm */
int arch_pre_block(struct graph *g, int x, const struct arch_adn *adn, int c, const int kernel[3], const char *const name[4]);

/* What the loss of logits i steps below the input's resolution counts (DeepSupervisionLoss) */
float arch_deep_weight(int i);

/* UnetrUpBlock NAME: x up to twice the size and oc channels, beside `skip` of as many, then a block of both */
int arch_up_block(struct graph *g, int x, int skip, const struct arch_blocks *b, int oc, const char *name, int residual);

int arch_unet(struct graph *g, const json_t *arch, struct err *e);
int arch_basicunet(struct graph *g, const json_t *arch, struct err *e);
int arch_plain(struct graph *g, const json_t *arch, struct err *e);
int arch_resenc(struct graph *g, const json_t *arch, struct err *e);
int arch_segresnet(struct graph *g, const json_t *arch, struct err *e);
int arch_segresnetds(struct graph *g, const json_t *arch, struct err *e);
int arch_attention(struct graph *g, const json_t *arch, struct err *e);
int arch_dynunet(struct graph *g, const json_t *arch, struct err *e);
int arch_swinunetr(struct graph *g, const json_t *arch, struct err *e);
int arch_unetr(struct graph *g, const json_t *arch, struct err *e);
int arch_vnet(struct graph *g, const json_t *arch, struct err *e);

#endif
