/* The network of Silero: what `silero.c` (arithmetic) and `silero_type.c` (the object in Python) share. */
#ifndef TRUNKLINE_NETWORK_H
#define TRUNKLINE_NETWORK_H

#include "kernels.h"
#include "silero.h"

#define FRAME 128 /* samples of a frame of the Fourier transform */
#define HOP 64
#define FRAMES 4
#define BINS 65
#define PARTS 144 /* real and imaginary parts of a frame: 64 bins of each, then the last bin, then zeros */
#define LENGTH ((FRAMES - 1) * HOP + FRAME) /* samples of a window, its context, and the mirrored ones */
#define HEARD (SILERO_CONTEXT + SILERO_WINDOW)
#define GATES (4 * SILERO_UNITS)
#define AT_ONCE 12 /* windows whose features are computed together: their values stay in the cache */

#define FULL_SCALE (1.0f / 32768.0f)

/* The values of `AT_ONCE` windows between two layers. */
typedef struct {
    float samples[AT_ONCE][LENGTH];
    float parts[AT_ONCE * FRAMES][PARTS];
    float steps[AT_ONCE][FRAMES + 2][BINS]; /* a step of zeros before and behind */
    float first[AT_ONCE][FRAMES + 1][128];  /* a step of zeros before */
    float second[AT_ONCE][2][64];
    float third[AT_ONCE][64];
    float fourth[AT_ONCE][128];
} Layers;

enum { TRANSFORM, FIRST, SECOND, THIRD, FOURTH, INPUT, MEMORY, MATRICES };

typedef struct {
    PyObject_HEAD
    const Kernels *kernels;
    void *weights[MATRICES]; /* what `matrices` have, as it was allocated */
    Matrix matrices[MATRICES];
    float biases[MATRICES][GATES];
    float output[SILERO_UNITS], output_bias;
    Layers layers;
} Network;

#endif
