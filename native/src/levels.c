/* The latest levels of a channel.  Equal to streaming/audio/recent_levels.py, which documents the behaviour. */
#include "levels.h"

#include <string.h>

#define SLACK 64

static PyObject *frombuffer, *float64; /* of numpy */

int levels_module_init(void)
{
    if (frombuffer != NULL)
        return 0;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy == NULL)
        return -1;
    float64 = PyObject_CallMethod(numpy, "dtype", "s", "float64");
    frombuffer = PyObject_GetAttrString(numpy, "frombuffer");
    Py_DECREF(numpy);
    return float64 == NULL || frombuffer == NULL ? -1 : 0;
}

void levels_clear(Levels *self)
{
    PyMem_Free(self->kept);
    self->kept = NULL;
    self->count = self->room = 0;
    self->zeros = 0;
}

Py_ssize_t levels_length(const Levels *self)
{
    long long all = self->zeros + self->count;
    return all < self->most ? (Py_ssize_t)all : self->most;
}

/* Drop all but the newest levels; forget them if they are zeros. */
static void trim(Levels *self)
{
    memmove(self->kept, self->kept + self->count - self->most, (size_t)self->most * sizeof(double));
    self->count = self->most;
    self->zeros = 0;
    for (Py_ssize_t at = 0; at < self->count; at++)
        if (self->kept[at] != 0.0)
            return;
    Py_ssize_t zeros = self->count;
    levels_clear(self);
    self->zeros = zeros;
}

int levels_append(Levels *self, double level)
{
    if (level == 0.0 && self->count == 0) {
        self->zeros++;
        return 0;
    }
    if (self->count == self->room) {
        Py_ssize_t room = self->room + SLACK;
        double *grown = PyMem_Realloc(self->kept, (size_t)room * sizeof(double));
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->kept = grown;
        self->room = room;
    }
    self->kept[self->count++] = level;
    if (self->count > self->most + SLACK)
        trim(self);
    return 0;
}

PyObject *levels_array(const Levels *self, Py_ssize_t count)
{
    Py_ssize_t length = levels_length(self);
    length = count < length ? count : length;
    Py_ssize_t known = self->count < length ? self->count : length;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, length * (Py_ssize_t)sizeof(double));
    if (bytes == NULL)
        return NULL;
    char *to = PyBytes_AsString(bytes);
    memset(to, 0, (size_t)(length - known) * sizeof(double));
    if (known)
        memcpy(to + (length - known) * (Py_ssize_t)sizeof(double), self->kept + self->count - known,
               (size_t)known * sizeof(double));
    PyObject *array = PyObject_CallFunctionObjArgs(frombuffer, bytes, float64, NULL);
    Py_DECREF(bytes);
    return array;
}
