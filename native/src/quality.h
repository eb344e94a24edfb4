/* Line quality: the measurements of a block of 250 ms of one channel at 8 kHz. */
#ifndef TRUNKLINE_QUALITY_H
#define TRUNKLINE_QUALITY_H

#include "module.h"
#include "spectrum.h"

#define UNKNOWN NAN /* of a measurement that a block does not have */

/* The other decoding of the same bytes minus the declared one; both `UNKNOWN`, or none. */
typedef struct {
    double roughness, smoothness;
} Contrast;

/* The fields of `Block` in streaming/audio/quality/block.py, which documents them. */
typedef struct {
    int idle;
    double loudest, softest, offset, clipped;
    double law;
    Contrast order, linear;
    double packed;
    int is_stereo;
    double bass, high, centroid; /* all `UNKNOWN`, or none */
    double treble, flatness;
} Measured;

/* Samples, and what several measurements of them need. */
typedef struct {
    int16_t samples[BLOCK];
    uint8_t codes[BLOCK]; /* of `law` */
    int law;              /* of G.711, that has a code for every sample; `LAWS` for none */
    int peak;             /* the largest magnitude, 0 to 32,768 */
    double roughness, neighbourhood; /* `UNKNOWN` until `compare_decodings` */
    int has_spectrum;
    float power[BINS];
    double bands[40];
} Audio;

/* Fill in `power` and `bands` unless they are there. */
void need_spectrum(Audio *audio);

/* Spectral flatness of `count` bands: 1 for white noise, 0 for a tone. */
double flatness_of(const double *bands, int count);

/* Spectral flatness in the telephone band. */
double telephone_flatness(const double *bands);

/* Compare the declared decoding of a block that is not idle with others; see misreading.py. */
void compare_decodings(Audio *audio, Measured *found);

/* The same for a block in which all samples are `value`. */
void compare_idle(int16_t value, Measured *found);

/* A function of the module: see `measure_block` in streaming/audio/compiled.py. */
PyObject *measure_block(PyObject *module, PyObject *pcm);

#endif
