/* One channel of a call at 8 kHz, from its frames to its boundaries. */
#ifndef TRUNKLINE_LINE_H
#define TRUNKLINE_LINE_H

#include "background.h"
#include "detector.h"
#include "endpointing.h"
#include "tones.h"

#include <limits.h>

enum { NEWS_SOUND = 1, NEWS_KEYS = 2, NEWS_ARRIVAL = 4, NEWS_BLOCK = 8 };

typedef struct {
    PyObject_HEAD
    Detector *detector; /* NULL until `attach` */
    Endpointer *endpointer;
    PyObject *tracker; /* or NULL */
    Tones *tones;
    Samples waiting;    /* decoded frames that no run has processed */
    Samples unfiled;    /* processed samples that Python has not taken */
    long long position; /* of the first waiting sample */
    Py_ssize_t block;   /* Python takes the samples when they reach a multiple of it */
    long long decided_due; /* Python is told when speech is decided up to here */
    double due_at;         /* Python is told of audio that arrives from this time on */
    long long fed;         /* end of the audio of the open segment that Python has */
    long long paused;      /* the latest pause that Python was told of; -1 for none */
    PyObject *keys;        /* digits of the last run; NULL for none */
    int news;
} Line;

extern PyTypeObject *line_type;

/* Samples with which a frame is urgent: with them a pause may end the open segment, or has a draft. */
Py_ssize_t line_urgent_from(const Line *line);

/* Pass the waiting samples on.  Returns -1 with an error set. */
int line_deliver(Line *line);

#endif
