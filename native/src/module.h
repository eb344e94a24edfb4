/* Shared by the sources of trunkline_native: limited API of CPython 3.11, so one build serves all later versions. */
#ifndef TRUNKLINE_MODULE_H
#define TRUNKLINE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#define TICK 160 /* samples of a tick: 20 ms at 8 kHz */

extern PyType_Spec buffer_spec;
extern PyType_Spec detector_spec;
extern PyType_Spec endpointer_spec;
extern PyType_Spec line_spec;
extern PyType_Spec network_spec;
extern PyType_Spec tones_spec;
extern PyType_Spec tracker_spec;

/* Import what `buffer.c` needs of numpy.  Returns -1 with an error set. */
int buffer_module_init(void);

/* The type of a tick: a tuple of `voiced` and `level`. */
extern PyTypeObject *tick_type;

/* Samples that grow at the end and are dropped from the front. */
typedef struct {
    int16_t *data;
    Py_ssize_t length, room;
} Samples;

/* Drop the first `count` samples. */
void samples_drop(Samples *samples, Py_ssize_t count);

void samples_free(Samples *samples);

/* Make room for `count` more samples.  Returns -1 with MemoryError set. */
int samples_reserve(Samples *samples, Py_ssize_t count);

/* Append samples.  Returns -1 with MemoryError set. */
int samples_append(Samples *samples, const int16_t *more, Py_ssize_t count);

/* Append the samples of an array of 16-bit numbers.  Returns how many, or -1 with an error set. */
Py_ssize_t samples_take(Samples *samples, PyObject *pcm);

/* The sum of squares of `count` samples. */
int64_t energy(const int16_t *samples, Py_ssize_t count);

/* See `line.c`. */
PyObject *run_lines(PyObject *module, PyObject *args);

/* Run voice activity detection for detectors: see `detector.c`. */
PyObject *run_detectors(PyObject *module, PyObject *args);

/* Free an object of a heap type; call it at the end of a deallocator. */
void free_object(PyObject *self);

#endif
