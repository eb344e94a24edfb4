/* Tells the own speaker of a channel from speakers farther away. */
#ifndef TRUNKLINE_BACKGROUND_H
#define TRUNKLINE_BACKGROUND_H

#include "levels.h"

#define NO_TICK (-1LL)

/* The type of a tracker; set when the module is loaded. */
extern PyTypeObject *tracker_type;

/*
 * Take the next tick of the open segment.  Returns the tick before which the segment must be split, or `NO_TICK`;
 * -2 with MemoryError set.
 */
long long tracker_feed(PyObject *tracker, long long tick, double power, int voiced);

#endif
