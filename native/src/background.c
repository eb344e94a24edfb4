/* Equal to `BackgroundTracker` in streaming/audio/background_speech.py, which documents the behaviour. */
#include "background.h"
#include "endpointing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The constants of background_speech.py. */
#define SMOOTHING 5
#define QUANTILE 0.8
#define KNOWN 150
#define MEMORY 750
#define NEAR_DB 8.5
#define NEAR_TICKS 4
#define NEAR_WINDOW 15
#define SHORT 30
#define SHORT_DB 3.0
#define LEAD 12
#define TAIL 15
#define LEAST_LEAD 40
#define LEAST_TAIL 50
#define LEAST_FAR 30
#define RELIEF_DB (0.3 / 50)
#define PATIENCE 500
#define LEAST_POWER 1.0

PyTypeObject *tracker_type;

typedef struct {
    long long tick;
    double power;
} Voiced;

typedef struct {
    PyObject_HEAD
    PyObject *own_source, *background_source;
    Levels own; /* `most` is 0 until the object is initialised */
    int is_known;
    double level, near_power;
    Py_ssize_t passed; /* voiced ticks of background speech since own speech */
    double recent[SMOOTHING];
    int recents; /* powers taken, at most `SMOOTHING`; `next_recent`: where the next one goes */
    int next_recent;
    long long near[NEAR_TICKS]; /* the latest near ticks, the oldest first */
    int nears;
    Voiced *voiced;
    Py_ssize_t count, room;
    long long start, first_near, last_near;
    long long far;
} Tracker;

static int tracker_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"own", "background", NULL};
    Tracker *self = (Tracker *)object;
    PyObject *own, *background;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO", names, &own, &background))
        return -1;
    if (self->own.most) {
        PyErr_SetString(PyExc_RuntimeError, "the tracker has been made already");
        return -1;
    }
    Py_INCREF(own);
    Py_INCREF(background);
    self->own_source = own;
    self->background_source = background;
    self->own.most = MEMORY;
    self->last_near = NO_TICK;
    return 0;
}

static void tracker_dealloc(PyObject *object)
{
    Tracker *self = (Tracker *)object;
    Py_XDECREF(self->own_source);
    Py_XDECREF(self->background_source);
    levels_clear(&self->own);
    PyMem_Free(self->voiced);
    free_object(object);
}

/* The mean of the latest powers, the oldest first. */
static double smoothed(const Tracker *self)
{
    double sum = 0.0;
    int first = self->recents < SMOOTHING ? 0 : self->next_recent;
    for (int at = 0; at < self->recents; at++)
        sum += self->recent[(first + at) % SMOOTHING];
    return sum / self->recents;
}

static int keep_voiced(Tracker *self, long long tick, double power)
{
    if (self->count == self->room) {
        Voiced *grown = PyMem_Realloc(self->voiced, (size_t)(self->room + 64) * sizeof(Voiced));
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->voiced = grown;
        self->room += 64;
    }
    self->voiced[self->count++] = (Voiced){tick, power};
    return 0;
}

static long long later(long long a, long long b) { return a > b ? a : b; }

static long long take_near(Tracker *self, long long tick)
{
    self->far = 0;
    if (self->nears == NEAR_TICKS)
        memmove(self->near, self->near + 1, sizeof self->near - sizeof *self->near);
    else
        self->nears++;
    self->near[self->nears - 1] = tick;
    if (self->last_near != NO_TICK) {
        self->last_near = tick;
        return NO_TICK;
    }
    long long first = self->near[0];
    if (self->nears < NEAR_TICKS || tick - first >= NEAR_WINDOW)
        return NO_TICK;
    self->first_near = first;
    self->last_near = tick;
    long long begins = later(first - LEAD, tick + 1 - SPLIT_REACH);
    return self->is_known && begins - self->start >= LEAST_LEAD ? begins : NO_TICK;
}

static long long take_far(const Tracker *self, long long tick)
{
    long long last = self->last_near;
    if (last == NO_TICK || self->far < LEAST_FAR || tick - last < LEAST_TAIL)
        return NO_TICK;
    return later(last + TAIL, tick + 1 - SPLIT_REACH);
}

long long tracker_feed(PyObject *object, long long tick, double power, int voiced)
{
    Tracker *self = (Tracker *)object;
    self->recent[self->next_recent] = power;
    self->next_recent = (self->next_recent + 1) % SMOOTHING;
    self->recents += self->recents < SMOOTHING;
    if (!voiced)
        return NO_TICK;
    power = smoothed(self);
    if (keep_voiced(self, tick, power) < 0)
        return -2;
    if (power >= self->near_power)
        return take_near(self, tick);
    self->far++;
    return take_far(self, tick);
}

static int is_background(const Tracker *self, long long end, Py_ssize_t count)
{
    if (!self->is_known || count == 0)
        return 0;
    if (self->last_near != NO_TICK && self->first_near < end)
        return 0;
    if (count >= SHORT)
        return 1;
    double most = self->voiced[0].power;
    for (Py_ssize_t at = 1; at < count; at++)
        most = self->voiced[at].power > most ? self->voiced[at].power : most;
    return most < self->near_power * pow(10.0, -SHORT_DB / 10);
}

static int compared(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* The quantile of the own levels, as `numpy.percentile` interpolates it. */
static int find_level(Tracker *self)
{
    Py_ssize_t count = levels_length(&self->own), known = self->own.count < count ? self->own.count : count;
    double *sorted = PyMem_Calloc((size_t)count, sizeof(double));
    if (sorted == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (known)
        memcpy(sorted, self->own.kept + self->own.count - known, (size_t)known * sizeof(double));
    qsort(sorted, (size_t)count, sizeof(double), compared);
    double place = (double)(count - 1) * QUANTILE, share = place - floor(place);
    Py_ssize_t at = (Py_ssize_t)floor(place);
    double low = sorted[at], high = sorted[at + 1 < count ? at + 1 : at], apart = high - low;
    self->level = share >= 0.5 ? high - apart * (1 - share) : low + apart * share;
    self->is_known = 1;
    PyMem_Free(sorted);
    return 0;
}

/* Learn from the first `count` voiced ticks. */
static int learn(Tracker *self, Py_ssize_t count)
{
    int as_before = 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        double power = self->voiced[at].power;
        double level = 10 * log10(power > LEAST_POWER ? power : LEAST_POWER);
        if (levels_append(&self->own, level) < 0)
            return -1;
        as_before += self->is_known && level >= self->level - NEAR_DB;
    }
    if (levels_length(&self->own) < KNOWN)
        return 0;
    if (self->is_known && as_before >= NEAR_TICKS)
        self->passed = 0;
    return find_level(self);
}

static PyObject *tracker_end(PyObject *object, PyObject *tick)
{
    Tracker *self = (Tracker *)object;
    long long end = PyLong_AsLongLong(tick);
    if (end == -1 && PyErr_Occurred())
        return NULL;
    if (!self->own.most) {
        PyErr_SetString(PyExc_RuntimeError, "the tracker is not initialised");
        return NULL;
    }
    Py_ssize_t count = 0;
    while (count < self->count && self->voiced[count].tick < end)
        count++;
    int is_far = is_background(self, end, count);
    if (is_far)
        self->passed += count;
    else if (learn(self, count) < 0)
        return NULL;
    self->count -= count;
    if (count && self->count)
        memmove(self->voiced, self->voiced + count, (size_t)self->count * sizeof(Voiced));
    if (self->is_known) {
        Py_ssize_t late = self->passed > PATIENCE ? self->passed - PATIENCE : 0;
        self->near_power = pow(10.0, (self->level - NEAR_DB - RELIEF_DB * (double)late) / 10);
    }
    self->first_near = end;
    if (self->last_near < end)
        self->last_near = NO_TICK;
    PyObject *source = is_far ? self->background_source : self->own_source;
    Py_INCREF(source);
    return source;
}

static PyObject *tracker_begin(PyObject *object, PyObject *start)
{
    long long tick = PyLong_AsLongLong(start);
    if (tick == -1 && PyErr_Occurred())
        return NULL;
    ((Tracker *)object)->start = tick;
    Py_RETURN_NONE;
}

static PyObject *tracker_feed_one(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"tick", "power", "voiced", NULL};
    long long tick;
    double power;
    int voiced;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Ldp", names, &tick, &power, &voiced))
        return NULL;
    long long split = tracker_feed(object, tick, power, voiced);
    if (split == -2)
        return NULL;
    if (split == NO_TICK)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(split);
}

static PyObject *tracker_level(PyObject *object, void *unused)
{
    Tracker *self = (Tracker *)object;
    (void)unused;
    if (!self->is_known)
        Py_RETURN_NONE;
    return PyFloat_FromDouble(self->level);
}

static PyObject *tracker_is_near(PyObject *object, void *unused)
{
    Tracker *self = (Tracker *)object;
    (void)unused;
    return PyBool_FromLong(!self->is_known || self->last_near != NO_TICK);
}

static PyMethodDef tracker_methods[] = {
    {"begin", tracker_begin, METH_O, "A segment opens at a tick."},
    {"feed", (PyCFunction)(void (*)(void))tracker_feed_one, METH_VARARGS | METH_KEYWORDS,
     "Take the next tick of the open segment.  Returns the tick before which to split it, or None."},
    {"end", tracker_end, METH_O, "The open segment ends before a tick.  Returns whose voice it has."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef tracker_attributes[] = {
    {"level", tracker_level, NULL, "Level of the own speaker in dB; None until it is known.", NULL},
    {"is_near", tracker_is_near, NULL, "Whether the open segment has own speech so far.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tracker_slots[] = {
    {Py_tp_doc, "Tells the own speaker of a channel from speakers farther away."},
    {Py_tp_init, tracker_init},
    {Py_tp_dealloc, tracker_dealloc},
    {Py_tp_methods, tracker_methods},
    {Py_tp_getset, tracker_attributes},
    {0, NULL},
};

PyType_Spec tracker_spec = {"trunkline_native.BackgroundTracker", sizeof(Tracker), 0, Py_TPFLAGS_DEFAULT,
                            tracker_slots};
