/* One run over many channels.  Python is told of those with news only: see streaming/audio/channel_line.py. */
#include "line.h"

#define LONGEST_WAIT 1600 /* samples: `channel_segmenter.LONGEST_WAIT` */
#define PIECE (4 * TICK)  /* samples by which an open segment grows */
#define TONES_DUE 480     /* samples from which digits are searched */

Py_ssize_t line_urgent_from(const Line *self)
{
    const Endpointer *ends = self->endpointer;
    if (ends->state == SILENT)
        return LONGEST_WAIT;
    long long draft = endpointer_draft_at(ends);
    long long until = ends->has_drafts && ends->now < draft ? draft : ends->voiced_until + ends->patience;
    long long left = until * TICK - ticks_heard(&self->detector->ticks);
    return left < LONGEST_WAIT ? (Py_ssize_t)left : LONGEST_WAIT;
}

int line_deliver(Line *self)
{
    const int16_t *samples = self->waiting.data;
    Py_ssize_t count = self->waiting.length;
    if (count == 0)
        return 0;
    if (samples_append(&self->unfiled, samples, count) < 0 ||
        tones_keep(self->tones, self->position, samples, count) < 0 ||
        samples_append(&self->detector->ticks.waiting, samples, count) < 0)
        return -1;
    self->position += count;
    self->waiting.length = 0;
    return 0;
}

static int begin_run(Line *self, double now)
{
    self->news = self->waiting.length && now >= self->due_at ? NEWS_ARRIVAL : 0;
    if (line_deliver(self) < 0)
        return -1;
    if (self->unfiled.length && self->position / self->block > (self->position - self->unfiled.length) / self->block)
        self->news |= NEWS_BLOCK;
    if (self->tones->waiting.length >= TONES_DUE && tones_analyse(self->tones, &self->keys) < 0)
        return -1;
    if (self->keys != NULL)
        self->news |= NEWS_KEYS;
    return 0;
}

/* Whether Python has to look at the open segment, or at a boundary. */
static int has_sound(const Line *self)
{
    const Endpointer *ends = self->endpointer;
    const Detector *detector = self->detector;
    Query query;
    if (ends->found.closes || ends->found.opens || ends->now * TICK >= self->decided_due)
        return 1;
    if (ends->state != SILENT) {
        long long pause = endpointer_pause(ends);
        if (ends->now * TICK - self->fed >= PIECE || (pause >= 0 && pause * TICK != self->paused))
            return 1;
    }
    return detector_ask(detector, &query) != 0; /* much audio: the next run goes on */
}

static int end_run(Line *self)
{
    if (endpointer_advance(self->endpointer, &self->detector->ticks, self->tracker, 1.0) < 0)
        return -1;
    if (has_sound(self))
        self->news |= NEWS_SOUND;
    return PyErr_Occurred() ? -1 : 0;
}

static int run_all(Line **lines, Py_ssize_t count, PyObject *network, int rounds, double now)
{
    Detector **busy = PyMem_Calloc((size_t)count + 1, sizeof *busy);
    int failed = busy == NULL;
    if (failed)
        PyErr_NoMemory();
    for (Py_ssize_t at = 0; at < count && !failed; at++) {
        busy[at] = lines[at]->detector;
        failed = begin_run(lines[at], now) < 0;
    }
    failed = failed || detectors_run(busy, count, network, rounds) < 0;
    for (Py_ssize_t at = 0; at < count && !failed; at++)
        failed = end_run(lines[at]) < 0;
    PyMem_Free(busy);
    return failed ? -1 : 0;
}

static PyObject *places_with_news(Line **lines, Py_ssize_t count)
{
    PyObject *places = PyList_New(0);
    for (Py_ssize_t at = 0; at < count && places != NULL; at++) {
        if (!lines[at]->news)
            continue;
        PyObject *place = PyLong_FromSsize_t(at);
        if (place == NULL || PyList_Append(places, place) < 0)
            Py_CLEAR(places);
        Py_XDECREF(place);
    }
    return places;
}

static int take_lines(PyObject *list, Line **lines)
{
    for (Py_ssize_t at = 0; at < PyList_Size(list); at++) {
        PyObject *one = PyList_GetItem(list, at);
        if (one == NULL || !PyObject_TypeCheck(one, line_type) || ((Line *)one)->detector == NULL) {
            PyErr_SetString(PyExc_TypeError, "run_lines takes a list of attached lines");
            return -1;
        }
        lines[at] = (Line *)one;
    }
    return 0;
}

PyObject *run_lines(PyObject *module, PyObject *args)
{
    PyObject *list, *network, *places = NULL;
    int rounds;
    double now;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!Oid", &PyList_Type, &list, &network, &rounds, &now) || !is_network(network))
        return NULL;
    Py_ssize_t count = PyList_Size(list);
    Line **lines = PyMem_Calloc((size_t)count + 1, sizeof *lines);
    if (lines == NULL)
        return PyErr_NoMemory();
    if (take_lines(list, lines) == 0 &&
        run_all(lines, count, network == Py_None ? NULL : network, rounds, now) == 0)
        places = places_with_news(lines, count);
    PyMem_Free(lines);
    return places;
}
