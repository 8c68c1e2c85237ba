#include "lib/volume/report/report_parts.h"

/* C11 has no #embed. Paths count from where the compiler runs, the root of the tree; the Makefile names them as prerequisites. */
#define FILE_AS(symbol, path) \
	__asm__(".section .rodata\n.global " #symbol "\n" #symbol ":\n.incbin \"" path "\"\n.byte 0\n.previous\n")

FILE_AS(report_css, "lib/volume/report/report.css");
FILE_AS(report_js, "lib/volume/report/report.js");
FILE_AS(report_gp, "pipelines/curves.gp");
