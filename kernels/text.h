/* Functions of one text for the CPU and the GPU: kernels/gpu/par.h, included before, makes device functions of them. */
#ifndef NIIPIPE_TEXT_H
#define NIIPIPE_TEXT_H

#ifndef K_TEXT
#define K_TEXT static inline
#endif

#endif
