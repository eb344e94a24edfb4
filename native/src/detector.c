/*
 * Decides which ticks of a channel are voiced, for many channels in one run.
 *
 * Equal to streaming/audio/voice_activity/vad.py and silero.py beside it, which document the behaviour.
 */
#include "detector.h"

#include <string.h>

#define WARM_UP (9 * SILERO_WINDOW)
#define SPEECH 0.5
#define NO_SPEECH 0.35
#define ALL (1LL << 62)

static void second_wake(Second *self, long long at, long long oldest)
{
    self->starts++;
    self->next = at - WARM_UP > oldest ? at - WARM_UP : oldest;
    self->is_awake = 1;
    self->is_speech = 0;
    memset(&self->memory, 0, sizeof self->memory);
}

void second_sleep(Second *self)
{
    self->starts++;
    self->is_awake = self->is_speech = 0;
    self->next = 0;
}

/* Decide ticks in order until one has to wait for Silero. */
static void decide(Detector *self)
{
    Second *second = &self->second;
    if (!second->is_used) {
        ticks_settle(&self->ticks, ALL, 1);
        return;
    }
    for (;;) {
        if (!second->is_awake) {
            if (!ticks_pass_silence(&self->ticks))
                return;
            second_wake(second, self->ticks.position, self->audio->start);
        }
        if (!ticks_settle(&self->ticks, second->next, second->is_speech))
            return;
        second_sleep(second);
    }
}

int detector_classify(Detector *self)
{
    if (self->ticks.waiting.length == self->ticks.kept)
        return 0;
    if (ticks_classify(&self->ticks, self->audio) < 0)
        return -1;
    decide(self);
    return 0;
}

int detector_ask(const Detector *self, Query *query)
{
    const Second *second = &self->second;
    const Buffer *audio = self->audio;
    long long start = second->next, end = audio->start + audio->length;
    if (!second->is_awake || self->ticks.count == self->ticks.decided || start + SILERO_WINDOW > end)
        return 0;
    long long count = (end - start) / SILERO_WINDOW;
    query->count = count < SILERO_MOST ? (int)count : SILERO_MOST;
    long long from = start - SILERO_CONTEXT > audio->start ? start - SILERO_CONTEXT : audio->start;
    long long until = start + query->count * SILERO_WINDOW;
    query->samples = buffer_at(audio, from, until);
    if (query->samples == NULL || from > start) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "the samples of a window are not kept");
        return -1;
    }
    query->from = (int)(until - from);
    query->memory = second->memory;
    return query->count;
}

void detector_apply(Detector *self, const Query *query)
{
    Second *second = &self->second;
    long long starts = second->starts;
    for (int at = 0; at < query->count; at++) {
        second->next += SILERO_WINDOW;
        second->is_speech = (double)query->probabilities[at] >= (second->is_speech ? NO_SPEECH : SPEECH);
        decide(self);
        if (second->starts != starts) /* the further windows were not needed */
            return;
    }
    second->memory = query->memory;
}

void detector_conclude(Detector *self)
{
    Second *second = &self->second;
    while (self->ticks.decided < self->ticks.count) {
        int is_quiet = ticks_settle(&self->ticks, ALL, !second->is_used || second->is_speech);
        if (second->is_used && second->is_awake && is_quiet)
            second_sleep(second);
    }
}

/* Answer the queries of detectors once.  Keeps those that had one.  Returns how many, or -1 with an error set. */
static Py_ssize_t run_round(Detector **busy, Py_ssize_t count, PyObject *network, Query *queries, Query **asked)
{
    int asking = 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        int windows = detector_ask(busy[at], &queries[asking]);
        if (windows < 0)
            return -1;
        if (windows == 0)
            continue;
        asked[asking] = &queries[asking];
        busy[asking++] = busy[at];
    }
    if (asking && network == NULL) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the detector needs Silero, which is not installed: see vad.available()");
        return -1;
    }
    if (asking && network_answer(network, asked, asking) < 0)
        return -1;
    for (int at = 0; at < asking; at++)
        detector_apply(busy[at], asked[at]);
    return asking;
}

int detectors_run(Detector **busy, Py_ssize_t count, PyObject *network, int rounds)
{
    Query *queries = PyMem_Calloc((size_t)count + 1, sizeof *queries);
    Query **asked = PyMem_Calloc((size_t)count + 1, sizeof *asked);
    int failed = queries == NULL || asked == NULL;
    if (failed)
        PyErr_NoMemory();
    for (Py_ssize_t at = 0; at < count && !failed; at++)
        failed = detector_classify(busy[at]) < 0;
    for (int round = 0; round < rounds && count && !failed; round++) {
        count = run_round(busy, count, network, queries, asked);
        failed = count < 0;
    }
    PyMem_Free(queries);
    PyMem_Free(asked);
    return failed ? -1 : 0;
}

int detector_is_whole(PyObject *object)
{
    return PyObject_TypeCheck(object, detector_type) && ((Detector *)object)->audio != NULL;
}

static int run_all(PyObject *list, PyObject *network, int rounds)
{
    Py_ssize_t count = PyList_Size(list);
    Detector **busy = PyMem_Calloc((size_t)count + 1, sizeof *busy);
    int failed = busy == NULL;
    if (failed)
        PyErr_NoMemory();
    for (Py_ssize_t at = 0; at < count && !failed; at++) {
        PyObject *one = PyList_GetItem(list, at);
        failed = one == NULL || !detector_is_whole(one);
        if (failed && one != NULL)
            PyErr_SetString(PyExc_TypeError, "run takes a list of initialised detectors");
        else if (!failed)
            busy[at] = (Detector *)one;
    }
    failed = failed || detectors_run(busy, count, network, rounds) < 0;
    PyMem_Free(busy);
    return failed ? -1 : 0;
}

/* Whether a network can be used, or is None; otherwise with TypeError set. */
int is_network(PyObject *network)
{
    if (network == Py_None || PyObject_TypeCheck(network, network_type))
        return 1;
    PyErr_SetString(PyExc_TypeError, "the network must be a SileroNetwork, or None");
    return 0;
}

PyObject *run_detectors(PyObject *module, PyObject *args)
{
    PyObject *list, *network;
    int rounds;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!Oi", &PyList_Type, &list, &network, &rounds))
        return NULL;
    if (!is_network(network))
        return NULL;
    if (run_all(list, network == Py_None ? NULL : network, rounds) < 0)
        return NULL;
    Py_RETURN_NONE;
}
