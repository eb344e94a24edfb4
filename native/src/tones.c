/* DTMF digits of one channel.  Equal to streaming/audio/dtmf.py, which documents the behaviour. */
#include "tones.h"

#include <math.h>

#define COLUMNS 16 /* cosines of four low and four high tones, then their sines */
#define PURE 0.65
#define NEEDED 3
#define SILENCE 2

static const char KEYS[] = "123A456B789C*0#D";

PyTypeObject *tones_type;

static int tones_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"tones", "faintest", "low_louder", "high_louder", "alone", NULL};
    Tones *self = (Tones *)object;
    PyObject *tones;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Odddd", names, &tones, &self->faintest,
                                     &self->low_louder, &self->high_louder, &self->alone))
        return -1;
    if (self->tones != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the object has its tones already");
        return -1;
    }
    if (PyObject_GetBuffer(tones, &self->view, PyBUF_ND) < 0)
        return -1;
    self->window = self->view.len / (Py_ssize_t)sizeof(float) / COLUMNS;
    if (self->view.itemsize != sizeof(float) || self->view.len % (2 * COLUMNS * sizeof(float)) ||
        self->window == 0) {
        PyBuffer_Release(&self->view);
        PyErr_SetString(PyExc_TypeError, "tones must be float32 [window, 16], of an even window");
        return -1;
    }
    self->tones = self->view.buf;
    self->hop = self->window / 2;
    return 0;
}

static void tones_dealloc(PyObject *object)
{
    Tones *self = (Tones *)object;
    if (self->tones != NULL)
        PyBuffer_Release(&self->view);
    samples_free(&self->waiting);
    free_object(object);
}

/* Drop the samples kept unless those at `position` follow them. */
static void follow(Tones *self, long long position)
{
    if (position == self->start + self->waiting.length)
        return;
    self->waiting.length = 0;
    self->start = position;
}

static PyObject *tones_add(PyObject *object, PyObject *args)
{
    Tones *self = (Tones *)object;
    long long position;
    PyObject *pcm;
    if (!PyArg_ParseTuple(args, "LO", &position, &pcm))
        return NULL;
    follow(self, position);
    if (samples_take(&self->waiting, pcm) < 0)
        return NULL;
    Py_RETURN_NONE;
}

int tones_keep(Tones *self, long long position, const int16_t *samples, Py_ssize_t count)
{
    follow(self, position);
    return samples_append(&self->waiting, samples, count);
}

/* The place of the largest of four powers; 1 in `is_alone` if it exceeds all others by enough. */
static int largest(const float *powers, double alone, int *is_alone)
{
    int first = 0;
    for (int at = 1; at < 4; at++)
        if (powers[at] > powers[first])
            first = at;
    *is_alone = 1;
    for (int at = 0; at < 4; at++)
        if (at != first && !(powers[first] > alone * powers[at]))
            *is_alone = 0;
    return first;
}

/* The digit in a window; 0 for none. */
static char digit_in(const Tones *self, const int16_t *samples)
{
    double length = (double)self->window;
    double power = (double)energy(samples, self->window) * (length / 2);
    if (!(power > self->faintest * self->faintest * length * length / 2))
        return 0;
    float sums[COLUMNS] = {0};
    for (Py_ssize_t at = 0; at < self->window; at++) {
        float sample = samples[at];
        const float *row = self->tones + at * COLUMNS;
        for (int column = 0; column < COLUMNS; column++)
            sums[column] += sample * row[column];
    }
    float powers[8];
    for (int tone = 0; tone < 8; tone++)
        powers[tone] = sums[tone] * sums[tone] + sums[tone + 8] * sums[tone + 8];
    int low_alone, high_alone;
    int low = largest(powers, self->alone, &low_alone);
    int high = largest(powers + 4, self->alone, &high_alone);
    double a = powers[low], b = powers[4 + high];
    int is_digit = a + b > PURE * power && a < self->low_louder * b && b < self->high_louder * a;
    return is_digit && low_alone && high_alone ? KEYS[4 * low + high] : 0;
}

/* Take one window; a digit starts and ends after enough consecutive windows.  Returns a digit that is complete, or 0. */
static char meet(Tones *self, char digit)
{
    self->run = digit == self->heard ? self->run + 1 : 1;
    self->heard = digit;
    if (digit == self->down || self->run < (digit ? NEEDED : SILENCE))
        return 0;
    self->down = digit;
    return digit;
}

/* Append a digit, whose first window begins at `at`, to a list.  Returns -1 with an error set. */
static int append_key(PyObject *keys, char digit, long long at)
{
    PyObject *key = Py_BuildValue("(CL)", (int)digit, at);
    int failed = key == NULL || PyList_Append(keys, key) < 0;
    Py_XDECREF(key);
    return failed ? -1 : 0;
}

int tones_analyse(Tones *self, PyObject **keys)
{
    Py_ssize_t at = 0;
    int failed = 0;
    for (; !failed && self->tones != NULL && at + self->window <= self->waiting.length; at += self->hop) {
        char digit = meet(self, digit_in(self, self->waiting.data + at));
        if (!digit)
            continue;
        if (*keys == NULL)
            *keys = PyList_New(0);
        failed = *keys == NULL || append_key(*keys, digit, self->start + at - (NEEDED - 1) * self->hop) < 0;
    }
    samples_drop(&self->waiting, at);
    self->start += at;
    return failed ? -1 : 0;
}

static PyObject *tones_detect(PyObject *object, PyObject *unused)
{
    PyObject *found = PyList_New(0);
    (void)unused;
    if (found != NULL && tones_analyse((Tones *)object, &found) < 0) {
        Py_DECREF(found);
        return NULL;
    }
    return found;
}

static PyObject *tones_length(PyObject *object, void *unused)
{
    return PyLong_FromSsize_t(((Tones *)object)->waiting.length);
}

static PyMethodDef tones_methods[] = {
    {"add", tones_add, METH_VARARGS, "Keep samples, the first one at a position."},
    {"detect", tones_detect, METH_NOARGS,
     "Analyse the whole windows kept.  Returns complete digits, each with its first sample."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef tones_attributes[] = {
    {"length", tones_length, NULL, "Number of samples kept.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tones_slots[] = {
    {Py_tp_doc, "The DTMF digits of one channel."},
    {Py_tp_init, tones_init},
    {Py_tp_dealloc, tones_dealloc},
    {Py_tp_methods, tones_methods},
    {Py_tp_getset, tones_attributes},
    {0, NULL},
};

PyType_Spec tones_spec = {"trunkline_native.Tones", sizeof(Tones), 0, Py_TPFLAGS_DEFAULT, tones_slots};
