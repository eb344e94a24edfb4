/*
 * The ticks of one channel: power, gain, the opinion of WebRTC's detector, and the ticks that are not decided yet.
 *
 * Equal to streaming/audio/voice_activity/ticks.py, which documents the behaviour, and to streaming/audio/levelling.py.
 */
#include "module.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "webrtc/common_audio/vad/vad_core.h"

#define IDLE_TICKS 10
#define QUIET_TICKS 15
#define MODE 2

typedef struct {
    double level;
    int voiced;
} Tick;

/* The constants and the state of levelling.py. */
#define FAINT_DBFS (-72.0)
#define QUIET_DBFS (-40.0)
#define NORMAL_DBFS (-32.0)
#define TARGET_DBFS (-16.0)
#define MOST_DB 36.0
#define MODULATED_DB 2.4
#define ABOVE_FLOOR_DB 9.0
#define MEMORY (1.0 / 15.0)
#define FLOOR_RISE_DB 0.06
#define FADE_DB 0.02
#define EVIDENCE 10
#define RISE_DB 0.12

static double power_0_dbfs; /* computed as Python does, not by the compiler */

typedef struct {
    double latest, change, floor, speech, gain;
    int spoken;
} Level;

typedef struct {
    PyObject_HEAD
    VadInstT *detector; /* NULL: every tick is voiced */
    int is_levelled;
    Level level;
    int idle;
    Samples waiting;    /* samples before the gain that no tick contains yet */
    Py_ssize_t kept;    /* how many of `waiting` `classify` has returned already */
    Tick *ticks;        /* first those that are decided, then those that are not */
    Py_ssize_t decided, count, room;
    long long position; /* of the first undecided tick */
    long long quiet;
} Ticks;

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

static double next_gain(double gain, double speech, int is_first)
{
    double wanted = smaller(MOST_DB, TARGET_DBFS - speech);
    if (gain == 0.0 && speech >= QUIET_DBFS)
        return 0.0;
    return is_first ? wanted : smaller(wanted, gain + RISE_DB);
}

static void observe_level(Level *state, double power)
{
    double decibels = 10 * log10(larger(power, 1.0)) - power_0_dbfs;
    double latest = larger(decibels, FAINT_DBFS);
    state->change += MEMORY * (fabs(latest - state->latest) - state->change);
    state->floor = smaller(latest, state->floor + FLOOR_RISE_DB);
    state->latest = latest;
    if (latest >= NORMAL_DBFS) {
        state->speech = larger(latest, state->speech - FADE_DB);
        state->spoken = EVIDENCE;
        state->gain = 0.0;
    } else if (state->change >= MODULATED_DB && latest >= state->floor + ABOVE_FLOOR_DB) {
        state->speech = larger(latest, state->speech - FADE_DB);
        int is_first = state->spoken < EVIDENCE;
        state->spoken = is_first ? state->spoken + 1 : EVIDENCE;
        state->gain =
            state->spoken < EVIDENCE ? 0.0 : next_gain(state->gain, state->speech, is_first);
    }
}

static void amplify(const int16_t *from, int16_t *to, Py_ssize_t count, double gain)
{
    float factor = (float)pow(10.0, gain / 20);
    for (Py_ssize_t at = 0; at < count; at++) {
        float louder = rintf((float)from[at] * factor);
        to[at] = louder > 32767.0f ? 32767 : louder < -32768.0f ? -32768 : (int16_t)louder;
    }
}

static int ticks_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"webrtc", "levelled", NULL};
    Ticks *self = (Ticks *)object;
    int has_detector, is_levelled;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "pp", names, &has_detector, &is_levelled))
        return -1;
    volatile double full_scale = 32768.0;
    power_0_dbfs = 20 * log10(full_scale);
    self->is_levelled = is_levelled;
    self->level = (Level){FAINT_DBFS, 0.0, 0.0, FAINT_DBFS, 0.0, 0};
    if (!has_detector || self->detector != NULL)
        return 0;
    self->detector = calloc(1, sizeof(VadInstT));
    if (self->detector == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    WebRtcVad_InitCore(self->detector);
    WebRtcVad_set_mode_core(self->detector, MODE);
    return 0;
}

static void ticks_dealloc(PyObject *object)
{
    Ticks *self = (Ticks *)object;
    free(self->detector);
    PyMem_Free(self->ticks);
    samples_free(&self->waiting);
    free_object(object);
}

static PyObject *ticks_feed(PyObject *object, PyObject *pcm)
{
    if (samples_take(&((Ticks *)object)->waiting, pcm) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int make_room(Ticks *self, Py_ssize_t more)
{
    Py_ssize_t needed = self->count + more;
    if (needed <= self->room)
        return 0;
    Tick *grown = PyMem_Realloc(self->ticks, (size_t)(needed + 16) * sizeof(Tick));
    if (grown == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->ticks = grown;
    self->room = needed + 16;
    return 0;
}

/* Observe the tick at `samples`, and amplify it in place. */
static void take_tick(Ticks *self, int16_t *samples)
{
    double power = (double)energy(samples, TICK) / TICK;
    if (self->is_levelled) {
        double gain = self->level.gain;
        observe_level(&self->level, power);
        if (gain != 0.0)
            amplify(samples, samples, TICK, gain);
    }
    self->idle = power != 0.0 ? 0 : self->idle + (self->idle <= IDLE_TICKS);
    int voiced = self->detector == NULL;
    if (self->detector != NULL && self->idle <= IDLE_TICKS)
        voiced = WebRtcVad_CalcVad8khz(self->detector, samples, TICK) > 0;
    self->ticks[self->count++] = (Tick){power, voiced};
}

static PyObject *ticks_classify(PyObject *object, PyObject *unused)
{
    Ticks *self = (Ticks *)object;
    Py_ssize_t whole = self->waiting.length / TICK, rest = self->waiting.length % TICK;
    int16_t *samples = self->waiting.data;
    Py_ssize_t fresh = self->waiting.length - self->kept;
    if (fresh == 0)
        return PyBytes_FromStringAndSize(NULL, 0);
    PyObject *given = PyBytes_FromStringAndSize(NULL, 2 * fresh);
    if (given == NULL || make_room(self, whole) < 0) {
        Py_XDECREF(given);
        return NULL;
    }
    for (Py_ssize_t tick = 0; tick < whole; tick++)
        take_tick(self, samples + tick * TICK);
    int16_t *out = (int16_t *)PyBytes_AsString(given);
    Py_ssize_t rest_from = whole * TICK, from = self->kept;
    if (from < rest_from) {
        memcpy(out, samples + from, (size_t)(rest_from - from) * 2);
        out += rest_from - from;
        from = rest_from;
    }
    double gain = self->is_levelled ? self->level.gain : 0.0;
    if (gain != 0.0)
        amplify(samples + from, out, self->waiting.length - from, gain);
    else
        memcpy(out, samples + from, (size_t)(self->waiting.length - from) * 2);
    samples_drop(&self->waiting, rest_from);
    self->kept = rest;
    return given;
}

static PyObject *ticks_pass_silence(PyObject *object, PyObject *unused)
{
    Ticks *self = (Ticks *)object;
    Py_ssize_t at = self->decided;
    while (at < self->count && !self->ticks[at].voiced)
        at++;
    self->position += TICK * (at - self->decided);
    self->quiet += at - self->decided;
    self->decided = at;
    return PyBool_FromLong(at < self->count);
}

static PyObject *ticks_settle(PyObject *object, PyObject *args)
{
    Ticks *self = (Ticks *)object;
    long long until;
    int speech;
    if (!PyArg_ParseTuple(args, "Lp", &until, &speech))
        return NULL;
    while (self->decided < self->count && self->position + TICK <= until) {
        Tick *tick = &self->ticks[self->decided++];
        self->quiet = tick->voiced || speech ? 0 : self->quiet + 1;
        tick->voiced = tick->voiced && speech;
        self->position += TICK;
        if (self->quiet >= QUIET_TICKS)
            Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
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

static PyObject *ticks_drain(PyObject *object, PyObject *unused)
{
    Ticks *self = (Ticks *)object;
    PyObject *list = PyList_New(self->decided);
    if (list == NULL)
        return NULL;
    for (Py_ssize_t at = 0; at < self->decided; at++) {
        PyObject *tick = as_object(&self->ticks[at]);
        if (tick == NULL || PyList_SetItem(list, at, tick) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    self->count -= self->decided;
    if (self->count && self->decided)
        memmove(self->ticks, self->ticks + self->decided, (size_t)self->count * sizeof(Tick));
    self->decided = 0;
    return list;
}

static PyObject *ticks_skip(PyObject *object, PyObject *ticks)
{
    long long skipped = PyLong_AsLongLong(ticks);
    if (skipped == -1 && PyErr_Occurred())
        return NULL;
    ((Ticks *)object)->position += TICK * skipped;
    Py_RETURN_NONE;
}

static PyObject *ticks_position(PyObject *object, void *unused)
{
    return PyLong_FromLongLong(((Ticks *)object)->position);
}

static PyObject *ticks_undecided(PyObject *object, void *unused)
{
    Ticks *self = (Ticks *)object;
    return PyLong_FromSsize_t(self->count - self->decided);
}

static PyObject *ticks_fed(PyObject *object, void *unused)
{
    Ticks *self = (Ticks *)object;
    return PyLong_FromSsize_t(self->waiting.length - self->kept);
}

static PyObject *ticks_heard(PyObject *object, void *unused)
{
    Ticks *self = (Ticks *)object;
    long long behind = TICK * (long long)(self->count - self->decided) + self->waiting.length;
    return PyLong_FromLongLong(self->position + behind);
}

static PyMethodDef ticks_methods[] = {
    {"feed", ticks_feed, METH_O, "Take the next samples."},
    {"classify", ticks_classify, METH_NOARGS,
     "Give all whole ticks the first opinion.  Returns the new samples after the gain."},
    {"pass_silence", ticks_pass_silence, METH_NOARGS,
     "Decide ticks up to the next voiced one.  Returns whether there is one."},
    {"settle", ticks_settle, METH_VARARGS,
     "Decide the ticks that end by a position.  Returns whether it stopped at a long silence."},
    {"drain", ticks_drain, METH_NOARGS, "Return the ticks decided since the last call."},
    {"skip", ticks_skip, METH_O, "Advance over missing ticks."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ticks_attributes[] = {
    {"position", ticks_position, NULL, "Position of the first undecided tick.", NULL},
    {"undecided", ticks_undecided, NULL, "Ticks that are not decided.", NULL},
    {"fed", ticks_fed, NULL, "Samples that `classify` has not taken yet.", NULL},
    {"heard", ticks_heard, NULL, "Position after the last sample received.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot ticks_slots[] = {
    {Py_tp_doc, "The ticks of one channel."},
    {Py_tp_init, ticks_init},
    {Py_tp_dealloc, ticks_dealloc},
    {Py_tp_methods, ticks_methods},
    {Py_tp_getset, ticks_attributes},
    {0, NULL},
};

PyType_Spec ticks_spec = {"trunkline_native.Ticks", sizeof(Ticks), 0, Py_TPFLAGS_DEFAULT, ticks_slots};
