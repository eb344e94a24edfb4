/* The latest samples of one channel.  Equal to streaming/audio/sample_buffer.py, which documents the behaviour. */
#include "buffer.h"

#include <string.h>

#define SLACK 1600
#define LEAST_ROOM 640

PyTypeObject *buffer_type;

static PyObject *frombuffer, *int16; /* of numpy */

int buffer_module_init(void)
{
    if (frombuffer != NULL)
        return 0;
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (numpy == NULL)
        return -1;
    int16 = PyObject_CallMethod(numpy, "dtype", "s", "int16");
    frombuffer = PyObject_GetAttrString(numpy, "frombuffer");
    Py_DECREF(numpy);
    return int16 == NULL || frombuffer == NULL ? -1 : 0;
}

static void buffer_dealloc(PyObject *object)
{
    PyMem_Free(((Buffer *)object)->data);
    free_object(object);
}

/* Move the samples to the front, and give the memory `room` samples. */
static int resize(Buffer *self, Py_ssize_t room)
{
    if (self->head && self->length)
        memmove(self->data, self->data + self->head, (size_t)self->length * 2);
    self->head = 0;
    if (room == self->room)
        return 0;
    int16_t *moved = PyMem_Realloc(self->data, (size_t)room * 2);
    if (moved == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->data = moved;
    self->room = room;
    return 0;
}

int16_t *buffer_more(Buffer *self, Py_ssize_t count)
{
    Py_ssize_t needed = self->length + count;
    if (self->data == NULL || self->head + needed > self->room) {
        int must_grow = self->data == NULL || needed > self->room || self->head < self->length;
        Py_ssize_t room = must_grow ? needed + needed / 8 + LEAST_ROOM : self->room;
        if (resize(self, room) < 0)
            return NULL;
    }
    return self->data + self->head + self->length;
}

static PyObject *take(Buffer *self, PyObject *samples, Py_ssize_t item)
{
    Py_buffer view;
    if (PyObject_GetBuffer(samples, &view, PyBUF_STRIDED_RO) < 0)
        return NULL;
    int failed = 1;
    int16_t *to;
    if (view.ndim != 1 || view.itemsize != item || view.len % 2)
        PyErr_SetString(PyExc_TypeError, "samples must be an array of 16-bit numbers");
    else if ((to = buffer_more(self, view.len / 2)) != NULL)
        failed = view.len && PyBuffer_ToContiguous(to, &view, view.len, 'C') < 0;
    Py_ssize_t count = view.len / 2;
    PyBuffer_Release(&view);
    if (failed)
        return NULL;
    self->length += count;
    Py_RETURN_NONE;
}

static PyObject *buffer_append(PyObject *object, PyObject *pcm)
{
    return take((Buffer *)object, pcm, 2);
}

static PyObject *buffer_extend(PyObject *object, PyObject *samples)
{
    return take((Buffer *)object, samples, 1);
}

const int16_t *buffer_at(const Buffer *self, long long start, long long end)
{
    if (self->start <= start && start <= end && end <= self->start + self->length)
        return self->data + self->head + (start - self->start);
    PyErr_Format(PyExc_ValueError, "samples %lld to %lld requested; the buffer holds %lld to %lld", start, end,
                 self->start, self->start + (long long)self->length);
    return NULL;
}

static PyObject *buffer_cut(PyObject *object, PyObject *args)
{
    Buffer *self = (Buffer *)object;
    long long start, end;
    if (!PyArg_ParseTuple(args, "LL", &start, &end))
        return NULL;
    const int16_t *from = buffer_at(self, start, end);
    if (from == NULL && PyErr_Occurred())
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(end > start ? (const char *)from : NULL, 2 * (end - start));
    if (bytes == NULL)
        return NULL;
    PyObject *pcm = PyObject_CallFunctionObjArgs(frombuffer, bytes, int16, NULL);
    Py_DECREF(bytes);
    return pcm;
}

static PyObject *forget(Buffer *self, long long before)
{
    long long surplus = before - self->start;
    if (surplus > self->length)
        surplus = self->length;
    if (surplus <= 0)
        Py_RETURN_NONE;
    self->head += surplus;
    self->length -= surplus;
    self->start += surplus;
    if (self->room > 8 * LEAST_ROOM && self->length < self->room / 4 &&
        resize(self, self->length + self->length / 8 + LEAST_ROOM) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *buffer_forget(PyObject *object, PyObject *position)
{
    long long before = PyLong_AsLongLong(position);
    if (before == -1 && PyErr_Occurred())
        return NULL;
    return forget((Buffer *)object, before);
}

static PyObject *buffer_forget_soon(PyObject *object, PyObject *position)
{
    Buffer *self = (Buffer *)object;
    long long before = PyLong_AsLongLong(position);
    if (before == -1 && PyErr_Occurred())
        return NULL;
    if (before - self->start <= SLACK)
        Py_RETURN_NONE;
    return forget(self, before);
}

void buffer_move(Buffer *self, long long position)
{
    self->head = self->length = 0;
    self->start = position;
}

static PyObject *buffer_jump(PyObject *object, PyObject *position)
{
    long long start = PyLong_AsLongLong(position);
    if (start == -1 && PyErr_Occurred())
        return NULL;
    buffer_move((Buffer *)object, start);
    Py_RETURN_NONE;
}

static PyObject *buffer_start(PyObject *object, void *unused)
{
    return PyLong_FromLongLong(((Buffer *)object)->start);
}

static PyObject *buffer_end(PyObject *object, void *unused)
{
    Buffer *self = (Buffer *)object;
    return PyLong_FromLongLong(self->start + self->length);
}

static PyMethodDef buffer_methods[] = {
    {"append", buffer_append, METH_O, "Append the next samples: int16 [n]."},
    {"extend", buffer_extend, METH_O, "Append the next samples: bytes."},
    {"cut", buffer_cut, METH_VARARGS, "Return a copy of the samples between two positions."},
    {"forget", buffer_forget, METH_O, "Drop the samples before a position."},
    {"forget_soon", buffer_forget_soon, METH_O,
     "Drop the samples before a position, if they are more than 1,600."},
    {"jump", buffer_jump, METH_O, "Drop all samples and continue at a position."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef buffer_attributes[] = {
    {"start", buffer_start, NULL, "Position of the oldest sample kept.", NULL},
    {"end", buffer_end, NULL, "Position after the newest sample.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot buffer_slots[] = {
    {Py_tp_doc, "The latest samples of one channel."},
    {Py_tp_dealloc, buffer_dealloc},
    {Py_tp_methods, buffer_methods},
    {Py_tp_getset, buffer_attributes},
    {0, NULL},
};

PyType_Spec buffer_spec = {"trunkline_native.SampleBuffer", sizeof(Buffer), 0, Py_TPFLAGS_DEFAULT,
                           buffer_slots};
