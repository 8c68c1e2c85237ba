/* A network's description from a file or the command line: MONAI's JSON or YAML, alone or inside a bundle's configs, and nnU-Net's plans.json. */
#ifndef NIIPIPE_ARCHFILE_H
#define NIIPIPE_ARCHFILE_H

#include <jansson.h>

#include "lib/base/err.h"

/* text: JSON that begins with '{', or the name of a file of JSON, or of YAML
   (.yaml, .yml; lib/base/yamltree.h). NULL and an error; caller json_decref()s. */
json_t *archfile_json(const char *text, struct err *e);

/* The description that arch_graph takes: root itself where it has a _target_, else its network_def or network. References ('@name', '$expression',
   '%file') are an error that names the key. NULL and an error; caller json_decref()s. */
json_t *archfile_network(const json_t *root, struct err *e);

/* Likewise a loss: root itself where it has a _target_, else its loss. */
json_t *archfile_loss(const json_t *root, struct err *e);

#endif
