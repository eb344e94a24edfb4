/*
 * The ticks of one channel: power, gain, the opinion of WebRTC's detector, and the ticks that are not decided yet.
 *
 * Equal to streaming/audio/voice_activity/ticks.py, which documents the behaviour.
 */
#include "ticks.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_TICKS 10
#define QUIET_TICKS 15
#define MODE 2

int ticks_start(Ticks *self, int has_detector, int is_levelled)
{
    self->is_levelled = is_levelled;
    self->level = first_level;
    if (!has_detector)
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

void ticks_free(Ticks *self)
{
    free(self->detector);
    PyMem_Free(self->ticks);
    samples_free(&self->waiting);
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

int ticks_classify(Ticks *self, Buffer *audio)
{
    Py_ssize_t whole = self->waiting.length / TICK, rest = self->waiting.length % TICK;
    Py_ssize_t fresh = self->waiting.length - self->kept, whole_end = whole * TICK, from = self->kept;
    int16_t *samples = self->waiting.data;
    if (fresh == 0)
        return 0;
    int16_t *out = buffer_more(audio, fresh);
    if (out == NULL || make_room(self, whole) < 0)
        return -1;
    for (Py_ssize_t tick = 0; tick < whole; tick++)
        take_tick(self, samples + tick * TICK);
    if (from < whole_end) {
        memcpy(out, samples + from, (size_t)(whole_end - from) * sizeof(int16_t));
        out += whole_end - from;
        from = whole_end;
    }
    amplify(samples + from, out, self->waiting.length - from, self->is_levelled ? self->level.gain : 0.0);
    audio->length += fresh;
    samples_drop(&self->waiting, whole_end);
    self->kept = rest;
    return 0;
}

int ticks_pass_silence(Ticks *self)
{
    Py_ssize_t at = self->decided;
    while (at < self->count && !self->ticks[at].voiced)
        at++;
    self->position += TICK * (at - self->decided);
    self->quiet += at - self->decided;
    self->decided = at;
    return at < self->count;
}

int ticks_settle(Ticks *self, long long until, int speech)
{
    while (self->decided < self->count && self->position + TICK <= until) {
        Tick *tick = &self->ticks[self->decided++];
        self->quiet = tick->voiced || speech ? 0 : self->quiet + 1;
        tick->voiced = tick->voiced && speech;
        self->position += TICK;
        if (self->quiet >= QUIET_TICKS)
            return 1;
    }
    return 0;
}

void ticks_drop(Ticks *self, Py_ssize_t count)
{
    self->decided -= count;
    self->count -= count;
    if (count && self->count)
        memmove(self->ticks, self->ticks + count, (size_t)self->count * sizeof(Tick));
}

long long ticks_heard(const Ticks *self)
{
    return self->position + TICK * (long long)(self->count - self->decided) + self->waiting.length;
}
