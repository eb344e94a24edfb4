/* The voice activity detection of one channel as an object in Python. */
#include "detector.h"

#include <string.h>

#define NEEDED (9 * SILERO_WINDOW + SILERO_CONTEXT) /* samples behind the first undecided tick */

PyTypeObject *detector_type;

static int detector_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"webrtc", "silero", "levelled", NULL};
    Detector *self = (Detector *)object;
    int has_webrtc, is_levelled;
    if (self->audio != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the detector has been made already");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "ppp", names, &has_webrtc, &self->second.is_used,
                                     &is_levelled))
        return -1;
    if (ticks_start(&self->ticks, has_webrtc, is_levelled) < 0)
        return -1;
    self->audio = (Buffer *)PyObject_CallObject((PyObject *)buffer_type, NULL);
    return self->audio == NULL ? -1 : 0;
}

static void detector_dealloc(PyObject *object)
{
    Detector *self = (Detector *)object;
    ticks_free(&self->ticks);
    Py_XDECREF((PyObject *)self->audio);
    free_object(object);
}

/* The detector; NULL with an error set if it was not initialised. */
static Detector *whole(PyObject *object)
{
    if (((Detector *)object)->audio != NULL)
        return (Detector *)object;
    PyErr_SetString(PyExc_RuntimeError, "the detector is not initialised");
    return NULL;
}

static PyObject *detector_feed(PyObject *object, PyObject *pcm)
{
    if (samples_take(&((Detector *)object)->ticks.waiting, pcm) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *detector_query(PyObject *object, PyObject *unused)
{
    Detector *self = whole(object);
    Query query;
    (void)unused;
    if (self == NULL || detector_classify(self) < 0)
        return NULL;
    int count = detector_ask(self, &query);
    if (count < 0)
        return NULL;
    if (count == 0)
        Py_RETURN_NONE;
    return Py_BuildValue("(y#iy#)", (const char *)query.samples,
                         (Py_ssize_t)query.from * (Py_ssize_t)sizeof(int16_t), count,
                         (const char *)&query.memory, (Py_ssize_t)sizeof query.memory);
}

static PyObject *detector_apply_result(PyObject *object, PyObject *args)
{
    Detector *self = whole(object);
    PyObject *probabilities;
    const char *memory;
    Py_ssize_t size;
    Query query;
    if (self == NULL || !PyArg_ParseTuple(args, "O!y#", &PyTuple_Type, &probabilities, &memory, &size))
        return NULL;
    query.count = (int)PyTuple_Size(probabilities);
    if (!self->second.is_awake) {
        PyErr_SetString(PyExc_RuntimeError, "a Silero result without a request");
        return NULL;
    }
    if (PyTuple_Size(probabilities) > SILERO_MOST || size != (Py_ssize_t)sizeof query.memory) {
        PyErr_SetString(PyExc_ValueError, "a result has at most 10 probabilities, and a memory of 256 floats");
        return NULL;
    }
    for (int at = 0; at < query.count; at++) {
        query.probabilities[at] = (float)PyFloat_AsDouble(PyTuple_GetItem(probabilities, at));
        if (PyErr_Occurred())
            return NULL;
    }
    memcpy(&query.memory, memory, sizeof query.memory);
    detector_apply(self, &query);
    Py_RETURN_NONE;
}

static PyObject *as_object(const Tick *tick)
{
    PyObject *made = PyStructSequence_New(tick_type), *level = PyFloat_FromDouble(tick->level);
    if (made == NULL || level == NULL) {
        Py_XDECREF(made);
        Py_XDECREF(level);
        return NULL;
    }
    PyStructSequence_SetItem(made, 0, PyBool_FromLong(tick->voiced));
    PyStructSequence_SetItem(made, 1, level);
    return made;
}

static PyObject *detector_drain(PyObject *object, PyObject *unused)
{
    Detector *self = whole(object);
    (void)unused;
    if (self == NULL || detector_classify(self) < 0)
        return NULL;
    PyObject *list = PyList_New(self->ticks.decided);
    if (list == NULL)
        return NULL;
    for (Py_ssize_t at = 0; at < self->ticks.decided; at++) {
        PyObject *tick = as_object(&self->ticks.ticks[at]);
        if (tick == NULL || PyList_SetItem(list, at, tick) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    ticks_drop(&self->ticks, self->ticks.decided);
    return list;
}

static PyObject *detector_conclude_all(PyObject *object, PyObject *unused)
{
    Detector *self = whole(object);
    (void)unused;
    if (self == NULL || detector_classify(self) < 0)
        return NULL;
    detector_conclude(self);
    Py_RETURN_NONE;
}

static PyObject *detector_skip(PyObject *object, PyObject *ticks)
{
    Detector *self = whole(object);
    long long skipped = PyLong_AsLongLong(ticks);
    if (self == NULL || (skipped == -1 && PyErr_Occurred()))
        return NULL;
    if (ticks_heard(&self->ticks) != self->ticks.position) {
        PyErr_SetString(PyExc_RuntimeError,
                        "some ticks have no decision yet: call conclude first, at the end of a tick");
        return NULL;
    }
    self->ticks.position += TICK * skipped;
    buffer_move(self->audio, self->ticks.position);
    if (self->second.is_used)
        second_sleep(&self->second);
    Py_RETURN_NONE;
}

static PyObject *detector_audio(PyObject *object, void *unused)
{
    Detector *self = whole(object);
    (void)unused;
    if (self != NULL)
        Py_INCREF((PyObject *)self->audio);
    return self == NULL ? NULL : (PyObject *)self->audio;
}

static PyObject *detector_heard(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(ticks_heard(&((Detector *)object)->ticks));
}

static PyObject *detector_needed(PyObject *object, void *unused)
{
    Detector *self = (Detector *)object;
    (void)unused;
    return PyLong_FromLongLong(self->ticks.position - (self->second.is_used ? NEEDED : 0));
}

static PyObject *detector_has_audio(PyObject *object, void *unused)
{
    Detector *self = (Detector *)object;
    (void)unused;
    return PyBool_FromLong(self->ticks.waiting.length > self->ticks.kept);
}

static PyMethodDef detector_methods[] = {
    {"feed", detector_feed, METH_O, "Take the next samples."},
    {"query", detector_query, METH_NOARGS,
     "Return the next windows: their samples, their number, and the memory before them.  None if there are none."},
    {"apply", detector_apply_result, METH_VARARGS, "Take probabilities and memory for `query`."},
    {"drain", detector_drain, METH_NOARGS, "Return the ticks decided since the last call."},
    {"conclude", detector_conclude_all, METH_NOARGS, "Decide every whole tick now."},
    {"skip", detector_skip, METH_O, "Advance over missing ticks."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef detector_attributes[] = {
    {"audio", detector_audio, NULL, "The samples after the gain.", NULL},
    {"heard", detector_heard, NULL, "Position after the last sample received.", NULL},
    {"needed", detector_needed, NULL, "Position before which `audio` is not needed.", NULL},
    {"has_audio", detector_has_audio, NULL, "Whether there are samples to classify.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot detector_slots[] = {
    {Py_tp_doc, "The voice activity detection of one channel."},
    {Py_tp_init, detector_init},
    {Py_tp_dealloc, detector_dealloc},
    {Py_tp_methods, detector_methods},
    {Py_tp_getset, detector_attributes},
    {0, NULL},
};

PyType_Spec detector_spec = {"trunkline_native.Detector", sizeof(Detector), 0, Py_TPFLAGS_DEFAULT,
                             detector_slots};
