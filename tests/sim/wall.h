/* Device memory in a GPU's place (device.c), and who may touch it (wall.c). */
#ifndef NIIPIPE_SIM_WALL_H
#define NIIPIPE_SIM_WALL_H

#include <stddef.h>

#include "kernels/gpu/wall.h"

enum { PAGE = 4096 };

/* Every block begins with a page that says how long it is. bytes: asked for; whole: mapped behind the page */
struct block { struct block *next, **link; size_t bytes, whole; };

extern struct block *sim_blocks;
extern int sim_generation; /* another one whenever sim_blocks changes */

#endif
