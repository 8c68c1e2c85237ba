/* The one stream of the device in a GPU's place: what is put on it is done at once. */
#ifndef NIIPIPE_SIM_STREAM_H
#define NIIPIPE_SIM_STREAM_H

#define SIM_STREAM ((void *)0x57ea)

#endif
