/* The voice activity detection of one channel. */
#ifndef TRUNKLINE_DETECTOR_H
#define TRUNKLINE_DETECTOR_H

#include "buffer.h"
#include "silero.h"
#include "ticks.h"

/* Silero's state for a channel: see `SileroChannel` in streaming/audio/voice_activity/silero.py. */
typedef struct {
    int is_used, is_awake, is_speech;
    long long next; /* first sample without a result, while awake */
    long long starts;
    Memory memory;
} Second;

typedef struct {
    PyObject_HEAD
    Buffer *audio;
    Ticks ticks;
    Second second;
} Detector;

/* The type of a detector; set when the module is loaded. */
extern PyTypeObject *detector_type;

/* Classify the new samples.  Returns -1 with an error set. */
int detector_classify(Detector *detector);

/* Fill the next query.  Returns the number of its windows, 0 if there are none, or -1 with an error set. */
int detector_ask(const Detector *detector, Query *query);

/* Take the answer to a query. */
void detector_apply(Detector *detector, const Query *query);

/* Decide every whole tick now. */
void detector_conclude(Detector *detector);

void second_sleep(Second *second);

/* Classify the new samples of detectors, and answer their queries in at most so many rounds.  Changes `busy`. */
int detectors_run(Detector **busy, Py_ssize_t count, PyObject *network, int rounds);

/* Whether an object is a detector that was made with `__init__`. */
int detector_is_whole(PyObject *object);

/* Whether an object is a network or None; if not, TypeError is set. */
int is_network(PyObject *network);

#endif
