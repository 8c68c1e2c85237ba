/* A loss as MONAI's JSON, {"_target_": "DiceCELoss", "softmax": true, ...}, alone or inside a bundle's configs: seg-train's options. */
#ifndef NIIPIPE_LOSSFILE_H
#define NIIPIPE_LOSSFILE_H

#include "lib/net/train/hyper.h"

/* text: JSON or the name of a file of it (archfile_json). classes: of the network, 0: not known yet; each: they are
   regions. What it says, and MONAI's and torch's defaults
   for what it does not, into the fields of h that the loss has. 0, or -1 and an error that names the key: an option that has no meaning or no place
   here, or a field of h that was given already. */
int lossfile_read(const char *text, int classes, int each, struct hyper *h, struct err *e);

#endif
