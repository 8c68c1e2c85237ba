/* In the place of a GPU (tests/sim): its memory is this machine's, out of the host's reach but while a kernel or a copy runs. kernel: whose accesses
   are looked at, every one: what is not in a block of device memory ends the process; NULL: nobody's. */
#ifndef NIIPIPE_WALL_H
#define NIIPIPE_WALL_H

void wall_open(const char *kernel);
void wall_close(void);

#endif
