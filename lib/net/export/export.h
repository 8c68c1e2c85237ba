/* Models for other programs. */
#ifndef NIIPIPE_EXPORT_H
#define NIIPIPE_EXPORT_H

#include "lib/net/import/import.h"

enum export_format { EXPORT_SAFETENSORS, EXPORT_ONNX };

struct export {
	const char *input; /* file of a model */
	enum export_format format;
	match_say *say;    /* as import.h has it */
	void *arg;
};

/* Write the network with its weights, and where they come from as `history`, to o. 0, or -1 and an error. */
int export_run(const struct export *x, struct out *o, struct err *e);

#endif
