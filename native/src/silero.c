/*
 * The network of Silero VAD (version 6, 8 kHz) for the windows of many channels at once.
 *
 * Equal to streaming/audio/voice_activity/silero_network.py within 1e-5; the steps are explained there.
 */
#include "network.h"

#include <math.h>

/* Window `number` of a query with its context, and its last samples mirrored behind it. */
static void place_window(const Query *query, int number, float *to)
{
    int first = number * SILERO_WINDOW - (SILERO_CONTEXT + query->count * SILERO_WINDOW - query->from);
    for (int at = 0; at < HEARD; at++)
        to[at] = first + at < 0 ? 0.0f : query->samples[first + at] * FULL_SCALE;
    for (int at = HEARD; at < LENGTH; at++)
        to[at] = to[2 * (HEARD - 1) - at];
}

/* Where a layer reads or writes: `rows` of each window, `row` floats apart, those of two windows `window` floats. */
typedef struct {
    float *at;
    int row, window;
} Place;

static void run_layer(Network *self, int number, Place from, Place to, int rows, int windows)
{
    const float *inputs[AT_ONCE * FRAMES];
    float *outputs[AT_ONCE * FRAMES];
    for (int at = 0; at < rows * windows; at++) {
        inputs[at] = from.at + at / rows * from.window + at % rows * from.row;
        outputs[at] = to.at + at / rows * to.window + at % rows * to.row;
    }
    self->kernels->multiply(&self->matrices[number], inputs, outputs, rows * windows, self->biases[number],
                            number != TRANSFORM && number != INPUT);
}

static void take_magnitudes(Network *self, int windows)
{
    for (int row = 0; row < windows * FRAMES; row++) {
        const float *parts = self->layers.parts[row], *last = parts + 2 * (BINS - 1);
        float *step = self->layers.steps[row / FRAMES][row % FRAMES + 1];
        self->kernels->magnitudes(parts, parts + BINS - 1, step, BINS - 1);
        self->kernels->magnitudes(last, last + 1, step + BINS - 1, 1);
    }
}

/* The part of the network that does not depend on the windows before, for `windows` of `layers.samples`. */
static void find_gates(Network *self, int windows, float *gates)
{
    Layers *layers = &self->layers;
    const int steps = (FRAMES + 2) * BINS, first = (FRAMES + 1) * 128;
    run_layer(self, TRANSFORM, (Place){layers->samples[0], HOP, LENGTH},
              (Place){layers->parts[0], PARTS, FRAMES * PARTS}, FRAMES, windows);
    take_magnitudes(self, windows);
    run_layer(self, FIRST, (Place){layers->steps[0][0], BINS, steps},
              (Place){layers->first[0][1], 128, first}, FRAMES, windows);
    run_layer(self, SECOND, (Place){layers->first[0][0], 2 * 128, first},
              (Place){layers->second[0][0], 64, 128}, 2, windows);
    run_layer(self, THIRD, (Place){layers->second[0][0], 0, 128}, (Place){layers->third[0], 0, 64}, 1, windows);
    run_layer(self, FOURTH, (Place){layers->third[0], 0, 64}, (Place){layers->fourth[0], 0, 128}, 1, windows);
    run_layer(self, INPUT, (Place){layers->fourth[0], 0, 128}, (Place){gates, 0, GATES}, 1, windows);
}

/* The gates of all windows of all queries, in order. */
static void find_all_gates(Network *self, Query *const *queries, int count, float *gates)
{
    int filled = 0;
    for (int at = 0; at < count; at++)
        for (int number = 0; number < queries[at]->count; number++) {
            place_window(queries[at], number, self->layers.samples[filled++]);
            if (filled == AT_ONCE) {
                find_gates(self, filled, gates);
                gates += AT_ONCE * GATES;
                filled = 0;
            }
        }
    if (filled)
        find_gates(self, filled, gates);
}

static float probability(const Network *self, const float *hidden)
{
    float sums[LANES] = {0}, sum = self->output_bias;
    for (int unit = 0; unit < SILERO_UNITS; unit += LANES)
        for (int at = 0; at < LANES; at++)
            sums[at] += (hidden[unit + at] > 0.0f ? hidden[unit + at] : 0.0f) * self->output[unit + at];
    for (int at = 0; at < LANES; at++)
        sum += sums[at];
    return 0.5f + 0.5f * tanhf(0.5f * sum);
}

/* Take window `number` of at most `AT_ONCE` queries that have one; `gates`: of that window of each. */
static void take_windows(Network *self, Query *const *queries, float *const *gates, int count, int number)
{
    const float *hidden[AT_ONCE];
    for (int at = 0; at < count; at++)
        hidden[at] = queries[at]->memory.hidden;
    self->kernels->multiply(&self->matrices[MEMORY], hidden, gates, count, NULL, 0);
    for (int at = 0; at < count; at++) {
        Memory *memory = &queries[at]->memory;
        self->kernels->step(gates[at], memory->hidden, memory->cell, SILERO_UNITS);
        queries[at]->probabilities[number] = probability(self, memory->hidden);
    }
}

/* Take window `number` of all queries that have one. */
static void take_window(Network *self, Query *const *queries, int count, int number, float *gates)
{
    Query *taken[AT_ONCE];
    float *theirs[AT_ONCE];
    int filled = 0;
    for (int at = 0; at < count; gates += queries[at]->count * GATES, at++) {
        if (queries[at]->count > number) {
            taken[filled] = queries[at];
            theirs[filled++] = gates + number * GATES;
        }
        if (filled == AT_ONCE || (filled && at == count - 1)) {
            take_windows(self, taken, theirs, filled, number);
            filled = 0;
        }
    }
}

int network_answer(PyObject *network, Query *const *queries, int count)
{
    Network *self = (Network *)network;
    int windows = 0, most = 0;
    for (int at = 0; at < count; at++) {
        windows += queries[at]->count;
        most = queries[at]->count > most ? queries[at]->count : most;
    }
    if (self->kernels == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the network has no weights");
        return -1;
    }
    if (windows == 0)
        return 0;
    float *gates = PyMem_Malloc((size_t)windows * GATES * sizeof(float));
    if (gates == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    find_all_gates(self, queries, count, gates);
    for (int number = 0; number < most; number++)
        take_window(self, queries, count, number, gates);
    PyMem_Free(gates);
    return 0;
}
