/* The endpointing of a channel as an object in Python, with the methods of `endpointing.Segmenter`. */
#include "background.h"
#include "detector.h"
#include "endpointing.h"

PyTypeObject *endpointer_type;

static int endpointer_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"opened", "closed", "reasons", "quietest", "levels", "preroll", "hangover",
                            "doubtful_hangover", "has_drafts", "draft_after", "afterroll", "padding", "needed", "window",
                            "minimum", "maximum", "cut_window", NULL};
    Endpointer *self = (Endpointer *)object;
    PyObject *opened, *closed, *reasons, *quietest;
    if (self->quietest != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the endpointer has been made already");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!OnLLLpLLLLLLLL", names, &opened, &closed, &PyTuple_Type,
                                     &reasons, &quietest, &self->levels.most, &self->preroll, &self->hangover,
                                     &self->doubtful_hangover, &self->has_drafts, &self->draft_after, &self->afterroll,
                                     &self->padding, &self->needed, &self->window, &self->minimum,
                                     &self->maximum, &self->cut_window))
        return -1;
    if (PyTuple_Size(reasons) != REASONS || self->needed < 1 || self->levels.most < 1) {
        PyErr_SetString(PyExc_ValueError, "four reasons, and at least one tick and one level, are needed");
        return -1;
    }
    self->candidates = PyMem_Calloc((size_t)self->needed, sizeof *self->candidates);
    if (self->candidates == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(opened);
    Py_INCREF(closed);
    Py_INCREF(reasons);
    Py_INCREF(quietest);
    self->opened = opened;
    self->closed = closed;
    self->reasons = reasons;
    self->quietest = quietest;
    self->patience = self->hangover;
    return 0;
}

static void endpointer_dealloc(PyObject *object)
{
    Endpointer *self = (Endpointer *)object;
    Py_XDECREF(self->opened);
    Py_XDECREF(self->closed);
    Py_XDECREF(self->reasons);
    Py_XDECREF(self->quietest);
    PyMem_Free(self->candidates);
    levels_clear(&self->levels);
    free_object(object);
}

/* The endpointer; NULL with an error set if it was not initialised. */
static Endpointer *whole(PyObject *object)
{
    if (((Endpointer *)object)->quietest != NULL)
        return (Endpointer *)object;
    PyErr_SetString(PyExc_RuntimeError, "the endpointer is not initialised");
    return NULL;
}

static int append_made(PyObject *list, PyObject *made)
{
    int failed = made == NULL || PyList_Append(list, made) < 0;
    Py_XDECREF(made);
    return failed ? -1 : 0;
}

/* The boundaries as a list of `opened` and `closed`; `reason`: of the end. */
static PyObject *as_list(const Endpointer *self, const Boundaries *found, PyObject *reason)
{
    PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    if ((found->closes && append_made(list, PyObject_CallFunction(self->closed, "LOL", found->end, reason,
                                                                  found->padding)) < 0) ||
        (found->opens && append_made(list, PyObject_CallFunction(self->opened, "L", found->start)) < 0)) {
        Py_DECREF(list);
        return NULL;
    }
    return list;
}

static PyObject *with_reason(const Endpointer *self, const Boundaries *found)
{
    return as_list(self, found, PyTuple_GetItem(self->reasons, found->reason));
}

static PyObject *endpointer_feed_one(PyObject *object, PyObject *args)
{
    Endpointer *self = whole(object);
    int voiced;
    double level;
    Boundaries found;
    if (self == NULL || !PyArg_ParseTuple(args, "pd", &voiced, &level) ||
        endpointer_feed(self, voiced, level, &found) < 0)
        return NULL;
    return with_reason(self, &found);
}

/* Let the tracker take the latest tick, and split the open segment where it says.  Returns -1 with an error set. */
static int separate(Endpointer *self, PyObject *tracker, double gain, Boundaries *found)
{
    self->is_apart = 0;
    *found = (Boundaries){0};
    if (self->state == SILENT)
        return 0;
    double level = self->latest_level / gain;
    long long tick = tracker_feed(tracker, self->now - 1, level, self->latest_voiced);
    if (tick == NO_TICK)
        return 0;
    return tick < 0 ? -1 : endpointer_split(self, tick, found);
}

int endpointer_advance(Endpointer *self, Ticks *ticks, PyObject *tracker, double gain)
{
    Boundaries *found = &self->found;
    Py_ssize_t taken = 0;
    int failed = 0;
    while (!failed && !found->closes && !found->opens) {
        if (self->is_apart) {
            failed = separate(self, tracker, gain, found) < 0;
            continue;
        }
        if (taken == ticks->decided)
            break;
        const Tick *tick = &ticks->ticks[taken++];
        failed = endpointer_feed(self, tick->voiced, tick->level, found) < 0;
        self->is_apart = tracker != NULL;
        self->latest_voiced = tick->voiced;
        self->latest_level = tick->level;
    }
    ticks_drop(ticks, taken);
    return failed ? -1 : 0;
}

static PyObject *endpointer_next(PyObject *object, PyObject *args)
{
    Endpointer *self = whole(object);
    PyObject *core, *tracker;
    double gain;
    if (self == NULL || !PyArg_ParseTuple(args, "OOd", &core, &tracker, &gain))
        return NULL;
    if (!detector_is_whole(core) || (tracker != Py_None && !PyObject_TypeCheck(tracker, tracker_type))) {
        PyErr_SetString(PyExc_TypeError, "advance takes an initialised detector, and a tracker or None");
        return NULL;
    }
    Detector *detector = (Detector *)core;
    if (detector_classify(detector) < 0 ||
        endpointer_advance(self, &detector->ticks, tracker == Py_None ? NULL : tracker, gain) < 0)
        return NULL;
    if (!self->found.closes && !self->found.opens)
        Py_RETURN_NONE;
    PyObject *boundaries = with_reason(self, &self->found);
    self->found = (Boundaries){0};
    return boundaries;
}

static PyObject *endpointer_wait(PyObject *object, PyObject *pause)
{
    Endpointer *self = (Endpointer *)object;
    long long tick = PyLong_AsLongLong(pause);
    if (tick == -1 && PyErr_Occurred())
        return NULL;
    if (tick < 0 || endpointer_pause(self) != tick)
        Py_RETURN_FALSE;
    self->patience = self->hangover > self->doubtful_hangover ? self->hangover : self->doubtful_hangover;
    return PyBool_FromLong(self->patience > self->hangover);
}

static PyObject *endpointer_close_now(PyObject *object, PyObject *args)
{
    Endpointer *self = whole(object);
    PyObject *reason = NULL;
    Boundaries found = {0};
    if (self == NULL || !PyArg_ParseTuple(args, "|O", &reason))
        return NULL;
    endpointer_close(self, &found);
    return as_list(self, &found, reason == NULL ? PyTuple_GetItem(self->reasons, FINISHED) : reason);
}

static PyObject *endpointer_split_at(PyObject *object, PyObject *tick)
{
    Endpointer *self = whole(object);
    Boundaries found = {0};
    long long at = PyLong_AsLongLong(tick);
    if (self == NULL || (at == -1 && PyErr_Occurred()) || endpointer_split(self, at, &found) < 0)
        return NULL;
    return with_reason(self, &found);
}

static PyObject *endpointer_skip(PyObject *object, PyObject *ticks)
{
    Endpointer *self = (Endpointer *)object;
    long long skipped = PyLong_AsLongLong(ticks);
    if (skipped == -1 && PyErr_Occurred())
        return NULL;
    if (self->state != SILENT) {
        PyErr_SetString(PyExc_RuntimeError, "a segment is still open: close it at the end of the audio");
        return NULL;
    }
    self->now += skipped;
    self->end = self->now;
    self->count = 0;
    levels_clear(&self->levels);
    Py_RETURN_NONE;
}

static PyObject *number_or_none(long long number)
{
    if (number < 0)
        Py_RETURN_NONE;
    return PyLong_FromLongLong(number);
}

static PyObject *endpointer_now(PyObject *object, void *unused)
{
    return PyLong_FromLongLong(((Endpointer *)object)->now);
}

static PyObject *endpointer_is_speaking(PyObject *object, void *unused)
{
    return PyBool_FromLong(((Endpointer *)object)->state == SPEAKING);
}

static PyObject *endpointer_padding(PyObject *object, void *unused)
{
    return PyLong_FromLongLong(((Endpointer *)object)->padding);
}

static PyObject *endpointer_levels(PyObject *object, void *unused)
{
    return levels_array(&((Endpointer *)object)->levels, PY_SSIZE_T_MAX);
}

static PyObject *endpointer_earliest_tick(PyObject *object, void *unused)
{
    return PyLong_FromLongLong(endpointer_earliest((Endpointer *)object));
}

static PyObject *endpointer_undecided_until(PyObject *object, void *unused)
{
    Endpointer *self = (Endpointer *)object;
    if (self->state == SILENT)
        Py_RETURN_NONE;
    long long end = endpointer_draft_at(self);
    return PyLong_FromLongLong(self->has_drafts && self->now < end ? end : self->voiced_until + self->patience);
}

static PyObject *endpointer_may_open(PyObject *object, void *unused)
{
    Endpointer *self = (Endpointer *)object;
    if (self->state != SILENT || self->count == 0)
        Py_RETURN_FALSE;
    long long recent = self->candidates[(self->first + self->count - 1) % self->needed];
    return PyBool_FromLong(self->now - recent < self->window);
}

static PyObject *endpointer_pause_tick(PyObject *object, void *unused)
{
    return number_or_none(endpointer_pause((Endpointer *)object));
}

static PyMethodDef endpointer_methods[] = {
    {"feed", endpointer_feed_one, METH_VARARGS, "Advance one tick.  Returns the boundaries known now."},
    {"advance", endpointer_next, METH_VARARGS,
     "Take the decided ticks of a detector up to the next boundary.  Returns None if there is none."},
    {"wait", endpointer_wait, METH_O, "The draft up to a pause is doubtful.  Returns whether it waits."},
    {"close", endpointer_close_now, METH_VARARGS, "End the open segment at the current tick, for a reason."},
    {"split", endpointer_split_at, METH_O, "Make a tick the boundary between two segments."},
    {"skip", endpointer_skip, METH_O, "Advance over missing ticks."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef endpointer_attributes[] = {
    {"now", endpointer_now, NULL, "Number of ticks received.", NULL},
    {"is_speaking", endpointer_is_speaking, NULL, "Whether the last tick was voiced, in a segment.", NULL},
    {"padding", endpointer_padding, NULL, "Ticks of silence behind a segment that ends at `pause`.", NULL},
    {"levels", endpointer_levels, NULL, "Mean powers of the latest ticks.", NULL},
    {"earliest", endpointer_earliest_tick, NULL, "No future segment begins before this tick.", NULL},
    {"undecided_until", endpointer_undecided_until, NULL, "The tick before which no pause can end it.", NULL},
    {"may_open", endpointer_may_open, NULL, "Whether a segment may open with the next tick.", NULL},
    {"pause", endpointer_pause_tick, NULL, "The tick at which the open segment ends, unless speech goes on.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot endpointer_slots[] = {
    {Py_tp_doc, "Turns the ticks of a channel into segment boundaries."},
    {Py_tp_init, endpointer_init},
    {Py_tp_dealloc, endpointer_dealloc},
    {Py_tp_methods, endpointer_methods},
    {Py_tp_getset, endpointer_attributes},
    {0, NULL},
};

PyType_Spec endpointer_spec = {"trunkline_native.Endpointer", sizeof(Endpointer), 0, Py_TPFLAGS_DEFAULT,
                               endpointer_slots};
