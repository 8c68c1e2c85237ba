/* Architectures: from MONAI's JSON to a graph. One file each (arch_*.c), one line in the table of arch.c. */
#ifndef NIIPIPE_ARCH_H
#define NIIPIPE_ARCH_H

#include <jansson.h>

#include "lib/net/graph.h"

/* Build what arch's "_target_" says. NULL and an error; freed with graph_free. */
struct graph *arch_graph(const json_t *arch, struct err *e);

/* Reading options. Each returns 0, or -1 and an error that names the key. An option that is absent keeps its value. */
struct arch_int { const char *key; int *to; int lo, hi; int required; };
int arch_known(const json_t *arch, const char *const *keys, struct err *e);              /* no other keys than these (NULL ends) and "_target_" */
int arch_ints(const json_t *arch, const struct arch_int *table, struct err *e);          /* ends with an all-zero entry */
int arch_flag(const json_t *arch, const char *key, int *to, struct err *e);              /* true or false */
int arch_triple(const json_t *value, const char *key, int hi, int odd, int to[3], struct err *e); /* a whole number, or three: d,h,w; in 1..hi */
int arch_word(const json_t *arch, const char *key, const char *only, struct err *e);     /* a word that has but one value here */

/* act: "PRELU" or ["PRELU", {"init": 0.25, "num_parameters": 1}], RELU, LEAKYRELU. norm: "INSTANCE" or ["INSTANCE", {"affine": ..., "eps": ...}] */
int arch_act(const json_t *arch, struct graph_act *act, struct err *e);
int arch_norm(const json_t *arch, struct graph_norm *norm, struct err *e);

int arch_unet(struct graph *g, const json_t *arch, struct err *e);
int arch_swinunetr(struct graph *g, const json_t *arch, struct err *e);

#endif
