/* Equal to `Segmenter` in streaming/audio/endpointing.py, which documents the behaviour. */
#include "endpointing.h"

static long long later(long long a, long long b) { return a > b ? a : b; }
static long long earlier(long long a, long long b) { return a < b ? a : b; }

long long endpointer_soft_end(const Endpointer *self)
{
    return later(self->voiced_until + self->afterroll, self->start + self->minimum);
}

long long endpointer_draft_at(const Endpointer *self)
{
    return later(self->voiced_until + self->draft_after, endpointer_soft_end(self));
}

long long endpointer_pause(const Endpointer *self)
{
    if (!self->has_drafts || self->state != ENDING)
        return -1;
    return self->now >= endpointer_draft_at(self) ? endpointer_soft_end(self) : -1;
}

long long endpointer_earliest(const Endpointer *self)
{
    long long reach = self->window + self->preroll;
    if (self->state == SILENT)
        return later(self->end, self->now - reach);
    reach = later(reach, SPLIT_REACH);
    return later(self->start, earlier(self->now - reach, self->start + self->maximum - self->cut_window));
}

void endpointer_close(Endpointer *self, Boundaries *found)
{
    if (self->state == SILENT)
        return;
    long long end = endpointer_soft_end(self);
    self->end = earlier(self->now, end);
    self->state = SILENT;
    self->count = 0;
    found->closes = 1;
    found->end = self->end;
    found->padding = self->end == end ? self->padding : 0;
}

static void open_here(Endpointer *self, Boundaries *found)
{
    found->opens = 1;
    found->start = self->start;
}

/* End the open segment at `tick`, where the next one begins. */
static void go_over(Endpointer *self, long long tick, int reason, Boundaries *found)
{
    self->start = self->end = tick;
    found->closes = 1;
    found->end = tick;
    found->padding = 0;
    found->reason = reason;
    open_here(self, found);
}

int endpointer_split(Endpointer *self, long long tick, Boundaries *found)
{
    int in_reach = self->start < tick && self->now - SPLIT_REACH <= tick && tick <= self->now;
    if (self->state == SILENT || !in_reach) {
        PyErr_Format(PyExc_RuntimeError, "tick %lld is not in the open segment", tick);
        return -1;
    }
    go_over(self, tick, SPEAKER, found);
    return 0;
}

/* Make the quietest recent point the boundary between two segments. */
static int cut(Endpointer *self, Boundaries *found)
{
    long long window = earlier(levels_length(&self->levels), self->cut_window);
    long long first = later(self->now - window, self->start + self->minimum);
    PyObject *levels = levels_array(&self->levels, (Py_ssize_t)(self->now - first));
    if (levels == NULL)
        return -1;
    PyObject *place = PyObject_CallFunctionObjArgs(self->quietest, levels, NULL);
    Py_DECREF(levels);
    if (place == NULL)
        return -1;
    long long behind = PyLong_AsLongLong(place);
    Py_DECREF(place);
    if (behind == -1 && PyErr_Occurred())
        return -1;
    go_over(self, first + behind, LENGTH, found);
    return 0;
}

/* Close the open segment after a pause or at the maximum length. */
static int settle(Endpointer *self, Boundaries *found)
{
    found->reason = PAUSE;
    if (self->now - self->voiced_until >= self->patience) {
        endpointer_close(self, found);
        return 0;
    }
    if (self->now - self->start < self->maximum)
        return 0;
    found->reason = LENGTH;
    if (self->state == SPEAKING)
        return cut(self, found);
    endpointer_close(self, found);
    return 0;
}

/* Open a segment if this tick and the ticks just before it contain enough voice. */
static void consider(Endpointer *self, long long tick, Boundaries *found)
{
    if (self->count == self->needed) {
        self->first = (self->first + 1) % self->needed;
        self->count--;
    }
    self->candidates[(self->first + self->count++) % self->needed] = tick;
    long long first = self->candidates[self->first];
    if (self->count < self->needed || tick - first >= self->window)
        return;
    self->state = SPEAKING;
    self->voiced_until = self->now;
    self->patience = self->hangover;
    self->start = later(self->end, first - self->preroll);
    open_here(self, found);
}

int endpointer_feed(Endpointer *self, int voiced, double level, Boundaries *found)
{
    long long tick = self->now++;
    *found = (Boundaries){0};
    if (levels_append(&self->levels, level) < 0)
        return -1;
    if (self->state == SILENT) {
        if (voiced)
            consider(self, tick, found);
        return 0;
    }
    self->state = voiced ? SPEAKING : ENDING;
    if (voiced) {
        self->voiced_until = self->now;
        self->patience = self->hangover;
    }
    return settle(self, found);
}
