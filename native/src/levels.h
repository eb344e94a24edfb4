/* The latest levels of a channel.  Equal to streaming/audio/recent_levels.py, which documents the behaviour. */
#ifndef TRUNKLINE_LEVELS_H
#define TRUNKLINE_LEVELS_H

#include "module.h"

typedef struct {
    double *kept;
    Py_ssize_t count, room;
    long long zeros; /* before `kept` */
    Py_ssize_t most;
} Levels;

/* Append a level.  Returns -1 with MemoryError set. */
int levels_append(Levels *levels, double level);

void levels_clear(Levels *levels);

Py_ssize_t levels_length(const Levels *levels);

/* The newest `count` levels as an array of numpy; all of them if there are fewer.  NULL with an error set. */
PyObject *levels_array(const Levels *levels, Py_ssize_t count);

/* Import what `levels_array` needs of numpy.  Returns -1 with an error set. */
int levels_module_init(void);

#endif
