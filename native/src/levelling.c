/* The slow gain for quiet channels.  Equal to streaming/audio/levelling.py, which documents the behaviour. */
#include "ticks.h"

#include <math.h>
#include <string.h>

/* The constants of levelling.py. */
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
#define POWER_0_DBFS 90.30899869919436 /* 20 log10(32768) */

const Level first_level = {FAINT_DBFS, 0.0, 0.0, FAINT_DBFS, 0.0, 0};

static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

static double next_gain(double gain, double speech, int is_first)
{
    double wanted = smaller(MOST_DB, TARGET_DBFS - speech);
    if (gain == 0.0 && speech >= QUIET_DBFS)
        return 0.0;
    return is_first ? wanted : smaller(wanted, gain + RISE_DB);
}

void observe_level(Level *state, double power)
{
    double decibels = 10 * log10(larger(power, 1.0)) - POWER_0_DBFS;
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

void amplify(const int16_t *from, int16_t *to, Py_ssize_t count, double gain)
{
    if (gain == 0.0) {
        memcpy(to, from, (size_t)count * sizeof(int16_t));
        return;
    }
    float factor = (float)pow(10.0, gain / 20);
    for (Py_ssize_t at = 0; at < count; at++) {
        float louder = rintf((float)from[at] * factor);
        to[at] = louder > 32767.0f ? 32767 : louder < -32768.0f ? -32768 : (int16_t)louder;
    }
}
