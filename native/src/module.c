/* The module, and what its types share. */
#include "background.h"
#include "buffer.h"
#include "detector.h"
#include "endpointing.h"
#include "g711.h"
#include "line.h"
#include "quality.h"
#include "silero.h"
#include "tones.h"

#include <string.h>

PyTypeObject *tick_type;

static PyStructSequence_Field tick_fields[] = {
    {"voiced", "whether the tick is voiced"},
    {"level", "mean power before the gain (square of 16-bit units)"},
    {NULL, NULL},
};

static PyStructSequence_Desc tick_desc = {
    "trunkline_native.Tick", "20 ms of one channel.", tick_fields, 2};

#define MOST_SPARE (32 * TICK) /* room that samples keep when they need less: more arrives only in a burst */

void samples_drop(Samples *samples, Py_ssize_t count)
{
    samples->length -= count;
    if (count && samples->length)
        memmove(samples->data, samples->data + count, (size_t)samples->length * sizeof(int16_t));
}

void samples_free(Samples *samples)
{
    PyMem_Free(samples->data);
    samples->data = NULL;
    samples->length = samples->room = 0;
}

int samples_reserve(Samples *samples, Py_ssize_t count)
{
    Py_ssize_t needed = samples->length + count;
    int is_left_of_burst = samples->room > MOST_SPARE && needed < samples->room / 8;
    if (needed <= samples->room && !is_left_of_burst)
        return 0;
    Py_ssize_t room = needed + needed / 2 + 2 * TICK;
    int16_t *grown = PyMem_Realloc(samples->data, (size_t)room * sizeof(int16_t));
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    samples->data = grown;
    samples->room = room;
    return 0;
}

Py_ssize_t samples_take(Samples *samples, PyObject *pcm)
{
    Py_buffer view;
    if (PyObject_GetBuffer(pcm, &view, PyBUF_STRIDED_RO) < 0)
        return -1;
    Py_ssize_t count = view.len / 2;
    int failed = 1;
    if (view.ndim != 1 || view.itemsize != 2)
        PyErr_SetString(PyExc_TypeError, "samples must be an array of 16-bit numbers");
    else if (samples_reserve(samples, count) == 0)
        failed = count && PyBuffer_ToContiguous(samples->data + samples->length, &view, view.len, 'C') < 0;
    PyBuffer_Release(&view);
    if (failed)
        return -1;
    samples->length += count;
    return count;
}

int samples_append(Samples *samples, const int16_t *more, Py_ssize_t count)
{
    if (samples_reserve(samples, count) < 0)
        return -1;
    if (count)
        memcpy(samples->data + samples->length, more, (size_t)count * sizeof(int16_t));
    samples->length += count;
    return 0;
}

int64_t energy(const int16_t *samples, Py_ssize_t count)
{
    int64_t sum = 0;
    for (Py_ssize_t at = 0; at < count; at++)
        sum += (int32_t)samples[at] * samples[at];
    return sum;
}

void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef functions[] = {
    {"measure_block", measure_block, METH_O, "Return the measurements of line quality of a block of 250 ms at 8 kHz."},
    {"pack", g711_pack, METH_VARARGS, "Return the codes of mu-law, or of A-law, for 16-bit samples; None if one has none."},
    {"run", run_detectors, METH_VARARGS,
     "Run detectors, with a network or None, for at most so many rounds."},
    {"run_lines", run_lines, METH_VARARGS,
     "Run lines as `run` does; at a time, in seconds.  Returns the places of those with news."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "trunkline_native", "The audio path of Trunkline, compiled.", -1, functions,
    NULL, NULL, NULL, NULL,
};

/* Add a type; keep it in `kept` unless that is NULL.  Returns -1 with an error set. */
static int add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **kept)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL)
        return -1;
    int failed = PyModule_AddType(module, (PyTypeObject *)type);
    if (kept != NULL && !failed)
        *kept = (PyTypeObject *)type; /* the reference is kept with it */
    else
        Py_DECREF(type);
    return failed;
}

PyMODINIT_FUNC PyInit_trunkline_native(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (tick_type == NULL)
        tick_type = PyStructSequence_NewType(&tick_desc);
    g711_module_init();
    spectrum_module_init();
    /* INTERFACE: raised with every change of what the Python side calls. */
    if (tick_type == NULL || PyModule_AddIntConstant(module, "INTERFACE", 6) < 0 ||
        buffer_module_init() < 0 || levels_module_init() < 0 ||
        add_type(module, &buffer_spec, &buffer_type) < 0 ||
        add_type(module, &detector_spec, &detector_type) < 0 ||
        add_type(module, &tracker_spec, &tracker_type) < 0 ||
        add_type(module, &endpointer_spec, &endpointer_type) < 0 ||
        add_type(module, &network_spec, &network_type) < 0 || add_type(module, &tones_spec, &tones_type) < 0 ||
        add_type(module, &line_spec, &line_type) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
