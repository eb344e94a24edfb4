/* A line as an object in Python: see streaming/audio/channel_line.py. */
#include "g711.h"
#include "line.h"

PyTypeObject *line_type;

static int line_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"block", "position", NULL};
    Line *self = (Line *)object;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nL", names, &self->block, &self->position))
        return -1;
    if (self->block < 1 || self->position < 0) {
        PyErr_SetString(PyExc_ValueError, "a block has at least one sample, and positions begin at 0");
        return -1;
    }
    self->decided_due = LLONG_MAX;
    self->paused = -1;
    return 0;
}

static void release(Line *self)
{
    Py_CLEAR(self->detector);
    Py_CLEAR(self->endpointer);
    Py_CLEAR(self->tracker);
    Py_CLEAR(self->tones);
}

static void line_dealloc(PyObject *object)
{
    Line *self = (Line *)object;
    release(self);
    Py_CLEAR(self->keys);
    samples_free(&self->waiting);
    samples_free(&self->unfiled);
    free_object(object);
}

static PyObject *line_attach(PyObject *object, PyObject *args)
{
    Line *self = (Line *)object;
    PyObject *detector, *endpointer, *tracker, *tones;
    if (!PyArg_ParseTuple(args, "OOOO", &detector, &endpointer, &tracker, &tones))
        return NULL;
    if (!detector_is_whole(detector) || !PyObject_TypeCheck(endpointer, endpointer_type) ||
        ((Endpointer *)endpointer)->quietest == NULL || !PyObject_TypeCheck(tones, tones_type) ||
        (tracker != Py_None && !PyObject_TypeCheck(tracker, tracker_type)) || self->block < 1) {
        PyErr_SetString(PyExc_TypeError, "attach takes a detector, an endpointer, a tracker or None, and tones");
        return NULL;
    }
    Py_INCREF(detector);
    Py_INCREF(endpointer);
    Py_INCREF(tones);
    Py_INCREF(tracker);
    release(self);
    self->detector = (Detector *)detector;
    self->endpointer = (Endpointer *)endpointer;
    self->tones = (Tones *)tones;
    self->tracker = tracker == Py_None ? NULL : tracker;
    if (tracker == Py_None)
        Py_DECREF(tracker);
    self->fed = 0;
    self->paused = -1;
    Py_RETURN_NONE;
}

/* The line; NULL with an error set if it is not attached. */
static Line *attached(PyObject *object)
{
    if (((Line *)object)->detector != NULL)
        return (Line *)object;
    PyErr_SetString(PyExc_RuntimeError, "the line is not attached");
    return NULL;
}

/* Whether the batcher must be told of `count` samples that were added. */
static PyObject *is_news(const Line *self, Py_ssize_t count)
{
    Py_ssize_t waiting = self->waiting.length;
    return PyBool_FromLong(waiting <= count || waiting >= line_urgent_from(self));
}

static PyObject *line_add(PyObject *object, PyObject *pcm)
{
    Line *self = attached(object);
    Py_ssize_t count = self == NULL ? -1 : samples_take(&self->waiting, pcm);
    return count < 0 ? NULL : is_news(self, count);
}

static PyObject *line_add_coded(PyObject *object, PyObject *args)
{
    Line *self = attached(object);
    Py_buffer payload;
    int is_alaw;
    if (self == NULL || !PyArg_ParseTuple(args, "y*p", &payload, &is_alaw))
        return NULL;
    PyObject *found = NULL;
    if (samples_reserve(&self->waiting, payload.len) == 0) {
        int16_t *to = self->waiting.data + self->waiting.length;
        const uint8_t *codes = payload.buf;
        for (Py_ssize_t at = 0; at < payload.len; at++)
            to[at] = g711_samples[is_alaw][codes[at]];
        self->waiting.length += payload.len;
        found = is_news(self, payload.len);
    }
    PyBuffer_Release(&payload);
    return found;
}

static PyObject *line_deliver_all(PyObject *object, PyObject *unused)
{
    Line *self = attached(object);
    (void)unused;
    if (self == NULL || line_deliver(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *line_take(PyObject *object, PyObject *unused)
{
    Line *self = (Line *)object;
    Samples *samples = &self->unfiled;
    (void)unused;
    PyObject *found = Py_BuildValue("(Ly#)", self->position - samples->length,
                                    samples->length ? (const char *)samples->data : "",
                                    samples->length * (Py_ssize_t)sizeof(int16_t));
    if (found != NULL)
        samples->length = 0;
    return found;
}

static PyObject *line_take_keys(PyObject *object, PyObject *unused)
{
    Line *self = (Line *)object;
    PyObject *keys = self->keys;
    (void)unused;
    self->keys = NULL;
    return keys == NULL ? PyList_New(0) : keys;
}

static PyObject *line_heed(PyObject *object, PyObject *args)
{
    Line *self = (Line *)object;
    if (!PyArg_ParseTuple(args, "LLL", &self->fed, &self->paused, &self->decided_due))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *line_waiting(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(((Line *)object)->waiting.length);
}

static PyObject *line_position(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((Line *)object)->position);
}

static PyObject *line_news(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLong(((Line *)object)->news);
}

static PyObject *line_is_urgent(PyObject *object, void *unused)
{
    Line *self = attached(object);
    (void)unused;
    return self == NULL ? NULL : PyBool_FromLong(self->waiting.length >= line_urgent_from(self));
}

static int line_set_position(PyObject *object, PyObject *value, void *unused)
{
    Line *self = (Line *)object;
    (void)unused;
    long long position = value == NULL ? -1 : PyLong_AsLongLong(value);
    if (position < 0 || self->waiting.length || self->unfiled.length) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "the position of a line is 0 or more, and set between its samples");
        return -1;
    }
    self->position = position;
    return 0;
}

static int line_set_due_at(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    double due_at = value == NULL ? 0.0 : PyFloat_AsDouble(value);
    if (PyErr_Occurred())
        return -1;
    ((Line *)object)->due_at = due_at;
    return 0;
}

static PyMethodDef line_methods[] = {
    {"attach", line_attach, METH_VARARGS, "Set the detector, the endpointer, the tracker or None, and the tones."},
    {"add", line_add, METH_O, "Append a frame: int16 [n].  Returns whether the batcher must know."},
    {"add_coded", line_add_coded, METH_VARARGS, "Append a frame of mu-law, or of A-law.  Returns as `add`."},
    {"deliver", line_deliver_all, METH_NOARGS, "Pass the waiting samples on, outside a run."},
    {"take", line_take, METH_NOARGS, "Remove the processed samples.  Returns their position, and 16-bit samples."},
    {"take_keys", line_take_keys, METH_NOARGS, "Remove the digits found.  Returns each with its first sample."},
    {"heed", line_heed, METH_VARARGS,
     "Set the end of the audio taken of the open segment, its pause or -1, and the position to be told of."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef line_attributes[] = {
    {"waiting", line_waiting, NULL, "Number of samples that no run has processed.", NULL},
    {"position", line_position, line_set_position, "Position of the first of them.", NULL},
    {"news", line_news, NULL, "What the last run found: bits.", NULL},
    {"is_urgent", line_is_urgent, NULL, "Whether the waiting samples are many, or may end a segment.", NULL},
    {"due_at", NULL, line_set_due_at, "The time from which arriving audio is news.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot line_slots[] = {
    {Py_tp_doc, "One channel at 8 kHz, from its frames to its boundaries."},
    {Py_tp_init, line_init},
    {Py_tp_dealloc, line_dealloc},
    {Py_tp_methods, line_methods},
    {Py_tp_getset, line_attributes},
    {0, NULL},
};

PyType_Spec line_spec = {"trunkline_native.Line", sizeof(Line), 0, Py_TPFLAGS_DEFAULT, line_slots};
