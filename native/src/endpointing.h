/* Turns the voiced and unvoiced ticks of a channel into segment boundaries. */
#ifndef TRUNKLINE_ENDPOINTING_H
#define TRUNKLINE_ENDPOINTING_H

#include "levels.h"
#include "ticks.h"

#define SPLIT_REACH 150 /* ticks */

enum { SILENT, SPEAKING, ENDING };

enum { PAUSE, LENGTH, SPEAKER, FINISHED, REASONS };

/* At most one segment ends and one begins with a tick. */
typedef struct {
    int closes, opens;
    long long end, start;
    long long padding;
    int reason;
} Boundaries;

typedef struct {
    PyObject_HEAD
    PyObject *opened, *closed, *reasons, *quietest; /* `quietest` is NULL until the object is initialised */
    long long preroll, hangover, doubtful_hangover, draft_after, afterroll, padding;
    long long needed, window, minimum, maximum, cut_window;
    int has_drafts;
    int state;
    long long now, end, start, voiced_until;
    long long patience; /* ticks without voice after which the open segment ends */
    long long *candidates;
    Py_ssize_t first, count; /* of the candidates, a ring of `needed` */
    Levels levels;
    int is_apart; /* whether the tracker has not taken the latest tick yet: its voice and level */
    int latest_voiced;
    double latest_level;
    Boundaries found; /* by `endpointer_advance`, until Python takes them */
} Endpointer;

extern PyTypeObject *endpointer_type;

/* Advance one tick.  Returns -1 with an error set. */
int endpointer_feed(Endpointer *endpointer, int voiced, double level, Boundaries *found);

/*
 * Take the decided ticks up to the next boundary, which is in `found` then; nothing while one is there already.
 * `tracker`: or NULL.  Returns -1 with an error set.
 */
int endpointer_advance(Endpointer *endpointer, Ticks *ticks, PyObject *tracker, double gain);

/* End the open segment at the current tick, if there is one; without `reason`, which the caller knows. */
void endpointer_close(Endpointer *endpointer, Boundaries *found);

/* Make a tick the boundary between two segments.  Returns -1 with RuntimeError set if it is out of reach. */
int endpointer_split(Endpointer *endpointer, long long tick, Boundaries *found);

/* End of the open segment after its last voiced tick, if enough audio follows. */
long long endpointer_soft_end(const Endpointer *endpointer);

/* The tick from which on the open segment may have a draft, unless speech goes on. */
long long endpointer_draft_at(const Endpointer *endpointer);

/* The tick before which the open segment ends, unless speech goes on; -1 as long as that is not known. */
long long endpointer_pause(const Endpointer *endpointer);

/* No future segment begins before this tick. */
long long endpointer_earliest(const Endpointer *endpointer);

#endif
