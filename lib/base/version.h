/* The one version source: Makefile, tools, pages and frames take it from here. */
#ifndef NIIPIPE_VERSION_H
#define NIIPIPE_VERSION_H

#define NIIPIPE_VERSION "0.1.0"
#define NIIPIPE_FORMAT "1" /* of the stream: metadata key `niipipe` */

#endif
