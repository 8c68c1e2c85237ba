/* In the place of a GPU (tests/sim): its memory is this machine's, out of the host's reach but while a kernel or a copy runs. */
#ifndef NIIPIPE_WALL_H
#define NIIPIPE_WALL_H

void wall_open(void);
void wall_close(void);

#endif
