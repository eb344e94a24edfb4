/* The latest samples of one channel, addressed by position. */
#ifndef TRUNKLINE_BUFFER_H
#define TRUNKLINE_BUFFER_H

#include "module.h"

typedef struct {
    PyObject_HEAD
    int16_t *data;
    Py_ssize_t head, length, room; /* the samples kept are `length` from `head` on */
    long long start;               /* position of the sample at `head` */
} Buffer;

/* The type of a buffer; set when the module is loaded. */
extern PyTypeObject *buffer_type;

/* Make room for `count` samples at the end.  Returns where they go; NULL with MemoryError set. */
int16_t *buffer_more(Buffer *buffer, Py_ssize_t count);

/* The samples from `start` to `end`; NULL with ValueError set if some are not kept. */
const int16_t *buffer_at(const Buffer *buffer, long long start, long long end);

/* Drop all samples and continue at `position`. */
void buffer_move(Buffer *buffer, long long position);

#endif
