/* Equal to streaming/audio/quality/block_stats.py and block_arrays.py, which document the behaviour. */
#include "quality.h"
#include "g711.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The constants of these files. */
#define BANDS 40
#define BLOCK_TICK (BLOCK / 12)
#define FULL_SCALE 32768.0
#define SILENT_DBFS (-120.0)
#define CLIPPED 31000
#define LOUD_DBFS (-35.0)
#define NEVER_DBFS (-40.0)
#define TONAL 0.03
#define FAINTEST 1e-3

/* Bins of the spectrum of a block, which are 4 Hz apart: 80, 250 and 3400 Hz.  8 kHz has none above 4200 Hz. */
#define HERTZ 4
#define SPEECH_FROM 20
#define BASS_END 63
#define SPEECH_END 850

#define PARALLEL 8

static double total(const float *values, int count)
{
    double sums[PARALLEL] = {0}, sum = 0.0;
    int at = 0;
    for (; at + PARALLEL <= count; at += PARALLEL)
        for (int lane = 0; lane < PARALLEL; lane++)
            sums[lane] += values[at + lane];
    for (; at < count; at++)
        sum += values[at];
    for (int lane = 0; lane < PARALLEL; lane++)
        sum += sums[lane];
    return sum;
}

static void take_bands(const float *power, int bins, double *bands)
{
    const int width = bins / BANDS;
    for (int band = 0; band < BANDS; band++)
        bands[band] = total(power + band * width, width) / width + FAINTEST;
}

static double mean(const double *values, int count)
{
    double sum = 0.0;
    for (int at = 0; at < count; at++)
        sum += values[at];
    return sum / count;
}

double flatness_of(const double *bands, int count)
{
    double logarithms = 0.0;
    for (int band = 0; band < count; band++)
        logarithms += log(bands[band]);
    return exp(logarithms / count) / mean(bands, count);
}

double telephone_flatness(const double *bands)
{
    return flatness_of(bands + BANDS / 10, BANDS * 8 / 10 - BANDS / 10);
}

void need_spectrum(Audio *audio)
{
    if (audio->has_spectrum)
        return;
    block_spectrum(audio->samples, audio->power);
    take_bands(audio->power, BINS, audio->bands);
    audio->has_spectrum = 1;
}

/* Find a law that has a code for every sample, and the codes. */
static void find_law(Audio *audio)
{
    for (audio->law = 0; audio->law < LAWS; audio->law++) {
        int at = 0;
        for (; at < BLOCK; at++) {
            const uint16_t code = g711_codes[audio->law][(uint16_t)audio->samples[at]];
            if (code == 0)
                break;
            audio->codes[at] = (uint8_t)(code - 1);
        }
        if (at == BLOCK)
            return;
    }
}

static double in_dbfs(double power)
{
    return 10 * log10(fmax(power / (FULL_SCALE * FULL_SCALE), pow(10.0, SILENT_DBFS / 10)));
}

/* The levels of the loudest and of the softest whole tick, without DC. */
static void measure_levels(const Audio *audio, double offset, Measured *found)
{
    double most = 0.0, least = INFINITY;
    for (int tick = 0; tick < BLOCK / BLOCK_TICK; tick++) {
        const int16_t *samples = audio->samples + tick * BLOCK_TICK;
        int32_t sum = 0;
        for (int at = 0; at < BLOCK_TICK; at++)
            sum += samples[at];
        const double squares = (double)energy(samples, BLOCK_TICK);
        const double power = (squares - 2 * offset * sum) / BLOCK_TICK + offset * offset;
        most = fmax(most, power);
        least = fmin(least, power);
    }
    found->loudest = in_dbfs(most);
    found->softest = in_dbfs(least);
}

/* The share of the samples that are next to each other at full scale. */
static double clipped_share(const int16_t *samples)
{
    int count = 0;
    for (int at = 0; at < BLOCK - 1; at++)
        count += abs(samples[at]) >= CLIPPED && abs(samples[at + 1]) >= CLIPPED;
    return (double)count / (BLOCK - 1);
}

/* The flatness of the softest quarter. */
static double softest_flatness(const int16_t *samples)
{
    const int16_t *softest = samples;
    for (int at = QUARTER; at < BLOCK; at += QUARTER)
        if (energy(samples + at, QUARTER) < energy(softest, QUARTER))
            softest = samples + at;
    float power[QUARTER / 2 + 1];
    double bands[BANDS];
    quarter_spectrum(softest, power);
    take_bands(power, QUARTER / 2 + 1, bands);
    return telephone_flatness(bands);
}

/* Frequency below which and above which a spectrum has the same moments, in Hz. */
static double centroid(const float *power)
{
    double moments[PARALLEL] = {0}, moment = power[BINS - 1] * (double)(BINS - 1);
    for (int bin = 0; bin + PARALLEL <= BINS; bin += PARALLEL)
        for (int lane = 0; lane < PARALLEL; lane++)
            moments[lane] += power[bin + lane] * (double)(bin + lane);
    for (int lane = 0; lane < PARALLEL; lane++)
        moment += moments[lane];
    return HERTZ * moment / fmax(total(power, BINS), 1.0);
}

/* The balance and the treble of a loud block. */
static void measure_spectrum(Audio *audio, Measured *found)
{
    need_spectrum(audio);
    const float *power = audio->power;
    const double bass = total(power + SPEECH_FROM, BASS_END - SPEECH_FROM);
    const double speech = bass + total(power + BASS_END, SPEECH_END - BASS_END);
    const double level = 10 * log10(speech + 1);
    found->bass = 10 * log10(bass + 1) - level;
    found->high = -level;
    found->centroid = centroid(power);
    if (audio->law != LAWS || flatness_of(audio->bands + BANDS / 10, BANDS / 2 - BANDS / 10) < TONAL)
        return;
    const int quarter = BANDS / 4;
    found->treble = 10 * log10(mean(audio->bands + quarter, quarter - 2) /
                               mean(audio->bands + 2 * quarter + 4, quarter));
}

/* Measure a block, of which only the samples are filled in. */
static void measure(Audio *audio, Measured *found)
{
    int least = audio->samples[0], most = least;
    int64_t sum = 0;
    for (int at = 0; at < BLOCK; at++) {
        least = audio->samples[at] < least ? audio->samples[at] : least;
        most = audio->samples[at] > most ? audio->samples[at] : most;
        sum += audio->samples[at];
    }
    const double offset = (double)sum / BLOCK;
    found->offset = offset / FULL_SCALE;
    audio->peak = -least > most ? -least : most;
    if (least == most) {
        found->idle = 1;
        found->loudest = found->softest = SILENT_DBFS;
        found->clipped = audio->peak >= CLIPPED;
        compare_idle(audio->samples[0], found);
        return;
    }
    measure_levels(audio, offset, found);
    found->clipped = audio->peak >= CLIPPED ? clipped_share(audio->samples) : 0.0;
    find_law(audio);
    compare_decodings(audio, found);
    if (found->loudest > LOUD_DBFS)
        measure_spectrum(audio, found);
    if (found->softest > NEVER_DBFS)
        found->flatness = softest_flatness(audio->samples);
}

static PyObject *number(double value)
{
    if (isnan(value))
        Py_RETURN_NONE;
    return PyFloat_FromDouble(value);
}

static PyObject *pair(Contrast contrast)
{
    if (isnan(contrast.roughness))
        Py_RETURN_NONE;
    return Py_BuildValue("(dd)", contrast.roughness, contrast.smoothness);
}

static PyObject *balance(const Measured *found)
{
    if (isnan(found->centroid))
        Py_RETURN_NONE;
    return Py_BuildValue("(ddd)", found->bass, found->high, found->centroid);
}

PyObject *measure_block(PyObject *module, PyObject *pcm)
{
    Audio audio = {.law = LAWS, .roughness = UNKNOWN, .neighbourhood = UNKNOWN};
    Measured found = {.law = UNKNOWN, .order = {UNKNOWN, UNKNOWN}, .linear = {UNKNOWN, UNKNOWN},
                      .packed = UNKNOWN, .bass = UNKNOWN, .high = UNKNOWN, .centroid = UNKNOWN, .treble = UNKNOWN};
    Py_buffer view;
    (void)module;
    if (PyObject_GetBuffer(pcm, &view, PyBUF_STRIDED_RO) < 0)
        return NULL;
    int failed = view.ndim != 1 || view.itemsize != 2 || view.len != (Py_ssize_t)sizeof audio.samples;
    if (failed)
        PyErr_Format(PyExc_TypeError, "a block is an array of %d 16-bit numbers", BLOCK);
    else
        failed = PyBuffer_ToContiguous(audio.samples, &view, view.len, 'C') < 0;
    PyBuffer_Release(&view);
    if (failed)
        return NULL;
    measure(&audio, &found);
    return Py_BuildValue("(NddddNNNNNNNd)", PyBool_FromLong(found.idle), found.loudest, found.softest,
                         found.offset, found.clipped, number(found.law), pair(found.order), pair(found.linear),
                         number(found.packed), PyBool_FromLong(found.is_stereo), balance(&found),
                         number(found.treble), found.flatness);
}
