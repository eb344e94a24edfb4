/* The network of Silero, and its state for one channel. */
#ifndef TRUNKLINE_SILERO_H
#define TRUNKLINE_SILERO_H

#include "module.h"

#define SILERO_WINDOW 256 /* samples */
#define SILERO_CONTEXT 32 /* samples before a window that the network needs */
#define SILERO_UNITS 128
#define SILERO_MOST 10 /* windows of one channel in a query */

typedef struct {
    float hidden[SILERO_UNITS], cell[SILERO_UNITS];
} Memory;

/* The next windows of a channel, and what the network returns for them. */
typedef struct {
    /* int16, `from` of them; those before, up to CONTEXT + count * WINDOW, are zero */
    const int16_t *samples;
    int from, count;
    Memory memory; /* before the windows; then after them */
    float probabilities[SILERO_MOST];
} Query;

/* The type of a network; set when the module is loaded. */
extern PyTypeObject *network_type;

/* Answer queries of different channels.  Returns -1 with an error set. */
int network_answer(PyObject *network, Query *const *queries, int count);

#endif
