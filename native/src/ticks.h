/* The ticks of one channel: power, gain, the first opinion, and which of them are decided. */
#ifndef TRUNKLINE_TICKS_H
#define TRUNKLINE_TICKS_H

#include "buffer.h"
#include "module.h"
#include "webrtc/common_audio/vad/vad_core.h"

typedef struct {
    double level;
    int voiced;
} Tick;

/* The state of levelling.py. */
typedef struct {
    double latest, change, floor, speech, gain;
    int spoken;
} Level;

typedef struct {
    VadInstT *detector; /* NULL: every tick is voiced */
    int is_levelled;
    Level level;
    int idle;
    Samples waiting;    /* samples before the gain that no tick contains yet */
    Py_ssize_t kept;    /* how many of `waiting` the buffer has already */
    Tick *ticks;        /* first those that are decided, then those that are not */
    Py_ssize_t decided, count, room;
    long long position; /* of the first undecided tick */
    long long quiet;
} Ticks;

extern const Level first_level;

void observe_level(Level *state, double power);

void amplify(const int16_t *from, int16_t *to, Py_ssize_t count, double gain);

/* `ticks`: all zero.  Returns -1 with MemoryError set. */
int ticks_start(Ticks *ticks, int has_detector, int is_levelled);

void ticks_free(Ticks *ticks);

/* Give all whole ticks the first opinion; append the new samples after the gain to `audio`.  Returns -1 as above. */
int ticks_classify(Ticks *ticks, Buffer *audio);

/* Decide ticks up to the next voiced one.  Returns whether there is one. */
int ticks_pass_silence(Ticks *ticks);

/* Decide the ticks that end by `until`.  Returns whether it stopped at a long silence. */
int ticks_settle(Ticks *ticks, long long until, int speech);

/* Remove the first `count` ticks, which are decided. */
void ticks_drop(Ticks *ticks, Py_ssize_t count);

/* Position after the last sample received. */
long long ticks_heard(const Ticks *ticks);

#endif
