/* DTMF digits of one channel. */
#ifndef TRUNKLINE_TONES_H
#define TRUNKLINE_TONES_H

#include "module.h"

typedef struct {
    PyObject_HEAD
    Py_buffer view;
    const float *tones; /* [window, COLUMNS] */
    Py_ssize_t window, hop;
    Samples waiting;
    long long start;
    long long run;
    char heard, down; /* 0 for none */
    double faintest;  /* amplitude */
    double low_louder, high_louder, alone; /* ratios of power */
} Tones;

extern PyTypeObject *tones_type;

/* Keep samples, the first one at `position`.  Returns -1 with MemoryError set. */
int tones_keep(Tones *tones, long long position, const int16_t *samples, Py_ssize_t count);

/*
 * Analyse the whole windows kept.  Appends complete digits, each with the position of its first sample, to `*keys`,
 * and makes that list if it is NULL.  Returns -1 with an error set.
 */
int tones_analyse(Tones *tones, PyObject **keys);

#endif
