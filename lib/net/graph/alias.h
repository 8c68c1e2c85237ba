/* Other names that a network's modules know a parameter by: PyTorch's state_dict has it under each, bit for bit the same. nnU-Net's blocks keep
   their parts in all_modules too and its decoder keeps the encoder; MONAI's DynUNet keeps all but the output in skip_layers, its SegResNet the last
   activation in act_mod. Source: dynamic_network_architectures (building_blocks/simple_conv_blocks.py, unet_decoder.py), monai/networks/nets
   (dynunet.py, segresnet.py). */
#ifndef NIIPIPE_ALIAS_H
#define NIIPIPE_ALIAS_H

#include "lib/net/graph/graph.h"

enum { ALIAS_NAME = 384 };

struct alias { char name[ALIAS_NAME]; int param; };

/* All of them, by parameter; caller frees with free(). NULL and an error. */
struct alias *alias_list(const struct graph *g, int *n, struct err *e);

#endif
