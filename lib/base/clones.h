/* CLONES in front of a function: compiled twice, for any x86-64 and for one with AVX2; the loader takes the one that the processor can run. For
   loops that vectors make faster. Both give the same bits: nothing is reordered or contracted. */
#ifndef NIIPIPE_CLONES_H
#define NIIPIPE_CLONES_H

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
